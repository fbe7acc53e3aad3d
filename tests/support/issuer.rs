//! A token issuer whose keys can change.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{SystemTime, UNIX_EPOCH},
};

use axum::{Router, http::StatusCode, routing::get};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use rcgen::{KeyPair, PublicKeyData};
use serde_json::{Value, json};

pub const ISSUER: &str = "https://id.example.com/";
pub const AUDIENCE: &str = "asset-gateway";

/// A key pair on P-256.
pub struct Signer {
    pub kid: String,
    pair: KeyPair,
}

impl Signer {
    pub fn new(kid: &str) -> Self {
        Self {
            kid: kid.to_owned(),
            pair: KeyPair::generate().expect("a key pair"),
        }
    }

    pub fn jwk(&self) -> Value {
        let point = self.pair.der_bytes();
        let (x, y) = point[1..].split_at(32);
        json!({ "kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": self.kid,
                "x": URL_SAFE_NO_PAD.encode(x), "y": URL_SAFE_NO_PAD.encode(y) })
    }

    /// The published public point, which an attacker may use as a shared secret.
    pub fn public(&self) -> Vec<u8> {
        self.pair.der_bytes().to_vec()
    }

    pub fn sign(&self, claims: &Value) -> String {
        let header = Header {
            kid: Some(self.kid.clone()),
            ..Header::new(Algorithm::ES256)
        };
        self.sign_as(&header, claims)
    }

    pub fn sign_as(&self, header: &Header, claims: &Value) -> String {
        let key = EncodingKey::from_ec_der(&self.pair.serialize_der());
        encode(header, claims, &key).expect("a token")
    }
}

/// Seconds since 1970, plus `more`.
pub fn seconds(more: i64) -> i64 {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("after 1970");
    i64::try_from(now.as_secs()).expect("before the end of time") + more
}

/// Claims that the gateway accepts.
pub fn claims(subject: &str, scope: &str) -> Value {
    json!({ "iss": ISSUER, "aud": AUDIENCE, "sub": subject, "exp": seconds(600), "scope": scope })
}

/// An HTTP server that publishes the issuer's keys.
pub struct Issuer {
    pub address: SocketAddr,
    pub keys: Arc<Mutex<Vec<Value>>>,
    /// Whether it answers 500 instead of the keys.
    pub is_down: Arc<std::sync::atomic::AtomicBool>,
    pub asked: Arc<AtomicUsize>,
    /// Whether it never answers.
    pub hangs: Arc<std::sync::atomic::AtomicBool>,
}

impl Issuer {
    pub async fn start(keys: Vec<Value>) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a port");
        let address = listener.local_addr().expect("an address");
        let (keys, asked) = (Arc::new(Mutex::new(keys)), Arc::<AtomicUsize>::default());
        let is_down = Arc::<std::sync::atomic::AtomicBool>::default();
        let hangs = Arc::<std::sync::atomic::AtomicBool>::default();
        let hang = Arc::clone(&hangs);
        let (published, count, down) =
            (Arc::clone(&keys), Arc::clone(&asked), Arc::clone(&is_down));
        let publish = move || {
            count.fetch_add(1, Ordering::SeqCst);
            let answer = json!({ "keys": *published.lock().expect("not poisoned") });
            let status = if down.load(Ordering::SeqCst) {
                StatusCode::INTERNAL_SERVER_ERROR
            } else {
                StatusCode::OK
            };
            let hangs = hang.load(Ordering::SeqCst);
            async move {
                if hangs {
                    std::future::pending::<()>().await;
                }
                (status, answer.to_string())
            }
        };
        let router = Router::new().route("/jwks", get(publish));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self {
            address,
            keys,
            is_down,
            asked,
            hangs,
        }
    }

    pub fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    /// The `[access]` configuration of a gateway that trusts this issuer.
    pub fn toml(&self) -> String {
        format!(
            "[access]\nmode = \"jwt\"\n[access.jwt]\nissuer = \"{ISSUER}\"\naudience = \"{AUDIENCE}\"\n\
             algorithms = [\"ES256\"]\njwks_url = \"http://{}/jwks\"\nleeway_seconds = 0\n",
            self.address
        )
    }
}
