//! Connections: so many at once, each with a time for saying what it wants.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use axum::Router;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto::Builder, graceful::GracefulShutdown},
    service::TowerToHyperService,
};
use tokio::{net::TcpListener, sync::Semaphore};
use tower_service::Service;

use crate::config::Limits;

/// Waited where nothing can be accepted, such as without free file descriptors.
const PAUSE: Duration = Duration::from_millis(200);
/// How often a silent HTTP/2 connection is asked whether anybody is there.
const PING: Duration = Duration::from_secs(30);

/// Serves until `stop` is ready, then closes what is idle and waits for what is running.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    limits: &Limits,
    stop: impl Future<Output = ()>,
) {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.idle);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(PING)
        .enable_connect_protocol();
    let builder = Arc::new(builder);
    let graceful = GracefulShutdown::new();
    let places = Arc::new(Semaphore::new(limits.connections));
    let mut services = router.into_make_service_with_connect_info::<SocketAddr>();
    let accepting = async {
        loop {
            // Others wait in the system's queue. Nobody closes the semaphore.
            let Ok(place) = Arc::clone(&places).acquire_owned().await else {
                return;
            };
            let (stream, address) = match listener.accept().await {
                Ok(accepted) => accepted,
                Err(error) => {
                    if !is_of_one_connection(&error) {
                        tracing::error!(%error, "no connection can be accepted: is the limit of open files too low?");
                        tokio::time::sleep(PAUSE).await;
                    }
                    continue;
                }
            };
            // Small answers must not wait for more; a refusal only costs that.
            let _ = stream.set_nodelay(true);
            let Ok(service) = services.call(address).await;
            let service = TowerToHyperService::new(service);
            let builder = Arc::clone(&builder);
            let watcher = graceful.watcher();
            tokio::spawn(async move {
                let connection =
                    builder.serve_connection_with_upgrades(TokioIo::new(stream), service);
                if let Err(error) = watcher.watch(connection).await {
                    tracing::debug!(%error, "a connection broke off");
                }
                drop(place);
            });
        }
    };
    tokio::select! {
        () = accepting => {}
        () = stop => {}
    }
    drop(listener);
    graceful.shutdown().await;
}

/// Whether only the connection that was just coming is lost.
fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
    )
}
