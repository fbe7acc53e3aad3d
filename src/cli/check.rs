//! `check`: checks the configuration, asks every source for one asset and the token issuer for its
//! keys, and prints the results.

use std::{process::ExitCode, time::Duration};

use serde_json::{Value, json};

use super::{
    arguments::Check,
    console::{USAGE, complain, load, print},
};
use crate::{
    config::ConfigError,
    schema::code_of,
    server::{Gateway, Probe, probe},
    source::SourceError,
};

/// How long one source may take.
const PATIENCE: Duration = Duration::from_secs(15);

/// What the check found.
#[derive(Default)]
struct Report {
    faults: Vec<String>,
    remarks: Vec<String>,
    sources: Vec<SourceReport>,
    /// The number of the issuer's keys, or why there are none.
    issuer: Option<Result<usize, String>>,
}

/// What one source answered.
struct SourceReport {
    name: String,
    provider: &'static str,
    reachable: &'static str,
    credential: &'static str,
    /// `None`: unknown.
    assets: Option<String>,
    /// A code of the graph, and the message.
    error: Option<(&'static str, String)>,
    remark: String,
}

pub async fn run(arguments: Check) -> anyhow::Result<ExitCode> {
    let is_json = arguments.json;
    let report = match report(arguments).await {
        Ok(report) => report,
        Err(ConfigError { faults }) => Report {
            faults,
            ..Report::default()
        },
    };
    if is_json {
        print(&format!("{:#}\n", report.json()));
    } else {
        report.print();
    }
    Ok(report.exit_code())
}

/// Checks everything that `serve` checks, then asks the sources.
async fn report(arguments: Check) -> Result<Report, ConfigError> {
    let config = load(arguments.config)?;
    if config.serves_sandbox() {
        return Err(ConfigError::new(
            "no source is configured, so `asset-gateway serve` would use its embedded sandbox: set \
             a provider's variables or name a file with --config (docs/configuration.md)",
        ));
    }
    let mut remarks = config.remarks.clone();
    remarks.extend(config.exposure_remarks());
    let address = config.listen;
    let gateway = Gateway::new(config, address)?;
    if arguments.offline {
        return Ok(Report {
            remarks,
            ..Report::default()
        });
    }
    let (probes, issuer) = tokio::join!(probe(&gateway, PATIENCE), gateway.probe_issuer());
    Ok(Report {
        faults: Vec::new(),
        remarks,
        sources: probes.iter().map(SourceReport::of).collect(),
        issuer,
    })
}

impl Report {
    fn is_fine(&self) -> bool {
        let are_sources_fine = self.sources.iter().all(|source| source.error.is_none());
        let is_issuer_fine = self.issuer.as_ref().is_none_or(Result::is_ok);
        self.faults.is_empty() && are_sources_fine && is_issuer_fine
    }

    fn exit_code(&self) -> ExitCode {
        match (self.faults.is_empty(), self.is_fine()) {
            (false, _) => ExitCode::from(USAGE),
            (true, false) => ExitCode::FAILURE,
            (true, true) => ExitCode::SUCCESS,
        }
    }

    fn print(&self) {
        for line in self.faults.iter().chain(&self.remarks) {
            complain(line);
        }
        if !self.sources.is_empty() {
            print(&table(&self.sources));
        }
        match &self.issuer {
            None => {}
            Some(Ok(keys)) => print(&format!("The token issuer has {keys} usable keys.\n")),
            Some(Err(reason)) => complain(&format!(
                "cannot fetch the token issuer's keys: {reason}. Check `jwks_url` in [access.jwt]"
            )),
        }
        if self.faults.is_empty() && self.sources.is_empty() {
            print("The configuration is valid. No source was asked.\n");
        }
    }

    fn json(&self) -> Value {
        let sources = self.sources.iter().map(|source| {
            json!({
                "name": source.name,
                "provider": source.provider,
                "reachable": source.reachable,
                "credential": source.credential,
                "assets": source.assets,
                "error": source.error.as_ref().map(|(code, message)| {
                    json!({ "code": code, "message": message })
                }),
            })
        });
        json!({
            "ok": self.is_fine(),
            "faults": self.faults,
            "remarks": self.remarks,
            "sources": sources.collect::<Vec<_>>(),
            "issuer": self.issuer.as_ref().map(|keys| match keys {
                Ok(keys) => json!({ "keys": keys, "error": null }),
                Err(reason) => json!({ "keys": null, "error": reason }),
            }),
        })
    }
}

impl SourceReport {
    fn of(probe: &Probe) -> Self {
        let profile = probe.source.profile();
        let mut report = Self {
            name: profile.name.to_string(),
            provider: profile.provider.word(),
            reachable: "yes",
            credential: "accepted",
            assets: None,
            error: None,
            remark: String::new(),
        };
        match &probe.result {
            None => {
                (report.reachable, report.credential) = ("not asked", "callers'");
                report.remark = format!("callers send theirs in x-asset-source-{}", profile.name);
            }
            Some(Ok(read)) => {
                let some = if read.page.rows.is_empty() {
                    "0"
                } else {
                    "1 or more"
                };
                let total = read.page.total.map(|total| total.to_string());
                report.assets = Some(total.unwrap_or_else(|| some.to_owned()));
            }
            Some(Err(error)) => {
                (report.reachable, report.credential) = match error {
                    SourceError::Unauthenticated(_) => ("yes", "refused"),
                    SourceError::Forbidden(_) | SourceError::PaymentRequired { .. } => {
                        ("yes", "accepted")
                    }
                    _ if error.upstream_status().is_some() => ("yes", "unknown"),
                    _ => ("no", "unknown"),
                };
                let code = code_of(error).as_str();
                report.remark = format!("{code}: {error}");
                report.error = Some((code, error.to_string()));
            }
        }
        report
    }
}

/// One line per source. Each column is as wide as its longest cell.
fn table(sources: &[SourceReport]) -> String {
    let header = [
        "SOURCE",
        "PROVIDER",
        "REACHABLE",
        "CREDENTIAL",
        "ASSETS",
        "REMARK",
    ];
    let mut rows = vec![header.map(str::to_owned)];
    rows.extend(sources.iter().map(|source| {
        [
            source.name.clone(),
            source.provider.to_owned(),
            source.reachable.to_owned(),
            source.credential.to_owned(),
            source.assets.clone().unwrap_or_else(|| "-".to_owned()),
            source.remark.clone(),
        ]
    }));
    let widths: Vec<usize> = (0..header.len())
        .map(|column| {
            rows.iter()
                .map(|row| row[column].chars().count())
                .max()
                .unwrap_or(0)
        })
        .collect();
    rows.iter()
        .map(|row| {
            let line: String = row
                .iter()
                .zip(&widths)
                .map(|(cell, width)| format!("{cell:width$}  "))
                .collect();
            format!("{}\n", line.trim_end())
        })
        .collect()
}
