//! The load generator: `wrk`, with a script that makes the body of each request.

use std::{
    path::Path,
    sync::atomic::{AtomicU64, Ordering},
};

use crate::contestants::{Core, command};

/// Numbers the runs, so that unique values differ between runs too.
static RUNS: AtomicU64 = AtomicU64::new(1);

/// The bodies of the requests.
pub enum Body {
    /// The same body each time.
    Same(String),
    /// A body with a unique number each time.
    Counted { before: String, after: String },
    /// A body with `count` of the ids, drawn at random each time.
    Shuffled {
        before: String,
        after: String,
        ids: Vec<String>,
        count: usize,
    },
    /// A random choice of these bodies each time.
    Mixed(Vec<Self>),
}

/// The parameters of a `wrk` run.
pub struct Load<'a> {
    pub port: u16,
    pub body: &'a Body,
    pub connections: u32,
    pub seconds: u64,
    /// Shorter responses, in bytes, or responses with errors are failures; `None`: no check.
    pub min_bytes: Option<usize>,
}

/// The results of a `wrk` run.
pub struct Outcome {
    pub requests: u64,
    /// Requests a second.
    pub rate: f64,
    /// Latency in microseconds.
    pub p50: f64,
    pub p99: f64,
    /// Broken connections, timeouts, statuses other than 2xx and 3xx, and wrong responses.
    pub failures: u64,
}

impl Body {
    /// Returns one example body.
    pub fn sample(&self) -> String {
        match self {
            Self::Same(body) => body.clone(),
            Self::Counted { before, after } => format!("{before}0{after}"),
            Self::Shuffled {
                before,
                after,
                ids,
                count,
            } => format!("{before}{}{after}", serde_json::json!(ids[..*count])),
            Self::Mixed(bodies) => bodies.first().map(Self::sample).unwrap_or_default(),
        }
    }

    /// Returns Lua that makes the requests.
    fn script(&self, run: u64) -> String {
        match self {
            Self::Same(body) => format!(
                "local body = [==[{body}]==]\n\
                 request = function() return wrk.format(nil, nil, nil, body) end\n"
            ),
            Self::Counted { before, after } => format!(
                "local before, after, n = [==[{before}{run}_]==], [==[{after}]==], 0\n\
                 request = function()\n\
                 n = n + 1\n\
                 return wrk.format(nil, nil, nil, before .. n .. after)\n\
                 end\n"
            ),
            Self::Shuffled {
                before,
                after,
                ids,
                count,
            } => format!(
                "math.randomseed({run})\n\
                 local before, after = [==[{before}[\"]==], [==[\"]{after}]==]\n\
                 local ids = {{\"{}\"}}\n\
                 request = function()\n\
                 for at = 1, {count} do\n\
                 local other = math.random(at, #ids)\n\
                 ids[at], ids[other] = ids[other], ids[at]\n\
                 end\n\
                 return wrk.format(nil, nil, nil, before .. table.concat(ids, '\",\"', 1, {count}) .. after)\n\
                 end\n",
                ids.join("\",\"")
            ),
            Self::Mixed(bodies) => {
                let scripts = bodies
                    .iter()
                    .map(|body| format!("do\n{}all[#all + 1] = request\nend\n", body.script(run)));
                format!(
                    "local all = {{}}\n\
                     {}request = function() return all[math.random(#all)]() end\n",
                    scripts.collect::<String>()
                )
            }
        }
    }
}

/// Runs `wrk` to completion; its files go into `directory`.
pub fn run(load: &Load<'_>, directory: &Path) -> Outcome {
    let run = RUNS.fetch_add(1, Ordering::Relaxed);
    let head = "wrk.method = \"POST\"\nwrk.headers[\"content-type\"] = \"application/json\"\n";
    let response_check = load.min_bytes.map(check_script).unwrap_or_default();
    let script = directory.join(format!("{run}.lua"));
    let text = format!("{head}{}{response_check}", load.body.script(run));
    std::fs::write(&script, text).expect("a writable script file");
    let output = command(Path::new("wrk"), Core::Other)
        .args(["-t1", "--latency", "--timeout", "10s"])
        .arg(format!("-c{}", load.connections))
        .arg(format!("-d{}s", load.seconds))
        .arg("-s")
        .arg(&script)
        .arg(format!("http://127.0.0.1:{}/graphql", load.port))
        .output()
        .expect("wrk runs");
    let text = String::from_utf8_lossy(&output.stdout);
    parse(&text).unwrap_or_else(|| {
        let error_text = String::from_utf8_lossy(&output.stderr);
        panic!("unexpected output from wrk: {text}{error_text}")
    })
}

/// Returns Lua that checks each response and counts the wrong ones.
fn check_script(min_bytes: usize) -> String {
    format!(
        "bad = 0\n\
         response = function(status, headers, body)\n\
         if #body < {min_bytes} or body:find('\"errors\"', 1, true) then bad = bad + 1 end\n\
         end\n\
         local threads = {{}}\n\
         setup = function(thread) table.insert(threads, thread) end\n\
         done = function()\n\
         local all = 0\n\
         for _, thread in ipairs(threads) do all = all + thread:get('bad') end\n\
         io.write('Bad answers: ' .. all .. '\\n')\n\
         end\n"
    )
}

/// Parses `wrk`'s report; returns `None` when a value is missing.
fn parse(text: &str) -> Option<Outcome> {
    let value_after = |label: &str| {
        let mut lines = text.lines();
        lines.find_map(|line| line.trim().strip_prefix(label))
    };
    let failures = [
        "Socket errors:",
        "Non-2xx or 3xx responses:",
        "Bad answers:",
    ]
    .iter()
    .filter_map(|label| value_after(label))
    .flat_map(|rest| rest.split([' ', ',']))
    .filter_map(|word| word.parse::<u64>().ok())
    .sum();
    let requests = text.lines().find(|line| line.contains(" requests in "))?;
    Some(Outcome {
        requests: requests.split_whitespace().next()?.parse().ok()?,
        rate: value_after("Requests/sec:")?.trim().parse().ok()?,
        p50: microseconds(value_after("50%")?)?,
        p99: microseconds(value_after("99%")?)?,
        failures,
    })
}

/// Parses a duration: `235.00us`, `1.02ms`, `1.50s`, `1.00m`.
fn microseconds(text: &str) -> Option<f64> {
    let text = text.trim();
    let units = [("us", 1.0), ("ms", 1e3), ("s", 1e6), ("m", 6e7)];
    let (number, unit) = units
        .iter()
        .find_map(|(unit, factor)| Some((text.strip_suffix(*unit)?, factor)))?;
    Some(number.parse::<f64>().ok()? * unit)
}
