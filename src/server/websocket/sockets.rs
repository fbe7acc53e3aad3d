//! Counts open WebSockets, and asks them to close when the gateway stops.

use tokio::sync::watch;

/// All sockets of a gateway. The gateway signals its stop to them and waits until they close.
pub struct Sockets {
    stopping: watch::Sender<bool>,
    open: watch::Sender<usize>,
}

impl Default for Sockets {
    fn default() -> Self {
        Self {
            stopping: watch::Sender::new(false),
            open: watch::Sender::new(0),
        }
    }
}

impl Sockets {
    /// Signals to every socket that the gateway stops. No new operation begins, and each socket
    /// closes after its last response.
    pub fn stop(&self) {
        self.stopping.send_replace(true);
    }

    /// A receiver that turns `true` when the gateway stops.
    pub fn stopping(&self) -> watch::Receiver<bool> {
        self.stopping.subscribe()
    }

    /// Waits until no socket is open.
    pub async fn closed(&self) {
        // The sender lives as long as `self`.
        let _ = self.open.subscribe().wait_for(|open| *open == 0).await;
    }

    /// Counts a socket as open until the guard is dropped.
    pub(super) fn open(&self) -> OpenSocket {
        self.open.send_modify(|open| *open += 1);
        OpenSocket(self.open.clone())
    }
}

/// Counts a socket as open until it is dropped.
pub struct OpenSocket(watch::Sender<usize>);

impl Drop for OpenSocket {
    fn drop(&mut self) {
        self.0.send_modify(|open| *open -= 1);
    }
}
