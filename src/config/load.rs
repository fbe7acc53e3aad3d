//! Reads the configuration file and the environment into a [`Config`].

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
};

use serde::{Deserialize, Deserializer, de::Error};
use toml::{Spanned, de::DeValue};
use url::Url;

use super::{Config, LogConfig, sources::read_sources};
use crate::{
    access::KeySet,
    settings::{
        AccessMode, ConfigError, Environment, JwksConfig, Limits, Origin, PREFIX, Reader, Secret,
        Table, read_access, read_cache, read_documents, web_url,
    },
    telemetry::{self, Format},
    upstream::check_certificates,
};

/// The default listening address.
pub const DEFAULT_LISTEN: &str = "127.0.0.1:8000";

/// The rule for `listen`.
const LISTEN_RULE: &str = "must be an address and a port, such as 127.0.0.1:8000, localhost:8000, \
                           [::]:8000, or :8000 for all addresses";

/// The fewest characters of `media_secret`.
const MEDIA_SECRET_LENGTH: usize = 32;

/// The keys at the top of the file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TopKeys {
    #[serde(deserialize_with = "listen")]
    listen: Option<SocketAddr>,
    #[serde(deserialize_with = "public_url")]
    public_url: Option<Url>,
    #[serde(deserialize_with = "media_secret")]
    media_secret: Option<Secret>,
    explorer: bool,
    introspection: bool,
    suggestions: Option<bool>,
}

impl Default for TopKeys {
    fn default() -> Self {
        Self {
            listen: None,
            public_url: None,
            media_secret: None,
            explorer: true,
            introspection: true,
            suggestions: None,
        }
    }
}

/// `[log]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LogKeys {
    format: Format,
    #[serde(deserialize_with = "log_filter")]
    filter: String,
}

impl Default for LogKeys {
    fn default() -> Self {
        Self {
            format: Format::Auto,
            filter: "info".to_owned(),
        }
    }
}

impl Config {
    /// Reads the file, if one is named, then applies environment variables.
    ///
    /// # Errors
    /// [`ConfigError`] with every fault: an unreadable file, an unknown key, a bad value, a missing
    /// secret, or credentials that anyone could use.
    pub fn load(path: Option<PathBuf>, environment: &Environment) -> Result<Self, ConfigError> {
        Self::load_with(path, environment, None)
    }

    /// Like [`Config::load`], with the address to listen on of the command line.
    ///
    /// # Errors
    /// Those of [`Config::load`].
    pub fn load_with(
        path: Option<PathBuf>,
        environment: &Environment,
        listen: Option<&str>,
    ) -> Result<Self, ConfigError> {
        let named = environment.get(&format!("{PREFIX}CONFIG"));
        let path = path.or_else(|| named.map(PathBuf::from));
        let text = match &path {
            Some(path) => std::fs::read_to_string(path).map_err(|error| {
                ConfigError::new(format!(
                    "the configuration file {} cannot be read: {error}",
                    path.display()
                ))
            })?,
            None => String::new(),
        };
        let mut reader = Reader::new(path.as_deref(), &text, environment);
        let file = Spanned::new(0..0, DeValue::Table(reader.parse()?));
        let top = Table {
            inner: &["access", "cache", "documents", "limits", "log", "sources"],
            ..Table::top(&file)
        };
        let mut config = read(&mut reader, &top, listen);
        config.remarks = reader.finish()?;
        Ok(config)
    }
}

fn read(reader: &mut Reader<'_>, top: &Table<'_>, listen: Option<&str>) -> Config {
    let (keys, values) = reader.read::<TopKeys>(top);
    let (listen, listen_origin) = match listen {
        None => (keys.listen, values.origin_of("listen").clone()),
        Some(listen) => {
            let origin = Origin::Variable("--listen".to_owned());
            let address = listen_address(listen);
            if let Err(rule) = address {
                reader.break_rule(&origin, "listen", rule);
            }
            (address.ok(), origin)
        }
    };
    let log = Table {
        short_variables: &[("ASSET_GATEWAY_LOG", "filter")],
        ..top.inside("log")
    };
    let (log, _) = reader.read::<LogKeys>(&log);
    let access = Table {
        inner: &["keys", "jwt", "rate_limit"],
        ..top.inside("access")
    };
    let config = Config {
        listen: listen.unwrap_or_else(default_listen),
        public_url: keys.public_url,
        media_secret: keys.media_secret,
        log: LogConfig {
            format: log.format,
            filter: log.filter,
        },
        limits: reader.read::<Limits>(&top.inside("limits")).0,
        cache: read_cache(reader, &top.inside("cache")),
        access: read_access(reader, &access),
        trusted_documents: read_documents(reader, &top.inside("documents")),
        explorer: keys.explorer,
        introspection: keys.introspection,
        // They show names of the schema, as introspection does.
        suggestions: keys.suggestions.unwrap_or(keys.introspection),
        sources: read_sources(reader, &top.inside("sources")),
        remarks: Vec::new(),
    };
    check_jwt_files(reader, &access, &config.access.mode);
    if let Some(exposure) = config.exposure() {
        reader.refuse(&listen_origin, exposure);
    }
    config
}

/// Checks the files of `[access.jwt]`.
fn check_jwt_files(reader: &mut Reader<'_>, access: &Table<'_>, mode: &AccessMode) {
    let AccessMode::Jwt(jwt) = mode else { return };
    let (key, result) = match &jwt.keys {
        JwksConfig::File(path) => ("jwks_file", KeySet::check_file(path)),
        JwksConfig::Address { ca_file, .. } => match ca_file {
            Some(path) => ("ca_file", check_certificates(path)),
            None => return,
        },
    };
    if let Err(rule) = result {
        let origin = access.inside("jwt").origin_of(key, reader.environment());
        reader.break_rule(&origin, key, &rule);
    }
}

fn default_listen() -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, 8000))
}

/// Parses the address to listen on.
///
/// # Errors
/// The rule that the text breaks.
pub fn listen_address(text: &str) -> Result<SocketAddr, &'static str> {
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    let (host, port) = text.rsplit_once(':').ok_or(LISTEN_RULE)?;
    let host = match host {
        "" => Ipv4Addr::UNSPECIFIED,
        "localhost" => Ipv4Addr::LOCALHOST,
        _ => return Err(LISTEN_RULE),
    };
    let port: u16 = port.parse().map_err(|_| LISTEN_RULE)?;
    Ok(SocketAddr::from((host, port)))
}

fn listen<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<SocketAddr>, D::Error> {
    let text = String::deserialize(deserializer)?;
    listen_address(&text).map(Some).map_err(D::Error::custom)
}

fn public_url<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Url>, D::Error> {
    let url = web_url(&String::deserialize(deserializer)?);
    url.map(Some).ok_or_else(|| {
        D::Error::custom(
            "must be the http or https address that browsers use, such as \
             https://assets.example.com",
        )
    })
}

fn media_secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Secret>, D::Error> {
    let secret = Secret::deserialize(deserializer)?;
    if secret.expose().chars().count() >= MEDIA_SECRET_LENGTH {
        return Ok(Some(secret));
    }
    Err(D::Error::custom(format!(
        "must have at least {MEDIA_SECRET_LENGTH} characters, all random: `openssl rand -hex 32` \
         makes one"
    )))
}

fn log_filter<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let filter = String::deserialize(deserializer)?;
    if telemetry::is_filter(&filter) {
        return Ok(filter);
    }
    Err(D::Error::custom(
        "must be a level such as info, or a filter such as asset_gateway=debug,warn",
    ))
}
