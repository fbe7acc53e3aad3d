//! TLS to the sources: an authority of our own by `ca_file`, and nobody else's word.

use std::sync::Arc;

use asset_gateway::sandbox::{Options, Sandbox};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use serde_json::Value;
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{ServerConfig, pki_types::PrivateKeyDer},
};

use crate::help;

/// A TLS front before `behind` with a certificate for `name`; gives its port and the authority's
/// certificate as PEM.
async fn front(behind: std::net::SocketAddr, name: &str) -> (u16, String) {
    let mut authority = CertificateParams::new(Vec::new()).expect("parameters");
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().expect("a key"))
        .expect("an authority");
    let key = KeyPair::generate().expect("a key");
    let certificate = CertificateParams::new(vec![name.to_owned()])
        .and_then(|parameters| parameters.signed_by(&key, &authority))
        .expect("a certificate");
    let settings = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivateKeyDer::try_from(key.serialize_der()).expect("a key"),
        )
        .expect("server settings");
    let acceptor = TlsAcceptor::from(Arc::new(settings));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("bound").port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(mut tls) = acceptor.accept(stream).await else {
                    return; // the client did not trust us
                };
                let mut plain = TcpStream::connect(behind).await.expect("the sandbox");
                let _ = copy_bidirectional(&mut tls, &mut plain).await;
            });
        }
    });
    (port, authority.pem())
}

/// The status of PiktID behind a front with a certificate for `name`.
async fn status(name: &str, trusted: bool) -> Value {
    let sandbox = Sandbox::start(Options::default())
        .await
        .expect("the sandbox starts");
    let (port, pem) = front(sandbox.piktid.address, name).await;
    let file = std::env::temp_dir().join(format!(
        "asset-gateway-ca-{}-{port}.pem",
        std::process::id()
    ));
    std::fs::write(&file, pem).expect("written");
    let mut config = help::config(&sandbox);
    for source in &mut config.sources {
        if source.name.as_str() == "piktid" {
            source.url = format!("https://localhost:{port}")
                .parse()
                .expect("an address");
            source.ca_file = trusted.then(|| file.clone());
        }
    }
    let (address, task) = help::gateway(config).await;
    let query = "{ assets { sources { source { name } status error { code message } } } }";
    let answer = help::ask_at(address, query).await;
    task.abort();
    std::fs::remove_file(file).expect("removed");
    answer["data"]["assets"]["sources"][1].clone()
}

#[tokio::test]
async fn an_authority_of_our_own_is_trusted_when_it_is_named() {
    assert_eq!(status("localhost", true).await["status"], "OK");
}

#[tokio::test]
async fn an_unknown_authority_and_a_certificate_for_another_name_are_not() {
    for (name, trusted) in [("localhost", false), ("elsewhere.example", true)] {
        let result = status(name, trusted).await;
        assert_eq!(result["status"], "FAILED", "{name} {trusted}");
        assert_eq!(result["error"]["code"], "UPSTREAM_UNAVAILABLE");
        let message = result["error"]["message"].as_str().unwrap_or_default();
        assert!(message.contains("certificate"), "{message}");
    }
}
