//! A proxy in front of an upstream that injects a fault into selected calls.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

/// The fault that replaces an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Misbehaviour {
    /// Accepts the request and never answers.
    Hang,
    /// Resets the connection: before the head, within it, or within the body.
    ResetBefore,
    ResetDuring,
    ResetAfter,
    /// Sends one byte every 50 ms.
    Drip,
    /// Status, a header line (or none), body.
    Says(u16, &'static str, &'static str),
    /// A JSON body of 64 MiB.
    Endless,
}

pub struct Proxy {
    pub address: SocketAddr,
    /// The number of calls that got the fault.
    pub hits: Arc<AtomicUsize>,
}

/// Whether a call with this method and path gets the fault.
pub type CallFilter = Arc<dyn Fn(&str, &str) -> bool + Send + Sync>;

impl Proxy {
    pub async fn start(upstream: SocketAddr, is_faulty: CallFilter, how: Misbehaviour) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let hits = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&hits);
        tokio::spawn(async move {
            let client = reqwest::Client::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (client, is_faulty, hits) =
                    (client.clone(), Arc::clone(&is_faulty), Arc::clone(&counted));
                tokio::spawn(async move {
                    // A closed connection is not a failure of the proxy.
                    let _ = talk(stream, upstream, client, is_faulty, how, hits).await;
                });
            }
        });
        Self { address, hits }
    }
}

/// One request as received.
struct Request {
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

async fn talk(
    mut stream: TcpStream,
    upstream: SocketAddr,
    client: reqwest::Client,
    is_faulty: CallFilter,
    how: Misbehaviour,
    hits: Arc<AtomicUsize>,
) -> std::io::Result<()> {
    let mut buffer = Vec::new();
    while let Some(request) = read(&mut stream, &mut buffer).await? {
        let path = request.target.split('?').next().unwrap_or_default();
        if is_faulty(&request.method, path) {
            hits.fetch_add(1, Ordering::SeqCst);
            return misbehave(stream, how).await;
        }
        let answer = forward(&client, upstream, request).await;
        stream.write_all(&answer).await?;
    }
    Ok(())
}

/// Reads the next request; returns `None` when the peer has closed.
async fn read(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> std::io::Result<Option<Request>> {
    let head = loop {
        if let Some(end) = buffer.windows(4).position(|w| w == b"\r\n\r\n") {
            break buffer.drain(..end + 4).collect::<Vec<u8>>();
        }
        if stream.read_buf(buffer).await? == 0 {
            return Ok(None);
        }
        if buffer.first() == Some(&0x16) {
            // The client starts a TLS handshake.
            stream
                .write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")
                .await?;
            return Ok(None);
        }
    };
    let head = String::from_utf8_lossy(&head).into_owned();
    let mut lines = head.lines();
    let mut words = lines.next().unwrap_or_default().split(' ');
    let (method, target) = (words.next(), words.next());
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    let find = |name: &str| {
        headers
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, v)| v.as_str())
    };
    let mut body = Vec::new();
    if let Some(length) = find("content-length").and_then(|text| text.parse::<usize>().ok()) {
        while buffer.len() < length {
            if stream.read_buf(buffer).await? == 0 {
                return Ok(None);
            }
        }
        body = buffer.drain(..length).collect();
    } else if find("transfer-encoding") == Some("chunked") {
        loop {
            let Some(end) = buffer.windows(2).position(|w| w == b"\r\n") else {
                if stream.read_buf(buffer).await? == 0 {
                    return Ok(None);
                }
                continue;
            };
            let size = String::from_utf8_lossy(&buffer[..end]).into_owned();
            let size = usize::from_str_radix(&size, 16).expect("a chunk's size");
            while buffer.len() < end + 2 + size + 2 {
                if stream.read_buf(buffer).await? == 0 {
                    return Ok(None);
                }
            }
            let chunk: Vec<u8> = buffer.drain(..end + 2 + size + 2).collect();
            if size == 0 {
                break;
            }
            body.extend_from_slice(&chunk[end + 2..end + 2 + size]);
        }
    }
    Ok(Some(Request {
        method: method.unwrap_or_default().to_owned(),
        target: target.unwrap_or_default().to_owned(),
        headers,
        body,
    }))
}

async fn forward(client: &reqwest::Client, upstream: SocketAddr, request: Request) -> Vec<u8> {
    let method = request.method.parse::<reqwest::Method>().expect("a method");
    let mut call = client.request(method, format!("http://{upstream}{}", request.target));
    for (name, value) in request.headers {
        if !matches!(
            &*name,
            "host" | "content-length" | "transfer-encoding" | "connection"
        ) {
            call = call.header(name, value);
        }
    }
    let response = call
        .body(request.body)
        .send()
        .await
        .expect("the sandbox answers");
    let mut head = format!("HTTP/1.1 {}\r\n", response.status().as_u16());
    for (name, value) in response.headers() {
        if !matches!(
            name.as_str(),
            "content-length" | "transfer-encoding" | "connection"
        ) {
            head += &format!("{name}: {}\r\n", value.to_str().unwrap_or_default());
        }
    }
    let status = response.status();
    let body = response.bytes().await.expect("a body");
    if status != reqwest::StatusCode::NO_CONTENT {
        head += &format!("content-length: {}\r\n", body.len());
    }
    [head.as_bytes(), b"\r\n", &body].concat()
}

async fn misbehave(mut stream: TcpStream, how: Misbehaviour) -> std::io::Result<()> {
    let json = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n";
    match how {
        Misbehaviour::Hang => {
            // Reads until the peer gives up.
            let mut rest = Vec::new();
            stream.read_to_end(&mut rest).await?;
        }
        Misbehaviour::ResetBefore => {}
        Misbehaviour::ResetDuring => stream.write_all(&json.as_bytes()[..30]).await?,
        Misbehaviour::ResetAfter => {
            let head = format!("{json}content-length: 1000\r\n\r\n{{\"assets\": [");
            stream.write_all(head.as_bytes()).await?;
        }
        Misbehaviour::Drip => {
            let text = format!("{json}content-length: 1000\r\n\r\n{}", " ".repeat(1_000));
            for byte in text.bytes() {
                stream.write_all(&[byte]).await?;
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
        Misbehaviour::Says(status, header, body) => {
            let length = match status {
                204 => String::new(),
                _ => format!("content-length: {}\r\n", body.len()),
            };
            let text = format!(
                "HTTP/1.1 {status} Said\r\n{header}{length}connection: close\r\n\r\n{body}"
            );
            stream.write_all(text.as_bytes()).await?;
            stream.shutdown().await?;
        }
        Misbehaviour::Endless => {
            let length = 64 * 1024 * 1024;
            let head = format!("{json}content-length: {length}\r\n\r\n");
            stream.write_all(head.as_bytes()).await?;
            let piece = vec![b' '; 64 * 1024];
            for _ in 0..length / piece.len() {
                stream.write_all(&piece).await?;
            }
        }
    }
    let is_reset = matches!(
        how,
        Misbehaviour::ResetBefore | Misbehaviour::ResetDuring | Misbehaviour::ResetAfter
    );
    if is_reset {
        stream.set_zero_linger()?;
    }
    Ok(())
}
