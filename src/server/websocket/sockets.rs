//! Counts open WebSockets, and asks them to close when the gateway stops.

use tokio::sync::watch;

/// All sockets of a gateway: they learn together that it stops, and the stop waits for them.
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
    /// Tells every socket that the gateway stops: no new operation begins, and each socket closes
    /// when its last one has been answered.
    pub fn stop(&self) {
        self.stopping.send_replace(true);
    }

    /// Whether it stops.
    pub fn stopping(&self) -> watch::Receiver<bool> {
        self.stopping.subscribe()
    }

    /// Waits until no socket is open.
    pub async fn closed(&self) {
        // The sender lives as long as this.
        let _ = self.open.subscribe().wait_for(|open| *open == 0).await;
    }

    /// Counts a socket as open until the guard is dropped.
    pub(super) fn open(&self) -> Open {
        self.open.send_modify(|open| *open += 1);
        Open(self.open.clone())
    }
}

/// A socket, as long as it is open.
pub struct Open(watch::Sender<usize>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.send_modify(|open| *open -= 1);
    }
}
