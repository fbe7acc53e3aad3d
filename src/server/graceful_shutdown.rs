//! Serves until the process is to stop, then lets pending work finish.

use std::{future::Future, time::Duration};

use tokio::net::TcpListener;

use super::{
    listener,
    state::{AppState, Gateway},
};

/// How long pending requests may go on after the gateway was asked to stop.
pub const DRAIN: Duration = Duration::from_secs(10);

/// Serves until `stop` is ready, then refuses new connections and operations, and lets those under
/// way finish: requests, operations on sockets, and writes whose clients are gone, all for
/// [`DRAIN`] at most.
pub async fn serve(
    listener: TcpListener,
    gateway: &Gateway,
    stop: impl Future<Output = ()> + Send + 'static,
) {
    let AppState {
        limits,
        proxies,
        sockets,
        writer,
        ..
    } = &*gateway.0;
    let mut stopping = sockets.stopping();
    let stop = async move {
        stop.await;
        tracing::info!(
            seconds = DRAIN.as_secs(),
            "stopping: requests and operations under way may finish"
        );
        sockets.stop();
    };
    let finishing = async {
        listener::serve(listener, gateway.router(), limits, proxies, stop).await;
        sockets.closed().await;
        // Also for clients that are gone: the log says how their writes ended.
        writer.settled().await;
    };
    let too_late = async {
        listener::told(&mut stopping).await;
        tokio::time::sleep(DRAIN).await;
    };
    tokio::select! {
        () = finishing => tracing::info!("stopped: all that was under way has finished"),
        () = too_late => {
            tracing::warn!(seconds = DRAIN.as_secs(), "stopped: work still under way is cut off");
            for what in writer.under_way() {
                tracing::warn!(
                    what,
                    "cut off: what became of it is not known beyond the log above"
                );
            }
        }
    }
}
