//! TLS to the sources: `ca_file` adds a trusted authority, and no other certificate is accepted.

use std::sync::Arc;

use asset_gateway::sandbox::{Options, Sandbox};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{ServerConfig, pki_types::PrivateKeyDer},
    server::TlsStream,
};

use crate::harness;

/// The behaviour of a TLS front.
#[derive(Clone, Copy)]
struct Front {
    /// The host name in the certificate.
    name: &'static str,
    is_expired: bool,
    /// Speaks HTTP/2, and sends GOAWAY at each request.
    goes_away: bool,
}

impl Front {
    const fn named(name: &'static str) -> Self {
        Self {
            name,
            is_expired: false,
            goes_away: false,
        }
    }
}

/// Starts a TLS front before `behind`; returns its port and the authority's certificate as PEM.
async fn front(behind: std::net::SocketAddr, front: Front) -> (u16, String) {
    let mut authority = CertificateParams::new(Vec::new()).expect("parameters");
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().expect("a key"))
        .expect("an authority");
    let key = KeyPair::generate().expect("a key");
    let mut parameters = CertificateParams::new(vec![front.name.to_owned()]).expect("parameters");
    if front.is_expired {
        parameters.not_before = rcgen::date_time_ymd(2019, 1, 1);
        parameters.not_after = rcgen::date_time_ymd(2020, 1, 1);
    }
    let certificate = parameters
        .signed_by(&key, &authority)
        .expect("a certificate");
    let mut settings = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivateKeyDer::try_from(key.serialize_der()).expect("a key"),
        )
        .expect("server settings");
    if front.goes_away {
        settings.alpn_protocols = vec![b"h2".to_vec()];
    }
    let acceptor = TlsAcceptor::from(Arc::new(settings));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("bound").port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(mut tls) = acceptor.accept(stream).await else {
                    return; // the client refused the certificate
                };
                if front.goes_away {
                    let _ = go_away(tls).await;
                    return;
                }
                let mut plain = TcpStream::connect(behind).await.expect("the sandbox");
                let _ = copy_bidirectional(&mut tls, &mut plain).await;
            });
        }
    });
    (port, authority.pem())
}

/// An HTTP/2 server (RFC 9113) that sends GOAWAY in the middle of the first request, and closes.
async fn go_away(mut tls: TlsStream<TcpStream>) -> std::io::Result<()> {
    const SETTINGS: [u8; 9] = [0, 0, 0, 4, 0, 0, 0, 0, 0];
    // Last stream 0 (no request was processed), NO_ERROR.
    const GOAWAY: [u8; 17] = [0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let mut preface = [0; 24];
    tls.read_exact(&mut preface).await?;
    tls.write_all(&SETTINGS).await?;
    loop {
        let mut head = [0; 9];
        tls.read_exact(&mut head).await?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        tls.read_exact(&mut vec![0; length]).await?;
        // A HEADERS frame begins a request.
        if head[3] == 1 {
            tls.write_all(&GOAWAY).await?;
            return tls.shutdown().await;
        }
    }
}

/// The source result of PiktID behind such a front.
async fn status(options: Front, trusted: bool) -> Value {
    let sandbox = Sandbox::start(Options::default())
        .await
        .expect("the sandbox starts");
    let (port, pem) = front(sandbox.piktid.address, options).await;
    let file = std::env::temp_dir().join(format!(
        "asset-gateway-ca-{}-{port}.pem",
        std::process::id()
    ));
    std::fs::write(&file, pem).expect("written");
    let mut config = harness::config(&sandbox);
    for source in &mut config.sources {
        if source.common.name.as_str() == "piktid" {
            source.common.url = format!("https://localhost:{port}")
                .parse()
                .expect("an address");
            source.common.ca_file = trusted.then(|| file.clone().into());
        }
    }
    let (address, task) = harness::gateway(config).await;
    let query = "{ assets { sourceResults { source { name } status error { code message } } } }";
    let answer = harness::ask_at(address, query).await;
    task.abort();
    std::fs::remove_file(file).expect("removed");
    answer["data"]["assets"]["sourceResults"][1].clone()
}

#[tokio::test]
async fn a_private_authority_is_trusted_when_it_is_configured() {
    assert_eq!(
        status(Front::named("localhost"), true).await["status"],
        "OK"
    );
}

#[tokio::test]
async fn an_unknown_authority_and_a_certificate_for_another_name_are_refused() {
    for (name, trusted) in [("localhost", false), ("elsewhere.example", true)] {
        let result = status(Front::named(name), trusted).await;
        assert_eq!(result["status"], "FAILED", "{name} {trusted}");
        assert_eq!(result["error"]["code"], "UPSTREAM_UNAVAILABLE");
        let message = result["error"]["message"].as_str().unwrap_or_default();
        assert!(message.contains("certificate"), "{message}");
    }
}

#[tokio::test]
async fn an_expired_certificate_is_refused() {
    let front = Front {
        is_expired: true,
        ..Front::named("localhost")
    };
    let result = status(front, true).await;
    assert_eq!(result["error"]["code"], "UPSTREAM_UNAVAILABLE");
    let message = result["error"]["message"].as_str().unwrap_or_default();
    assert!(message.contains("expired"), "{message}");
}

#[tokio::test]
async fn a_goaway_in_the_middle_of_a_request_fails_only_its_source() {
    let front = Front {
        goes_away: true,
        ..Front::named("localhost")
    };
    let result = status(front, true).await;
    assert_eq!(result["status"], "FAILED");
    assert_eq!(result["error"]["code"], "UPSTREAM_UNAVAILABLE", "{result}");
}
