//! Serves until the process must stop, then lets pending work finish within a time limit.

use std::{future::Future, time::Duration};

use tokio::net::TcpListener;

use super::{
    listener,
    state::{AppState, Gateway},
};

/// How long pending requests may go on after the gateway was asked to stop.
pub const SHUTDOWN_GRACE: Duration = Duration::from_secs(10);

/// Serves until `stop` resolves, then refuses new connections and operations. Requests, operations
/// on sockets, and writes of disconnected clients may finish, within [`SHUTDOWN_GRACE`] in total.
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
            seconds = SHUTDOWN_GRACE.as_secs(),
            "stopping: requests and operations in progress may finish"
        );
        sockets.stop();
    };
    let finishing = async {
        listener::serve(listener, gateway.router(), limits, proxies, stop).await;
        sockets.closed().await;
        // Some clients have disconnected: the log shows how their writes ended.
        writer.wait_until_idle().await;
    };
    let too_late = async {
        listener::stop_requested(&mut stopping).await;
        tokio::time::sleep(SHUTDOWN_GRACE).await;
    };
    tokio::select! {
        () = finishing => tracing::info!("stopped: all requests and operations have finished"),
        () = too_late => {
            tracing::warn!(seconds = SHUTDOWN_GRACE.as_secs(), "stopped: unfinished work is cancelled");
            for what in writer.in_progress() {
                tracing::warn!(
                    what,
                    "cancelled a write: its result is unknown beyond the log lines above"
                );
            }
        }
    }
}
