//! Connections: so many at once, so many of one address, each with a time for saying what it wants
//! and for taking its answer.

use std::{
    collections::HashMap,
    io,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::{Router, extract::connect_info::Connected};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto::Builder, graceful::GracefulShutdown},
    service::TowerToHyperService,
};
use ipnet::IpNet;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, Sleep, sleep},
};
use tower_service::Service;

use crate::config::Limits;

/// Waited where nothing can be accepted, such as without free file descriptors.
const PAUSE: Duration = Duration::from_millis(200);
/// How often a silent HTTP/2 connection is asked whether anybody is there.
const PING: Duration = Duration::from_secs(30);
/// Requests at once on an HTTP/2 connection: as few as its specification advises (RFC 9113 6.5.2).
const STREAMS: u32 = 100;
/// Bytes that tell HTTP/1 from HTTP/2 (RFC 9113 3.4); past them the protocol has its own times.
const PREFACE: usize = 24;
/// How long whoever asked may take for a piece of the answer.
const STALL: Duration = Duration::from_secs(60);

/// The other end of a connection. Whoever outlives the connection, such as a WebSocket, keeps it
/// to keep the place.
#[derive(Clone)]
pub struct Peer {
    pub address: SocketAddr,
    _place: Arc<Place>,
}

impl Connected<Peer> for Peer {
    fn connect_info(peer: Peer) -> Self {
        peer
    }
}

/// A connection's place among all, and among those of its address.
struct Place {
    _any: OwnedSemaphorePermit,
    address: IpAddr,
    counts: Counts,
}

/// Connections of each address.
type Counts = Arc<Mutex<HashMap<IpAddr, usize>>>;

impl Place {
    /// `None`: the address has as many as it may.
    fn new(
        any: OwnedSemaphorePermit,
        address: IpAddr,
        counts: &Counts,
        most: usize,
    ) -> Option<Self> {
        let mut all = counts.lock().unwrap_or_else(PoisonError::into_inner);
        let count = all.entry(address).or_insert(0);
        if *count >= most {
            return None;
        }
        *count += 1;
        drop(all);
        Some(Self {
            _any: any,
            address,
            counts: Arc::clone(counts),
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut all = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = all.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                all.remove(&self.address);
            }
        }
    }
}

/// Serves until `stop` is ready, then closes what is idle and waits for what is running. `proxies`
/// speak for many, so theirs are not counted by address.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    limits: &Limits,
    proxies: &[IpNet],
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
        .max_concurrent_streams(STREAMS)
        .enable_connect_protocol();
    let builder = Arc::new(builder);
    let graceful = GracefulShutdown::new();
    let places = Arc::new(Semaphore::new(limits.connections));
    let counts = Counts::default();
    let mut services = router.into_make_service_with_connect_info::<Peer>();
    let mut refused = 0_u64;
    let accepting = async {
        loop {
            // Others wait in the system's queue. Nobody closes the semaphore.
            let Ok(any) = Arc::clone(&places).acquire_owned().await else {
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
            let ip = address.ip().to_canonical();
            let speaks_for_many = ip.is_loopback() || proxies.iter().any(|net| net.contains(&ip));
            let most = if speaks_for_many {
                usize::MAX
            } else {
                limits.connections_per_address
            };
            let Some(place) = Place::new(any, ip, &counts, most) else {
                refused += 1;
                // Told, but not as often as somebody likes to come.
                if refused.is_power_of_two() {
                    tracing::warn!(
                        client = %ip,
                        refused,
                        "connections of one address were closed, as it has as many as it may: is it \
                         a proxy that `trusted_proxies` should name?"
                    );
                }
                continue;
            };
            // Small answers must not wait for more; a refusal only costs that.
            let _ = stream.set_nodelay(true);
            let peer = Peer {
                address,
                _place: Arc::new(place),
            };
            let Ok(service) = services.call(peer).await;
            let service = TowerToHyperService::new(service);
            let builder = Arc::clone(&builder);
            let watcher = graceful.watcher();
            let stream = TokioIo::new(Timed::new(stream, limits.idle));
            tokio::spawn(async move {
                let connection = builder.serve_connection_with_upgrades(stream, service);
                if let Err(error) = watcher.watch(connection).await {
                    tracing::debug!(%error, "a connection broke off");
                }
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

/// A connection that ends when nothing comes at its beginning, or nothing of an answer is taken.
struct Timed {
    stream: TcpStream,
    /// Bytes read, as long as they are few.
    begun: usize,
    beginning: Pin<Box<Sleep>>,
    /// While nothing can be written.
    stalled: Option<Pin<Box<Sleep>>>,
}

impl Timed {
    fn new(stream: TcpStream, idle: Duration) -> Self {
        Self {
            stream,
            begun: 0,
            beginning: Box::pin(sleep(idle)),
            stalled: None,
        }
    }

    /// A write's end; an error when it has been waiting for too long.
    fn written<T>(
        &mut self,
        context: &mut Context<'_>,
        poll: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if poll.is_ready() {
            self.stalled = None;
            return poll;
        }
        let until = Instant::now() + STALL;
        let stalled = self
            .stalled
            .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(until)));
        ready!(stalled.as_mut().poll(context));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for Timed {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let own = self.get_mut();
        let before = buffer.filled().len();
        let poll = Pin::new(&mut own.stream).poll_read(context, buffer);
        if own.begun < PREFACE {
            own.begun += buffer.filled().len() - before;
            if poll.is_pending() {
                ready!(own.beginning.as_mut().poll(context));
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
        }
        poll
    }
}

impl AsyncWrite for Timed {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let own = self.get_mut();
        let poll = Pin::new(&mut own.stream).poll_write(context, bytes);
        own.written(context, poll)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let own = self.get_mut();
        let poll = Pin::new(&mut own.stream).poll_write_vectored(context, bytes);
        own.written(context, poll)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let own = self.get_mut();
        let poll = Pin::new(&mut own.stream).poll_flush(context);
        own.written(context, poll)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let own = self.get_mut();
        let poll = Pin::new(&mut own.stream).poll_shutdown(context);
        own.written(context, poll)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_so_many_places_and_gives_them_back() {
        let (places, counts) = (Arc::new(Semaphore::new(9)), Counts::default());
        let place = |address: &str| {
            let any = Arc::clone(&places).try_acquire_owned().expect("a place");
            Place::new(any, address.parse().expect("an address"), &counts, 2)
        };
        let (one, two) = (place("192.0.2.1"), place("192.0.2.1"));
        assert!(one.is_some() && two.is_some());
        assert!(place("192.0.2.1").is_none(), "a third");
        assert!(place("192.0.2.2").is_some(), "another's first");
        assert_eq!(
            places.available_permits(),
            7,
            "what is refused holds no place"
        );
        drop(one);
        assert!(place("192.0.2.1").is_some(), "again");
        drop(two);
        assert_eq!(places.available_permits(), 9);
        assert!(counts.lock().expect("not poisoned").is_empty());
    }
}
