//! `sandbox`: runs only the emulators, for tests of clients.

use std::process::ExitCode;

use anyhow::Context;
use tokio::signal;

use super::{arguments::Sandbox as Arguments, console::print};
use crate::{
    config::{Config, ConfigError, Environment, SourceConfig},
    sandbox::{Options, Sandbox},
};

pub async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let mut options = Options::default();
    if let Some(ports) = arguments.ports {
        options.ports = ports.try_into().map_err(|_| {
            ConfigError::new("--ports takes three ports, such as 9001,9002,9003".to_owned())
        })?;
    }
    let sandbox = Sandbox::start(options)
        .await
        .context("the sandbox cannot start: choose other ports with --ports")?;
    print(
        &sandbox
            .variables()
            .into_iter()
            .map(|(name, value)| format!("{name}={value}\n"))
            .collect::<String>(),
    );
    print(
        "# Three emulated upstreams. Export the lines above and `asset-gateway serve` uses them;\n\
         # GET /sandbox/calls on each shows the calls it received. Ctrl-C stops them.\n",
    );
    signal::ctrl_c().await.context("cannot wait for Ctrl-C")?;
    Ok(ExitCode::SUCCESS)
}

/// The sandbox's sources, configured from variables like any others.
pub fn sources(sandbox: &Sandbox) -> Result<Vec<SourceConfig>, ConfigError> {
    let environment: Environment = sandbox.variables().into_iter().collect();
    Ok(Config::load(None, &environment)?.sources)
}
