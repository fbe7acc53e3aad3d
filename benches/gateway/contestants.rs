//! Starts the processes under test, measures their CPU and memory use, and stops them.

use std::{
    ffi::OsString,
    fs,
    net::{Ipv4Addr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use tokio::net::TcpStream;

use crate::questions::Dialect;

/// Tailcall's configuration for the same Comfy, with placeholders for port, upstream and cache.
const TAILCALL: &str = r#"
schema
  @server(hostname: "127.0.0.1", port: @PORT@, workers: 1, showcase: false, batchRequests: false, queryValidation: false)
  @upstream(poolMaxIdlePerHost: 1024) {
  query: Query
}

type Query {
  assets(limit: Int, offset: Int): AssetList
    @http(
      url: "@UPSTREAM@/api/assets"
      query: [
        { key: "limit", value: "{{.args.limit}}", skipEmpty: true }
        { key: "offset", value: "{{.args.offset}}", skipEmpty: true }
      ]
      dedupe: false
    ) @KEEP@
  asset(id: ID!): Asset @http(url: "@UPSTREAM@/api/assets/{{.args.id}}", dedupe: false) @KEEP@
}

type AssetList {
  assets: [Asset!]!
  total: Int
  has_more: Boolean
}

type Asset {
  id: ID!
  name: String
  size: Int
  mime_type: String
  tags: [String!]
  created_at: String
  preview_id: ID!
  preview: Asset @http(url: "@UPSTREAM@/api/assets/{{.value.preview_id}}", dedupe: false) @KEEP@
}
"#;

/// A contestant.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A route that sends the gateway's exact bytes.
    Static,
    /// async-graphql over memory, with default settings.
    Engine,
    Gateway(CacheMode, Sources),
    Tailcall(CacheMode),
}

/// How much a contestant caches.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum CacheMode {
    /// Everything, for longer than a bench lasts.
    Everything,
    /// The same, up to 32 MiB.
    Little,
    Nothing,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Sources {
    /// Comfy alone.
    One,
    /// One of each provider.
    Three,
}

/// The core of a process; the measured process has a core to itself.
#[derive(Clone, Copy)]
pub enum Core {
    Measured,
    Other,
}

/// The settings that contestants start with.
pub struct LaunchConfig<'a> {
    /// The directory for their files.
    pub directory: &'a Path,
    /// The port of the sources.
    pub upstream: u16,
    /// The path of the Tailcall binary.
    pub tailcall: Option<&'a Path>,
}

impl LaunchConfig<'_> {
    /// Returns the path of the gateway's response, for [`Kind::Static`].
    pub fn answer(&self) -> PathBuf {
        self.directory.join("answer.json")
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.directory.join(name);
        fs::write(&path, text).expect("a writable configuration file");
        path
    }
}

impl Kind {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Static => "static",
            Self::Engine => "engine",
            Self::Gateway(CacheMode::Everything, Sources::One) => "gateway",
            Self::Gateway(CacheMode::Everything, Sources::Three) => "gateway, 3 sources",
            Self::Gateway(CacheMode::Little, _) => "gateway, 32 MiB",
            Self::Gateway(CacheMode::Nothing, Sources::One) => "gateway, no cache",
            Self::Gateway(CacheMode::Nothing, Sources::Three) => "gateway, no cache, 3 sources",
            Self::Tailcall(CacheMode::Everything | CacheMode::Little) => "Tailcall, cached",
            Self::Tailcall(CacheMode::Nothing) => "Tailcall",
        }
    }

    pub const fn dialect(self) -> Dialect {
        match self {
            Self::Tailcall(_) => Dialect::Comfys,
            Self::Static | Self::Engine | Self::Gateway(..) => Dialect::Ours,
        }
    }

    /// Returns the command that starts the contestant on `port`.
    pub fn command(self, port: u16, launch: &LaunchConfig<'_>) -> Command {
        let number = port.to_string();
        match self {
            Self::Static => {
                let mut command = serve_command(&["static", &number], Core::Measured);
                command.arg(launch.answer());
                command
            }
            Self::Engine => serve_command(&["engine", &number], Core::Measured),
            Self::Gateway(cache_mode, sources) => {
                let text = settings(cache_mode, sources, launch.upstream);
                let file = launch.write(&format!("gateway-{port}.toml"), &text);
                let binary = Path::new(env!("CARGO_BIN_EXE_asset-gateway"));
                let mut command = command(binary, Core::Measured);
                command.arg("serve").arg("--config").arg(file);
                command.arg("--listen").arg(format!("127.0.0.1:{port}"));
                command
            }
            Self::Tailcall(cache_mode) => {
                let file = launch.write(
                    &format!("tailcall-{port}.graphql"),
                    &tailcall(cache_mode, port, launch.upstream),
                );
                let binary = launch.tailcall.expect("the path of the Tailcall binary");
                let mut command = command(binary, Core::Measured);
                command.arg("start").arg(file);
                command.current_dir(launch.directory);
                command.env("HOME", launch.directory);
                command.env("XDG_CACHE_HOME", launch.directory);
                command.env("TAILCALL_TRACKER", "false");
                command.env("TAILCALL_LOG_LEVEL", "error");
                command.stderr(Stdio::null());
                command
            }
        }
    }
}

/// Returns the gateway's configuration.
fn settings(cache_mode: CacheMode, sources: Sources, upstream: u16) -> String {
    let seconds = match cache_mode {
        CacheMode::Everything | CacheMode::Little => 36_000,
        CacheMode::Nothing => 0,
    };
    let size = match cache_mode {
        CacheMode::Little => "size_mib = 32\n",
        CacheMode::Everything | CacheMode::Nothing => "",
    };
    let freshness = [
        "page_fresh",
        "page_stale",
        "entity_fresh",
        "entity_stale",
        "missing_fresh",
        "if_error",
    ];
    let freshness: String = freshness
        .iter()
        .map(|time| format!("{time}_seconds = {seconds}\n"))
        .collect();
    let base = format!("http://127.0.0.1:{upstream}");
    let other_sources = match sources {
        Sources::One => String::new(),
        Sources::Three => format!(
            "[sources.scenario]\nurl = \"{base}/scenario/v1\"\napi_key = \"key\"\napi_secret = \"secret\"\n\
             [sources.piktid]\nurl = \"{base}/piktid\"\ntoken = \"token\"\n"
        ),
    };
    format!(
        "[log]\nfilter = \"warn\"\n[cache]\n{size}{freshness}[sources.comfy]\nurl = \"{base}/comfy\"\n{other_sources}"
    )
}

fn tailcall(cache_mode: CacheMode, port: u16, upstream: u16) -> String {
    let cache_directive = match cache_mode {
        CacheMode::Everything | CacheMode::Little => "@cache(maxAge: 3600000)",
        CacheMode::Nothing => "",
    };
    TAILCALL
        .replace("@PORT@", &port.to_string())
        .replace("@UPSTREAM@", &format!("http://127.0.0.1:{upstream}/comfy"))
        .replace("@KEEP@", cache_directive)
}

/// Returns a command that runs this program as one of its servers.
pub fn serve_command(arguments: &[&str], core: Core) -> Command {
    let executable = std::env::current_exe().expect("the path of this program");
    let mut command = command(&executable, core);
    command.arg("serve").args(arguments);
    command
}

/// Returns a command that runs `program` on a core, without this process's environment. Where
/// `setpriv` exists, the process ends when its parent is killed.
pub fn command(program: &Path, core: Core) -> Command {
    let mut command_line: Vec<OsString> = Vec::new();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    if cores > 1 && is_installed("taskset") {
        let core_number = match core {
            Core::Measured => "0",
            Core::Other => "1",
        };
        command_line.extend(["taskset", "-c", core_number].map(OsString::from));
    }
    if is_installed("setpriv") {
        command_line.extend(["setpriv", "--pdeathsig", "KILL"].map(OsString::from));
    }
    command_line.push(program.into());
    let mut command = Command::new(&command_line[0]);
    command.args(&command_line[1..]).env_clear();
    command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command
}

fn is_installed(program: &str) -> bool {
    Command::new(program).arg("--version").output().is_ok()
}

/// Returns a free port; another process may take it later.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    listener.local_addr().expect("its address").port()
}

/// A listening process; dropping it kills the process.
pub struct Server {
    child: Child,
    pub port: u16,
}

impl Drop for Server {
    fn drop(&mut self) {
        // The process may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server {
    /// Starts the process without waiting.
    pub fn spawn(mut command: Command, port: u16) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::null());
        let child = command.spawn().expect("the process starts");
        Self { child, port }
    }

    /// Starts the process and waits until it accepts connections.
    pub async fn start(command: Command, port: u16) -> Self {
        let name = format!("{command:?}");
        let mut server = Self::spawn(command, port);
        for _ in 0..1_000 {
            if TcpStream::connect((Ipv4Addr::LOCALHOST, port))
                .await
                .is_ok()
            {
                return server;
            }
            let ended = server.child.try_wait().expect("the state of the process");
            assert!(ended.is_none(), "the process ended ({ended:?}): {name}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("the process accepts no connections: {name}");
    }

    /// Returns the CPU time since the start, in hundredths of a second.
    pub fn ticks(&self) -> u64 {
        let stat = self.read_proc("stat");
        // The name in brackets may contain blanks. The 12th and 13th words after it are the times.
        let (_, rest) = stat.rsplit_once(')').expect("a name in brackets");
        let times = rest.split_whitespace().skip(11).take(2);
        times.filter_map(|word| word.parse::<u64>().ok()).sum()
    }

    /// Returns the memory in use, in KiB.
    pub fn resident_kib(&self) -> u64 {
        let status = self.read_proc("status");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|text| text.split_whitespace().next());
        kib.and_then(|text| text.parse().ok()).unwrap_or(0)
    }

    fn read_proc(&self, file: &str) -> String {
        let path = format!("/proc/{}/{file}", self.child.id());
        fs::read_to_string(path).expect("a running process on Linux")
    }
}
