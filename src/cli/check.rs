//! `check`: asks every configured source for one asset, and prints the results.

use std::{process::ExitCode, time::Duration};

use super::{
    arguments::Check,
    console::{complain, load, print},
};
use crate::{
    schema::{Code, code_of},
    server::{Gateway, Probe, probe},
    source::SourceError,
};

/// How long one source may take.
const PATIENCE: Duration = Duration::from_secs(15);

pub async fn run(arguments: Check) -> anyhow::Result<ExitCode> {
    let config = load(arguments.config)?;
    for remark in &config.remarks {
        complain(remark);
    }
    if config.serves_sandbox() {
        print(
            "No source is configured: `asset-gateway serve` would use its embedded sandbox.\nSet a \
             provider's variables or name a file with --config: see README.md, \
             \"Configuration\".\n",
        );
        return Ok(ExitCode::SUCCESS);
    }
    let address = config.listen;
    let gateway = Gateway::new(config, address)?;
    let probes = probe(&gateway, PATIENCE).await;
    print(&table(&probes));
    Ok(if probes.iter().all(Probe::is_fine) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// One line per source. Each column is as wide as its longest cell.
fn table(probes: &[Probe]) -> String {
    let header = [
        "SOURCE",
        "PROVIDER",
        "REACHABLE",
        "CREDENTIAL",
        "ASSETS",
        "REMARK",
    ];
    let mut rows = vec![header.map(str::to_owned)];
    rows.extend(probes.iter().map(row));
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

fn row(probe: &Probe) -> [String; 6] {
    let profile = probe.source.profile();
    let (reachable, credential, assets, remark) = match &probe.result {
        None => (
            "not asked",
            "callers'",
            "-".to_owned(),
            format!("callers send theirs in x-asset-source-{}", profile.name),
        ),
        Some(Ok(read)) => {
            let assets = read.page.total.map_or_else(
                || {
                    if read.page.rows.is_empty() {
                        "0"
                    } else {
                        "1 or more"
                    }
                    .to_owned()
                },
                |total| total.to_string(),
            );
            ("yes", "accepted", assets, String::new())
        }
        Some(Err(error)) => {
            let (reachable, credential) = match error {
                SourceError::Unauthenticated => ("yes", "refused"),
                SourceError::Forbidden | SourceError::PaymentRequired { .. } => ("yes", "accepted"),
                _ if error.upstream_status().is_some() => ("yes", "unknown"),
                _ => ("no", "unknown"),
            };
            (
                reachable,
                credential,
                "-".to_owned(),
                remark(code_of(error), error),
            )
        }
    };
    [
        profile.name.to_string(),
        profile.provider.word().to_owned(),
        reachable.to_owned(),
        credential.to_owned(),
        assets,
        remark,
    ]
}

fn remark(code: Code, error: &SourceError) -> String {
    format!("{}: {error}", code.as_str())
}
