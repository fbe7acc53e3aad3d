//! `serve`: settings → sources (or the sandbox) → listener → requests, until a stop signal.

use std::{fmt::Write, process::ExitCode};

use anyhow::Context;
use tokio::{net::TcpListener, signal};

use super::{
    arguments::Serve,
    console::{complain, load, print},
};
use crate::{
    config::ConfigError,
    explorer,
    providers::PROVIDERS,
    sandbox::{Options, Sandbox},
    server::{self, Gateway},
    settings::AllowedOrigin,
    telemetry,
};

pub async fn run(arguments: Serve) -> anyhow::Result<ExitCode> {
    let mut config = load(arguments.config)?;
    telemetry::start(&config.log.filter, config.log.format)
        .map_err(|invalid| ConfigError::new(invalid.to_string()))?;
    for remark in config.remarks.iter().chain(&config.exposure_remarks()) {
        tracing::warn!("{remark}");
    }
    // Binds the port first: without it nothing else is worth starting.
    let listener = match TcpListener::bind(config.listen).await {
        Ok(listener) => listener,
        Err(error) => {
            complain(&format!(
                "cannot listen on {}: {error}. Choose another address with --listen, such as \
                 --listen 127.0.0.1:8001",
                config.listen
            ));
            return Ok(ExitCode::FAILURE);
        }
    };
    let address = listener
        .local_addr()
        .context("cannot read the address of the listener")?;
    let sandbox = if config.serves_sandbox() {
        let sandbox = Sandbox::start(Options::default())
            .await
            .context("the sandbox cannot start")?;
        config.sources = super::sandbox::sources(&sandbox)?;
        // A frontend in development can use the sandbox, which holds no one's assets.
        let local = AllowedOrigin::of_this_machine();
        config.access.cors_origins.extend(local);
        Some(sandbox)
    } else {
        None
    };
    let stop = stop().context("cannot listen for signals")?;
    let explorer = config.explorer;
    let public_url = config.public_url.clone();
    let gateway = Gateway::new(config, address)?;
    let url = public_url.map_or_else(|| format!("http://{address}"), |url| url.to_string());
    print(&greeting(
        &gateway,
        url.trim_end_matches('/'),
        explorer,
        sandbox.is_some(),
    ));
    server::serve(listener, &gateway, stop).await;
    Ok(ExitCode::SUCCESS)
}

/// The lines that `serve` prints when it starts.
fn greeting(gateway: &Gateway, url: &str, explorer: bool, sandbox: bool) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = writeln!(text, "The graph is at {url}/graphql");
    if explorer && explorer::is_bundled() {
        let _ = writeln!(text, "GraphiQL is at  {url}/");
    }
    let names: Vec<String> = gateway
        .registry()
        .all()
        .iter()
        .map(|source| {
            let profile = source.profile();
            let provider = profile.provider.word();
            if profile.name.as_str() == provider {
                provider.to_owned()
            } else {
                format!("{} ({provider})", profile.name)
            }
        })
        .collect();
    let _ = writeln!(text, "Sources: {}", names.join(", "));
    if sandbox {
        let _ = writeln!(
            text,
            "These are emulated by an embedded sandbox. For real sources set a provider's \
             variables, or write a file: see docs/configuration.md."
        );
        for kind in PROVIDERS {
            let variables = kind.variables.iter().map(|(name, _)| *name);
            let variables = variables.collect::<Vec<_>>().join(", ");
            let _ = writeln!(text, "  {}: {variables}", kind.provider.word());
        }
    }
    text
}

/// Resolves when the process must stop: on Ctrl-C or SIGTERM. Listens from the call on, not from
/// the first poll.
fn stop() -> std::io::Result<impl Future<Output = ()> + Send + 'static> {
    #[cfg(unix)]
    let mut terminate = signal::unix::signal(signal::unix::SignalKind::terminate())?;
    #[cfg(unix)]
    let mut interrupt = signal::unix::signal(signal::unix::SignalKind::interrupt())?;
    Ok(async move {
        #[cfg(unix)]
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        #[cfg(not(unix))]
        if signal::ctrl_c().await.is_err() {
            // Without a signal handler, this waits forever.
            std::future::pending::<()>().await;
        }
    })
}
