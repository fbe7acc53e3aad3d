//! `[access]`: who may call, from where, and how often.

use std::{collections::HashSet, net::IpAddr, path::PathBuf, time::Duration};

use ipnet::IpNet;
use serde::Deserialize;
use toml::Spanned;
use url::{Host, Url};

use super::{
    error::ConfigError,
    values::{FileLocation, optional_positive, optional_seconds, positive},
    web_url::{is_this_machine, web_url},
};

/// Who may call, from where, and how often.
#[derive(Debug, Clone, Default)]
pub struct AccessConfig {
    pub mode: AccessMode,
    /// Allowed request hosts, besides loopback, the gateway's own address and `public_url`.
    pub allowed_hosts: Vec<String>,
    /// Origins whose pages may read responses (CORS) and open WebSockets.
    pub cors_origins: Vec<String>,
    /// Proxies whose `x-forwarded-for` is trusted.
    pub trusted_proxies: Vec<IpNet>,
    /// `None`: no limit.
    pub rate_limit: Option<RateLimit>,
}

/// How callers authenticate.
#[derive(Debug, Clone, Default)]
pub enum AccessMode {
    /// No authentication.
    #[default]
    Open,
    /// API keys of this gateway, as bearer tokens.
    Keys(Vec<KeyConfig>),
    /// JSON Web Tokens of an issuer.
    Jwt(Box<JwtConfig>),
}

/// What a caller may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum Permission {
    #[serde(rename = "assets:read")]
    Read,
    #[serde(rename = "assets:write")]
    Write,
    #[serde(rename = "assets:delete")]
    Delete,
}

impl Permission {
    pub const ALL: [Self; 3] = [Self::Read, Self::Write, Self::Delete];

    /// Returns the scope as it is written in settings and tokens.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Read => "assets:read",
            Self::Write => "assets:write",
            Self::Delete => "assets:delete",
        }
    }
}

/// An API key, stored as its hash.
#[derive(Debug, Clone)]
pub struct KeyConfig {
    /// The name of the key's holder in the log.
    pub id: String,
    /// BLAKE3 of the key.
    pub hash: [u8; 32],
    pub permissions: Vec<Permission>,
}

/// Which JSON Web Tokens are accepted.
#[derive(Debug, Clone)]
pub struct JwtConfig {
    pub issuer: String,
    pub audiences: Vec<String>,
    /// JWA names (RFC 7518), asymmetric algorithms only.
    pub algorithms: Vec<String>,
    pub keys: JwksConfig,
    /// Allowed clock difference.
    pub leeway: Duration,
}

/// Where to get an issuer's keys.
#[derive(Debug, Clone)]
pub enum JwksConfig {
    File(PathBuf),
    Address {
        url: Url,
        ca_file: Option<PathBuf>,
        /// How long the keys are used before they are fetched again.
        fresh: Duration,
    },
}

/// The request limit of each caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimit {
    pub per_minute: u32,
    /// Requests allowed at once, after a pause.
    pub burst: u32,
}

/// Accepted algorithms. None uses a shared secret: a party that checks one can also sign.
const ALGORITHMS: [&str; 9] = [
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA",
];

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum ModeValue {
    Open,
    Keys,
    Jwt,
}

/// `[access]` as written.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccessSection {
    mode: Option<Spanned<ModeValue>>,
    allowed_hosts: Option<Spanned<Vec<String>>>,
    cors_origins: Option<Spanned<Vec<String>>>,
    trusted_proxies: Option<Spanned<Vec<String>>>,
    #[serde(default)]
    keys: Vec<Spanned<KeySection>>,
    jwt: Option<Spanned<JwtSection>>,
    rate_limit: Option<RateLimitSection>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KeySection {
    id: String,
    hash: String,
    scopes: Vec<Permission>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct JwtSection {
    issuer: String,
    audience: OneOrMore,
    algorithms: Vec<String>,
    jwks_url: Option<String>,
    jwks_file: Option<PathBuf>,
    ca_file: Option<PathBuf>,
    #[serde(default, deserialize_with = "optional_seconds")]
    jwks_fresh_seconds: Option<Duration>,
    #[serde(default, deserialize_with = "optional_seconds")]
    leeway_seconds: Option<Duration>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMore {
    One(String),
    More(Vec<String>),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RateLimitSection {
    #[serde(deserialize_with = "positive")]
    requests_per_minute: u32,
    #[serde(default, deserialize_with = "optional_positive")]
    burst: Option<u32>,
}

impl AccessSection {
    pub fn resolve(self, input: &FileLocation<'_>) -> Result<AccessConfig, ConfigError> {
        Ok(AccessConfig {
            allowed_hosts: list(self.allowed_hosts, input, "allowed_hosts", host)?,
            cors_origins: list(self.cors_origins, input, "cors_origins", origin)?,
            trusted_proxies: list(self.trusted_proxies, input, "trusted_proxies", network)?,
            rate_limit: self.rate_limit.map(RateLimit::from),
            mode: mode(self.mode, self.keys, self.jwt, input)?,
        })
    }
}

fn list<T>(
    key: Option<Spanned<Vec<String>>>,
    input: &FileLocation<'_>,
    name: &str,
    read: impl Fn(&str) -> Result<T, &'static str>,
) -> Result<Vec<T>, ConfigError> {
    let Some(key) = key else {
        return Ok(Vec::new());
    };
    let offset = key.span().start;
    let read = |text: &String| {
        read(text).map_err(|rule| input.refuse(offset, format!("`{name}`: `{text}` {rule}")))
    };
    key.get_ref().iter().map(read).collect()
}

fn host(text: &str) -> Result<String, &'static str> {
    const RIGHT: &str = "must be a host without scheme or port, such as assets.example.com";
    // A wildcard would admit every page under a matching host name.
    match Host::parse(text) {
        Ok(host) if !text.contains('*') => Ok(host.to_string()),
        Ok(_) | Err(_) => Err(RIGHT),
    }
}

fn origin(text: &str) -> Result<String, &'static str> {
    const RIGHT: &str = "must be an origin, such as https://app.example.com: scheme and host, and \
                         a port where it is not the scheme's own. `*` would open the gateway to \
                         every page there is";
    let url = web_url(text).filter(|url| url.path() == "/").ok_or(RIGHT)?;
    Ok(url.origin().ascii_serialization())
}

fn network(text: &str) -> Result<IpNet, &'static str> {
    const RIGHT: &str = "must be an address or a network, such as 10.0.0.7 or 10.0.0.0/8";
    let address = || text.parse::<IpAddr>().map(IpNet::from);
    text.parse().or_else(|_| address()).map_err(|_| RIGHT)
}

fn mode(
    mode: Option<Spanned<ModeValue>>,
    keys: Vec<Spanned<KeySection>>,
    jwt: Option<Spanned<JwtSection>>,
    input: &FileLocation<'_>,
) -> Result<AccessMode, ConfigError> {
    let offset = mode.as_ref().map_or(0, |mode| mode.span().start);
    match mode.map_or(ModeValue::Open, Spanned::into_inner) {
        ModeValue::Keys if keys.is_empty() => Err(input.refuse(
            offset,
            "`mode = \"keys\"` needs at least one [[access.keys]]: `asset-gateway key` makes one",
        )),
        ModeValue::Keys if jwt.is_none() => keys_of(keys, input).map(AccessMode::Keys),
        ModeValue::Jwt if keys.is_empty() => match jwt {
            Some(jwt) => {
                let offset = jwt.span().start;
                let jwt = jwt.into_inner().resolve(input, offset)?;
                Ok(AccessMode::Jwt(Box::new(jwt)))
            }
            None => Err(input.refuse(
                offset,
                "`mode = \"jwt\"` needs [access.jwt] with `issuer`, `audience`, `algorithms`, and \
                 `jwks_url` or `jwks_file`",
            )),
        },
        ModeValue::Open if keys.is_empty() && jwt.is_none() => Ok(AccessMode::Open),
        // The author of unused keys or JWT settings believes that callers are checked.
        ModeValue::Open | ModeValue::Keys | ModeValue::Jwt => Err(input.refuse(
            offset,
            "[[access.keys]] goes with `mode = \"keys\"`, [access.jwt] with `mode = \"jwt\"`, and \
             neither with another mode",
        )),
    }
}

fn keys_of(
    keys: Vec<Spanned<KeySection>>,
    input: &FileLocation<'_>,
) -> Result<Vec<KeyConfig>, ConfigError> {
    let (mut ids, mut hashes) = (HashSet::new(), HashSet::new());
    keys.into_iter()
        .map(|key| {
            let offset = key.span().start;
            let key = key.into_inner();
            let is_name = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
            if key.id.is_empty() || key.id.len() > 64 || !key.id.chars().all(is_name) {
                return Err(input.refuse(
                    offset,
                    "a key's `id` has 1 to 64 letters, digits, `-`, `_` or `.`: the log shows it",
                ));
            }
            // Do not repeat the value: it may be the key itself, put here by mistake.
            let hash = key
                .hash
                .strip_prefix("blake3:")
                .and_then(|hex| blake3::Hash::from_hex(hex).ok());
            let hash = hash.ok_or_else(|| {
                input.refuse(
                    offset,
                    format!(
                        "`hash` of key `{}` must be `blake3:` and 64 digits, as `asset-gateway \
                         key` prints it: the hash, not the key",
                        key.id
                    ),
                )
            })?;
            if !ids.insert(key.id.clone()) || !hashes.insert(hash) {
                return Err(input.refuse(
                    offset,
                    format!("key `{}` has the `id` or the `hash` of another", key.id),
                ));
            }
            Ok(KeyConfig {
                id: key.id,
                hash: *hash.as_bytes(),
                permissions: key.scopes,
            })
        })
        .collect()
}

impl JwtSection {
    fn resolve(self, input: &FileLocation<'_>, offset: usize) -> Result<JwtConfig, ConfigError> {
        let refuse = |message: &str| input.refuse(offset, message);
        let audiences = match self.audience {
            OneOrMore::One(audience) => vec![audience],
            OneOrMore::More(list) => list,
        };
        let has_names = !self.issuer.is_empty() && !audiences.is_empty();
        if !has_names || audiences.iter().any(String::is_empty) {
            return Err(refuse(
                "`issuer` and `audience` of [access.jwt] must not be empty",
            ));
        }
        let is_known = |name: &String| ALGORITHMS.contains(&name.as_str());
        if self.algorithms.is_empty() || !self.algorithms.iter().all(is_known) {
            return Err(refuse(&format!(
                "`algorithms` of [access.jwt] must list the issuer's algorithms, out of: {}",
                ALGORITHMS.join(", ")
            )));
        }
        let fresh = self.jwks_fresh_seconds.unwrap_or(Duration::from_secs(600));
        let keys = match (self.jwks_url, self.jwks_file) {
            (Some(url), None) => JwksConfig::Address {
                url: jwks_url(&url).ok_or_else(|| {
                    refuse(
                        "`jwks_url` must be an https address without credentials; plain http is \
                         for loopback only, because keys can be forged on the way",
                    )
                })?,
                ca_file: self.ca_file,
                fresh,
            },
            (None, Some(path)) => JwksConfig::File(path),
            (Some(_), Some(_)) | (None, None) => {
                return Err(refuse(
                    "[access.jwt] needs one of `jwks_url` and `jwks_file`",
                ));
            }
        };
        let leeway = self.leeway_seconds.unwrap_or(Duration::from_secs(30));
        if leeway > Duration::from_secs(300) {
            return Err(refuse(
                "`leeway_seconds` allows for clock differences: at most 300",
            ));
        }
        Ok(JwtConfig {
            issuer: self.issuer,
            audiences,
            algorithms: self.algorithms,
            keys,
            leeway,
        })
    }
}

/// Parses a JWKS URL whose response can be trusted. The URL may have a query.
fn jwks_url(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    let fits = match url.scheme() {
        "https" => true,
        "http" => is_this_machine(&url),
        _ => false,
    };
    (fits && url.has_host() && url.username().is_empty() && url.password().is_none()).then_some(url)
}

impl From<RateLimitSection> for RateLimit {
    fn from(keys: RateLimitSection) -> Self {
        let per_minute = keys.requests_per_minute;
        Self {
            per_minute,
            burst: keys.burst.unwrap_or(per_minute.div_ceil(10).max(10)),
        }
    }
}
