//! The sources: what a file or the environment says of each, checked.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use serde::Deserialize;
use toml::Spanned;
use url::{Host, Url};

use super::{
    ConfigError, OwnFreshness, Secret,
    file::FileLocation,
    source_table::{SourceFile, Table},
};
use crate::asset::{Provider, SourceName};

/// At most this many sources: each may leave a hint in every cursor.
const MAX_SOURCES: usize = 16;

/// Where variables come from: the process, or a test's table.
pub trait Environment {
    /// The variable's value; an empty one counts as not set.
    fn get(&self, name: &str) -> Option<String>;
}

impl<F: Fn(&str) -> Option<String>> Environment for F {
    fn get(&self, name: &str) -> Option<String> {
        self(name).filter(|value| !value.is_empty())
    }
}

/// One account or server, ready to connect to.
#[derive(Debug, Clone)]
pub struct SourceConfig {
    pub name: SourceName,
    /// Names this source had: ids made under them keep working.
    pub former_names: Vec<SourceName>,
    /// Where its API is, without a trailing slash.
    pub url: Url,
    /// PEM certificates to trust instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// How long one page of a merged list waits for this source.
    pub patience: Duration,
    /// How long connecting may take, and one attempt at a call.
    pub connect: Duration,
    pub attempt: Duration,
    /// Calls in flight.
    pub in_flight: usize,
    /// Its own times in the cache.
    pub freshness: OwnFreshness,
    /// Hosts that files may be sent to when it names them; `None`: any of the internet's.
    pub storage_hosts: Option<Vec<String>>,
    /// Its credential is each caller's own, and `kind` has none.
    pub passthrough: bool,
    pub kind: SourceKind,
}

impl SourceConfig {
    /// Whether it is Comfy Cloud, as opposed to a server that somebody runs.
    #[must_use]
    pub fn is_comfy_cloud(&self) -> bool {
        self.url.host_str() == Some("cloud.comfy.org")
    }
}

/// What only one provider's sources have.
#[derive(Debug, Clone)]
pub enum SourceKind {
    Scenario(ScenarioSource),
    Piktid(PiktidSource),
    Comfy(ComfySource),
}

impl SourceKind {
    /// With a caller's credential, sent as it is (`design.md` §5).
    #[must_use]
    pub fn with(self, credential: Secret) -> Self {
        match self {
            Self::Scenario(own) => Self::Scenario(ScenarioSource {
                credential: ScenarioCredential::Verbatim(credential),
                ..own
            }),
            Self::Piktid(_) => Self::Piktid(PiktidSource {
                credential: PiktidCredential::Verbatim(credential),
            }),
            Self::Comfy(own) => Self::Comfy(ComfySource {
                api_key: Some(credential),
                ..own
            }),
        }
    }

    #[must_use]
    pub const fn provider(&self) -> Provider {
        match self {
            Self::Scenario(_) => Provider::Scenario,
            Self::Piktid(_) => Provider::Piktid,
            Self::Comfy(_) => Provider::Comfy,
        }
    }
}

#[derive(Debug, Clone)]
pub struct ScenarioSource {
    pub credential: ScenarioCredential,
    /// Sent as `projectId` only when configured (scenario.md 2).
    pub project_id: Option<String>,
    pub public_endpoint: PublicEndpoint,
}

/// Exactly one scheme a source (scenario-sdk-python#26).
#[derive(Debug, Clone)]
pub enum ScenarioCredential {
    Key {
        key: Secret,
        secret: Secret,
    },
    Jwt(Secret),
    /// `public-auth-token`: every organisation's public assets, nothing else.
    Public,
    /// The whole `Authorization`, as a caller sent it.
    Verbatim(Secret),
}

/// Which path lists public assets (scenario.md 5.1, 5.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum PublicEndpoint {
    /// `GET /assets` with the public token.
    #[serde(rename = "assets")]
    Assets,
    /// The deprecated `GET /assets/public`, for servers that know nothing newer.
    #[serde(rename = "assets-public")]
    AssetsPublic,
}

#[derive(Debug, Clone)]
pub struct PiktidSource {
    pub credential: PiktidCredential,
}

#[derive(Debug, Clone)]
pub enum PiktidCredential {
    Token(Secret),
    /// The whole `Authorization`, as a caller sent it.
    Verbatim(Secret),
}

#[derive(Debug, Clone)]
pub struct ComfySource {
    /// `None` for a self-hosted ComfyUI, which knows no keys.
    pub api_key: Option<Secret>,
    /// `comfy-user` of a `--multi-user` server.
    pub user: Option<String>,
    /// An asset is listed when it has one of these tags (design §3): Comfy Cloud hides some
    /// categories from a list that names no tag.
    pub listed_tags: Vec<String>,
}

/// The variables that configure the source named like its provider.
const fn variables_of(provider: Provider) -> &'static [&'static str] {
    match provider {
        Provider::Scenario => &[
            "SCENARIO_API_KEY",
            "SCENARIO_API_SECRET",
            "SCENARIO_JWT",
            "SCENARIO_PROJECT_ID",
            "SCENARIO_URL",
        ],
        Provider::Piktid => &["PIKTID_TOKEN", "PIKTID_URL"],
        Provider::Comfy => &["COMFY_API_KEY", "COMFY_URL"],
    }
}

/// An address a browser or client can use: http or https, a host, no credentials inside.
pub fn web_url(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    let fits = matches!(url.scheme(), "http" | "https")
        && url.has_host()
        && url.username().is_empty()
        && url.password().is_none()
        && url.query().is_none()
        && url.fragment().is_none();
    fits.then_some(url)
}

/// Whether an address is of the machine that asks.
#[must_use]
pub fn is_this_machine(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// Turns what the file and the environment say into checked sources.
pub fn resolve(
    file: BTreeMap<Spanned<String>, SourceFile>,
    place: &FileLocation<'_>,
    environment: &dyn Environment,
    remarks: &mut Vec<String>,
) -> Result<Vec<SourceConfig>, ConfigError> {
    let mut sources = Vec::new();
    let mut named = Vec::new();
    for (name, table) in file {
        let offset = name.span().start;
        let parsed = SourceName::parse(name.get_ref())
            .map_err(|rule| place.refuse(offset, format!("`{}`: {rule}", name.get_ref())))?;
        let source = Table {
            name: parsed,
            offset,
            keys: table,
            place,
            environment,
        }
        .resolve()?;
        named.push((source.name.clone(), offset));
        sources.push(source);
    }
    for provider in Provider::ALL {
        let set: Vec<_> = variables_of(provider)
            .iter()
            .filter(|name| environment.get(name).is_some())
            .collect();
        let word = provider.word();
        let Some(first) = set.first() else { continue };
        if sources.iter().any(|s| s.name.as_str() == word) {
            continue; // the table read them
        }
        if sources.iter().any(|s| s.kind.provider() == provider) {
            remarks.push(format!(
                "{first} is set but not used: the file's {word} sources have other names. \
                 Name one of them `{word}`, or point it at a variable with `…_env`"
            ));
            continue;
        }
        // A constant that keeps the rule.
        let Ok(name) = SourceName::parse(word) else {
            continue;
        };
        let table = SourceFile::default();
        sources.push(
            Table {
                name,
                offset: 0,
                keys: table,
                place,
                environment,
            }
            .resolve()?,
        );
    }
    check_together(&sources, &named, place)?;
    Ok(sources)
}

/// Rules over all sources: their number, and names that cannot be told apart.
fn check_together(
    sources: &[SourceConfig],
    named: &[(SourceName, usize)],
    place: &FileLocation<'_>,
) -> Result<(), ConfigError> {
    if sources.len() > MAX_SOURCES {
        return Err(ConfigError(format!(
            "{} sources are configured; {MAX_SOURCES} is the most one gateway serves",
            sources.len()
        )));
    }
    let offset = |name: &SourceName| {
        named
            .iter()
            .find(|(n, _)| n == name)
            .map_or(0, |(_, offset)| *offset)
    };
    for (index, source) in sources.iter().enumerate() {
        for other in &sources[..index] {
            if source.name.hash16() == other.name.hash16() {
                return Err(place.refuse(
                    offset(&source.name),
                    format!(
                        "the names `{}` and `{}` look alike inside cursors (a rare accident of \
                         hashing): rename one of them",
                        source.name, other.name
                    ),
                ));
            }
        }
        for former in &source.former_names {
            let taken = sources.iter().any(|s| {
                s.name == *former || (s.name != source.name && s.former_names.contains(former))
            });
            if taken {
                return Err(place.refuse(
                    offset(&source.name),
                    format!(
                        "`former_names` of `{}` lists `{former}`, which is another source's name",
                        source.name
                    ),
                ));
            }
        }
    }
    Ok(())
}
