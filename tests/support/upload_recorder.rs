//! A Comfy server that records one upload: at full speed, slowly, or with a refusal.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use asset_gateway::{
    config::Config,
    server::{Gateway, serve as serve_gateway},
};
use axum::{
    Json, Router,
    body::Body,
    extract::{Request, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use futures_util::StreamExt;
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::Notify};

/// The recorded upload.
#[derive(Default)]
pub struct Seen {
    pub bytes: AtomicU64,
    /// The body arrived completely.
    pub is_whole: AtomicBool,
    /// The body ended early.
    pub is_broken: AtomicBool,
    pub headers: Mutex<Option<HeaderMap>>,
    /// The first bytes of the body.
    pub head: Mutex<Vec<u8>>,
    /// Notified with each piece, and at the end.
    pub progress: Notify,
}

/// The behaviour of the server.
#[derive(Clone, Default)]
pub struct Manner {
    /// The pause after each piece.
    pub pace: Duration,
    /// The number of bytes after which the server answers 413.
    pub refuses_at: Option<u64>,
}

#[derive(Clone)]
struct Sink {
    seen: Arc<Seen>,
    manner: Manner,
}

/// Starts the server.
pub async fn server(manner: Manner) -> (SocketAddr, Arc<Seen>) {
    let seen = Arc::new(Seen::default());
    let sink = Sink {
        seen: Arc::clone(&seen),
        manner,
    };
    let router = Router::new()
        .route("/api/assets", post(take))
        .route("/api/assets/{id}", get(|| async { Json(asset()) }))
        .with_state(sink);
    (serve(router).await, seen)
}

/// Starts a gateway over the server.
#[allow(dead_code, reason = "some start it as a process")]
pub async fn gateway(manner: Manner, change: impl FnOnce(&mut Config)) -> (SocketAddr, Arc<Seen>) {
    let (comfy, seen) = server(manner).await;
    let environment = [("COMFY_URL", format!("http://{comfy}"))]
        .into_iter()
        .collect();
    let mut config = Config::load(None, &environment).expect("a configuration");
    change(&mut config);
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    let gateway = Gateway::new(config, address).expect("a gateway");
    tokio::spawn(async move { serve_gateway(listener, &gateway, std::future::pending()).await });
    (address, seen)
}

async fn serve(router: Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

fn asset() -> Value {
    json!({
        "id": "00000000-0000-4000-8000-000000000001", "name": "clip.mp4",
        "created_at": "2026-01-01T00:00:00", "updated_at": "2026-01-01T00:00:00",
        "tags": ["input"], "created_new": true,
    })
}

async fn take(State(sink): State<Sink>, request: Request<Body>) -> Response {
    let seen = &sink.seen;
    let (head, body) = request.into_parts();
    *seen.headers.lock().expect("a lock") = Some(head.headers);
    let mut pieces = body.into_data_stream();
    while let Some(piece) = pieces.next().await {
        let Ok(piece) = piece else {
            seen.is_broken.store(true, Ordering::SeqCst);
            seen.progress.notify_waiters();
            return StatusCode::BAD_REQUEST.into_response();
        };
        {
            let mut head = seen.head.lock().expect("a lock");
            if head.len() < 4_096 {
                head.extend_from_slice(&piece);
            }
        }
        let bytes = seen.bytes.fetch_add(piece.len() as u64, Ordering::SeqCst);
        seen.progress.notify_waiters();
        if sink.manner.refuses_at.is_some_and(|limit| bytes >= limit) {
            // Answers at once and drains the rest of the body, as a well-behaved server does.
            tokio::spawn(async move { while let Some(Ok(_)) = pieces.next().await {} });
            let body = json!({ "code": "TOO_LARGE", "message": "too large" });
            return (StatusCode::PAYLOAD_TOO_LARGE, Json(body)).into_response();
        }
        if !sink.manner.pace.is_zero() {
            tokio::time::sleep(sink.manner.pace).await;
        }
    }
    seen.is_whole.store(true, Ordering::SeqCst);
    seen.progress.notify_waiters();
    (StatusCode::CREATED, Json(asset())).into_response()
}

#[allow(dead_code, reason = "not every test that includes this waits")]
impl Seen {
    /// Waits until `condition` holds; panics after 60 seconds.
    pub async fn until(&self, condition: impl Fn(&Self) -> bool) {
        let waiting = async {
            loop {
                let progress = self.progress.notified();
                tokio::pin!(progress);
                progress.as_mut().enable();
                if condition(self) {
                    return;
                }
                progress.await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), waiting)
            .await
            .expect("the upstream saw what it should see");
    }
}

/// The `operations` part of an upload to the server.
pub fn operations(input: &Value) -> String {
    json!({
        "query": "mutation($input: UploadAssetInput!) { uploadAsset(input: $input) { \
                  asset { name } errors { code message } steps { name status } } }",
        "variables": { "input": input },
    })
    .to_string()
}

/// The first bytes of a video.
pub const CLIP: &[u8] = b"\0\0\0\x20ftypisom\0\0\x02\0isomiso2avc1mp41";
