//! The listener: limits on connections, in total and per address, and time limits for requests and
//! for writing responses. It closes connections that are idle for too long.

mod active_requests;
mod partial_message;

use std::{
    collections::HashMap,
    io,
    net::{IpAddr, SocketAddr},
    pin::{Pin, pin},
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::{Router, extract::connect_info::Connected};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto::Builder,
    service::TowerToHyperService,
};
use ipnet::IpNet;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch},
    time::{Instant, Sleep, sleep},
};
use tower_service::Service;

use crate::{access::Client, config::Limits};

pub use active_requests::{Requests, TrackedBody};
pub use partial_message::PartialMessage;

/// The pause after a failed accept, for example without free file descriptors.
const PAUSE: Duration = Duration::from_millis(200);
/// How often a silent HTTP/2 connection is pinged.
const PING: Duration = Duration::from_secs(30);
/// Concurrent requests on an HTTP/2 connection: the minimum that RFC 9113 6.5.2 recommends.
const STREAMS: u32 = 100;
/// The read buffer of an HTTP/1 connection, in bytes. A request's head must fit.
const READ_BUFFER: usize = 128 * 1024;
/// Bytes that distinguish HTTP/1 from HTTP/2 (RFC 9113 3.4). Later the protocol's timeouts apply.
const PREFACE: usize = 24;
/// How long a client may take to accept a piece of a response.
const STALL: Duration = Duration::from_secs(60);
/// How long a client may keep a connection open after GOAWAY.
const GOAWAY_GRACE: Duration = Duration::from_secs(5);

/// The peer of a connection. A task that outlives the connection, such as a WebSocket, holds it to
/// keep the slot.
#[derive(Clone)]
pub struct Peer {
    pub address: SocketAddr,
    /// The active requests of the connection.
    pub requests: Arc<Requests>,
    /// The bytes received of an incomplete WebSocket message.
    pub partial: Arc<PartialMessage>,
    _slot: Arc<ConnectionSlot>,
}

impl Connected<Peer> for Peer {
    fn connect_info(peer: Peer) -> Self {
        peer
    }
}

/// A connection's slot in the total limit and in its client's limit.
struct ConnectionSlot {
    _any: OwnedSemaphorePermit,
    client: Client,
    counts: Counts,
}

/// The number of connections of each client.
type Counts = Arc<Mutex<HashMap<Client, usize>>>;

impl ConnectionSlot {
    /// Takes a slot. `None`: the client at this address has reached its limit.
    fn new(
        permit: OwnedSemaphorePermit,
        address: IpAddr,
        counts: &Counts,
        maximum: usize,
    ) -> Option<Self> {
        let client = Client::at(address);
        let mut connections = counts.lock().unwrap_or_else(PoisonError::into_inner);
        let count = connections.entry(client.clone()).or_insert(0);
        if *count >= maximum {
            return None;
        }
        *count += 1;
        drop(connections);
        Some(Self {
            _any: permit,
            client,
            counts: Arc::clone(counts),
        })
    }
}

impl Drop for ConnectionSlot {
    fn drop(&mut self) {
        let mut connections = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = connections.get_mut(&self.client) {
            *count -= 1;
            if *count == 0 {
                connections.remove(&self.client);
            }
        }
    }
}

/// Serves until `stop` resolves, then closes idle connections and waits for active ones. Each of
/// `proxies` serves many clients, so they and loopback have no limit per address.
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
        .max_buf_size(READ_BUFFER)
        .header_read_timeout(limits.idle);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(PING)
        .max_concurrent_streams(STREAMS)
        .enable_connect_protocol();
    let builder = Arc::new(builder);
    // Every connection holds a sender: `recv` returns when all connections have ended.
    let (open, mut all_closed) = mpsc::channel::<()>(1);
    let (stop_sender, stopping) = watch::channel(false);
    let slots = Arc::new(Semaphore::new(limits.connections));
    let counts = Counts::default();
    let mut services = router.into_make_service_with_connect_info::<Peer>();
    let mut refused = 0_u64;
    let accepting = async {
        loop {
            // Further connections wait in the system's queue. The semaphore is never closed.
            let Ok(permit) = Arc::clone(&slots).acquire_owned().await else {
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
            let maximum = if speaks_for_many {
                usize::MAX
            } else {
                limits.connections_per_address
            };
            let Some(slot) = ConnectionSlot::new(permit, ip, &counts, maximum) else {
                refused += 1;
                // Logs at powers of two only, so that one client cannot flood the log.
                if refused.is_power_of_two() {
                    tracing::warn!(
                        client = %ip,
                        refused,
                        "refused a connection: its address has reached its limit. If it is a \
                         proxy, add it to `trusted_proxies`"
                    );
                }
                continue;
            };
            // Sends small responses at once. If setting the option fails, they are only slower.
            let _ = stream.set_nodelay(true);
            let (requests, partial) = (Arc::new(Requests::new()), Arc::<PartialMessage>::default());
            let peer = Peer {
                address,
                requests: Arc::clone(&requests),
                partial: Arc::clone(&partial),
                _slot: Arc::new(slot),
            };
            let Ok(service) = services.call(peer).await;
            let service = TowerToHyperService::new(service);
            let builder = Arc::clone(&builder);
            let (idle, mut stopping, open) = (limits.idle, stopping.clone(), open.clone());
            let stream = TokioIo::new(TimeoutStream::new(stream, partial, idle));
            tokio::spawn(async move {
                let _open = open;
                let connection = builder.serve_connection_with_upgrades(stream, service);
                let mut connection = pin!(connection);
                let mut has_ended = false;
                let mut end = pin!(requests.idle_for(idle));
                // HTTP/2 sends GOAWAY. HTTP/1 also has a timeout for the head of its next request.
                let done = loop {
                    tokio::select! {
                        done = connection.as_mut() => break done,
                        () = end.as_mut(), if !has_ended => has_ended = true,
                        () = stop_requested(&mut stopping), if !has_ended => {
                            connection.as_mut().graceful_shutdown();
                            break connection.await;
                        }
                    }
                    if has_ended {
                        connection.as_mut().graceful_shutdown();
                        // Some clients keep the connection open; others have just sent a request.
                        let farewell = async {
                            sleep(GOAWAY_GRACE).await;
                            requests.idle_for(GOAWAY_GRACE).await;
                        };
                        tokio::select! {
                            done = connection => break done,
                            () = farewell => break Ok(()),
                        }
                    }
                };
                if let Err(error) = done {
                    tracing::debug!(%error, "a connection failed");
                }
            });
        }
    };
    tokio::select! {
        () = accepting => {}
        () = stop => {}
    }
    drop(listener);
    stop_sender.send_replace(true);
    drop(open);
    let _ = all_closed.recv().await;
}

/// Resolves when the gateway stops.
pub async fn stop_requested(stopping: &mut watch::Receiver<bool>) {
    // Without a sender, the gateway has already stopped.
    let _ = stopping.wait_for(|stopping| *stopping).await;
}

/// Whether an accept error concerns only the incoming connection.
fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
    )
}

/// A TCP stream that fails when no bytes arrive at its start, or when a write stalls.
struct TimeoutStream {
    stream: TcpStream,
    partial: Arc<PartialMessage>,
    /// The bytes read so far; not counted past [`PREFACE`].
    bytes_read: usize,
    start_timeout: Pin<Box<Sleep>>,
    /// Runs while a write is pending.
    stall_timeout: Option<Pin<Box<Sleep>>>,
}

impl TimeoutStream {
    fn new(stream: TcpStream, partial: Arc<PartialMessage>, idle: Duration) -> Self {
        Self {
            stream,
            partial,
            bytes_read: 0,
            start_timeout: Box::pin(sleep(idle)),
            stall_timeout: None,
        }
    }

    /// Passes a write's result on, or an error if it has been pending for [`STALL`].
    fn with_stall_timeout<T>(
        &mut self,
        context: &mut Context<'_>,
        poll: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if poll.is_ready() {
            self.stall_timeout = None;
            return poll;
        }
        let until = Instant::now() + STALL;
        let stall_timeout = self
            .stall_timeout
            .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(until)));
        ready!(stall_timeout.as_mut().poll(context));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for TimeoutStream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        let poll = Pin::new(&mut this.stream).poll_read(context, buffer);
        this.partial.charge(buffer.filled().len() - before)?;
        if this.bytes_read < PREFACE {
            this.bytes_read += buffer.filled().len() - before;
            if poll.is_pending() {
                ready!(this.start_timeout.as_mut().poll(context));
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
        }
        poll
    }
}

impl AsyncWrite for TimeoutStream {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let poll = Pin::new(&mut this.stream).poll_write(context, bytes);
        this.with_stall_timeout(context, poll)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let poll = Pin::new(&mut this.stream).poll_write_vectored(context, bytes);
        this.with_stall_timeout(context, poll)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let poll = Pin::new(&mut this.stream).poll_flush(context);
        this.with_stall_timeout(context, poll)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let poll = Pin::new(&mut this.stream).poll_shutdown(context);
        this.with_stall_timeout(context, poll)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_one_ipv6_subnet_share_slots() {
        let (slots, counts) = (Arc::new(Semaphore::new(9)), Counts::default());
        let slot = |address: &str| {
            let permit = Arc::clone(&slots).try_acquire_owned().expect("a place");
            ConnectionSlot::new(permit, address.parse().expect("an address"), &counts, 2)
        };
        let _two = (slot("2001:db8:0:7::1"), slot("2001:db8:0:7:8::2"));
        assert!(slot("2001:db8:0:7:ffff::3").is_none(), "a third");
        assert!(slot("2001:db8:0:8::1").is_some(), "another's first");
    }

    #[test]
    fn an_address_has_a_slot_limit_and_releases_slots() {
        let (slots, counts) = (Arc::new(Semaphore::new(9)), Counts::default());
        let slot = |address: &str| {
            let permit = Arc::clone(&slots).try_acquire_owned().expect("a place");
            ConnectionSlot::new(permit, address.parse().expect("an address"), &counts, 2)
        };
        let (first, second) = (slot("192.0.2.1"), slot("192.0.2.1"));
        assert!(first.is_some() && second.is_some());
        assert!(slot("192.0.2.1").is_none(), "a third");
        assert!(slot("192.0.2.2").is_some(), "another's first");
        assert_eq!(
            slots.available_permits(),
            7,
            "a refused connection holds no slot"
        );
        drop(first);
        assert!(slot("192.0.2.1").is_some(), "again");
        drop(second);
        assert_eq!(slots.available_permits(), 9);
        assert!(counts.lock().expect("not poisoned").is_empty());
    }
}
