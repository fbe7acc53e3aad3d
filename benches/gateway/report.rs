//! The report: one table per case, one row per contestant.

use crate::{cases::Case, contestants::Kind};

/// The results of one round.
pub struct Round {
    /// Requests a second.
    pub rate: f64,
    /// Microseconds of CPU time per request.
    pub cpu_micros: f64,
    /// Latency in microseconds.
    pub p50: f64,
    pub p99: f64,
    /// Memory in MiB.
    pub memory_mib: f64,
    /// Upstream calls per request.
    pub calls: f64,
    pub failures: u64,
}

/// Renders a case's table, one row per contestant, with medians over the rounds.
pub fn table(case: &Case, results: &[(Kind, &[Round])]) -> String {
    let rate = |round: &Round| round.rate;
    let p50 = |round: &Round| round.p50;
    let reference = results.iter().find(|(kind, _)| *kind == case.reference);
    let reference = reference.map_or((f64::NAN, f64::NAN), |(_, rounds)| {
        (median(rounds, rate), median(rounds, p50))
    });
    let mut text = format!(
        "\n### {} ({} connections; ratios to {})\n\n\
         | contestant | requests/s (from to) | ratio | CPU µs | p50 ms | ratio | p99 ms | p99/p50 | RSS MiB | upstream calls | failures |\n\
         |---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n",
        case.name,
        case.connections,
        case.reference.name()
    );
    for (kind, rounds) in results {
        let (low, median_rate, high) = min_median_max(rounds.iter().map(rate).collect());
        let (median_p50, median_p99) = (median(rounds, p50), median(rounds, |round| round.p99));
        let failures: u64 = rounds.iter().map(|round| round.failures).sum();
        text += &format!(
            "| {} | {median_rate:.0} ({low:.0} to {high:.0}) | {:.2} | {:.1} | {:.2} | {:.2} | {:.2} | {:.1} | {:.0} | {:.4} | {failures} |\n",
            kind.name(),
            median_rate / reference.0,
            median(rounds, |round| round.cpu_micros),
            median_p50 / 1e3,
            median_p50 / reference.1,
            median_p99 / 1e3,
            median_p99 / median_p50,
            median(rounds, |round| round.memory_mib),
            median(rounds, |round| round.calls),
        );
    }
    text
}

/// Returns the median over the rounds.
fn median(rounds: &[Round], metric: impl Fn(&Round) -> f64) -> f64 {
    min_median_max(rounds.iter().map(metric).collect()).1
}

/// Returns the minimum, the median and the maximum of at least one number.
pub fn min_median_max(mut numbers: Vec<f64>) -> (f64, f64, f64) {
    numbers.sort_by(f64::total_cmp);
    let last = numbers.len() - 1;
    (numbers[0], numbers[last / 2], numbers[last])
}
