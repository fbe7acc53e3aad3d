//! `[access]`: who may call, from where, and how often.

use std::{collections::HashSet, net::IpAddr, time::Duration};

use ipnet::IpNet;
use serde::{Deserialize, Deserializer, de::Error};
use url::{Host, Url};

use super::{
    allowed_origin::AllowedOrigin,
    file_path::FilePath,
    numbers::{optional_seconds, positive, seconds},
    one_or_more::OneOrMore,
    reader::Reader,
    table::{Origin, Table, Values},
    web_url::is_this_machine,
};

/// Who may call, from where, and how often.
#[derive(Debug, Clone, Default)]
pub struct AccessConfig {
    pub mode: AccessMode,
    /// Allowed request hosts, besides loopback, the gateway's own address and `public_url`.
    pub allowed_hosts: Vec<String>,
    /// Origins whose pages may read responses (CORS) and open WebSockets.
    pub cors_origins: Vec<AllowedOrigin>,
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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Permission {
    Read,
    Write,
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
    File(FilePath),
    Address {
        url: Url,
        ca_file: Option<FilePath>,
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

/// Marks a key as this gateway's, for people and for programs that search for leaked keys.
pub const KEY_PREFIX: &str = "agw_";

/// The most requests a minute, and at once. More overflow the limiter's clock.
const MAX_RATE: u32 = 1_000_000;

/// Accepted algorithms. None uses a shared secret: a party that checks one can also sign.
const ALGORITHMS: [&str; 9] = [
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA",
];

#[derive(Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum ModeValue {
    #[default]
    Open,
    Keys,
    Jwt,
}

/// `[access]` as written.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct AccessSection {
    mode: ModeValue,
    allowed_hosts: Vec<String>,
    cors_origins: Vec<String>,
    trusted_proxies: Vec<String>,
}

/// `[[access.keys]]` as written.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct KeySection {
    id: String,
    hash: String,
    scopes: Option<Vec<String>>,
}

/// `[access.jwt]` as written.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct JwtSection {
    issuer: String,
    audience: OneOrMore,
    #[serde(deserialize_with = "algorithms")]
    algorithms: Vec<String>,
    #[serde(deserialize_with = "jwks_url")]
    jwks_url: Option<Url>,
    jwks_file: Option<FilePath>,
    ca_file: Option<FilePath>,
    #[serde(deserialize_with = "optional_seconds")]
    jwks_fresh_seconds: Option<Duration>,
    #[serde(deserialize_with = "leeway")]
    leeway_seconds: Option<Duration>,
}

/// `[access.rate_limit]` as written.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct RateLimitSection {
    #[serde(deserialize_with = "rate")]
    requests_per_minute: Option<u32>,
    #[serde(deserialize_with = "rate")]
    burst: Option<u32>,
}

/// Reads `[access]` and the tables inside it.
pub fn read_access(reader: &mut Reader<'_>, table: &Table<'_>) -> AccessConfig {
    let (section, values) = reader.read::<AccessSection>(table);
    let hosts = ("allowed_hosts", &*section.allowed_hosts);
    let origins = ("cors_origins", &*section.cors_origins);
    let proxies = ("trusted_proxies", &*section.trusted_proxies);
    let mut access = AccessConfig {
        mode: AccessMode::Open,
        allowed_hosts: list(reader, &values, hosts, host),
        cors_origins: list(reader, &values, origins, AllowedOrigin::parse),
        trusted_proxies: list(reader, &values, proxies, network),
        rate_limit: read_rate_limit(reader, &table.inside("rate_limit")),
    };
    let keys = read_keys(reader, table);
    let (has_jwt, jwt) = read_jwt(reader, &table.inside("jwt"));
    let mode = values.origin_of("mode");
    match section.mode {
        ModeValue::Keys if keys.is_none() => reader.refuse(
            mode,
            "`mode = \"keys\"` needs at least one [[access.keys]]: `asset-gateway key` makes one",
        ),
        ModeValue::Jwt if !has_jwt => reader.refuse(
            mode,
            "`mode = \"jwt\"` needs [access.jwt] with `issuer`, `audience`, `algorithms`, and \
             `jwks_url` or `jwks_file`",
        ),
        _ => {}
    }
    // The author of unused keys or JWT settings believes that callers are checked. A fault of the
    // mode says nothing about the author's intent.
    let is_keys = section.mode == ModeValue::Keys;
    let is_jwt = section.mode == ModeValue::Jwt;
    if values.is_sound && ((keys.is_some() && !is_keys) || (has_jwt && !is_jwt)) {
        reader.refuse(
            mode,
            "[[access.keys]] goes with `mode = \"keys\"`, [access.jwt] with `mode = \"jwt\"`, and \
             neither with another mode",
        );
    }
    access.mode = match (section.mode, keys, jwt) {
        (ModeValue::Keys, Some(keys), _) => AccessMode::Keys(keys),
        (ModeValue::Jwt, _, Some(jwt)) => AccessMode::Jwt(Box::new(jwt)),
        _ => AccessMode::Open,
    };
    access
}

/// Reads the texts of a list with a rule for each.
fn list<T>(
    reader: &mut Reader<'_>,
    values: &Values,
    (key, texts): (&str, &[String]),
    read: impl Fn(&str) -> Result<T, &'static str>,
) -> Vec<T> {
    let mut list = Vec::new();
    for text in texts {
        match read(text) {
            Ok(element) => list.push(element),
            Err(rule) => {
                // It may hold a password.
                let shown = if text.contains('@') { "…" } else { text };
                let message = format!("`{key}`: `{shown}` {rule}");
                reader.refuse(values.origin_of(key), message);
            }
        }
    }
    list
}

fn host(text: &str) -> Result<String, &'static str> {
    const RIGHT: &str = "must be a host without scheme or port, such as assets.example.com";
    // A wildcard would admit every page under a matching host name.
    match Host::parse(text) {
        Ok(host) if !text.contains('*') => Ok(host.to_string()),
        Ok(_) | Err(_) => Err(RIGHT),
    }
}

fn network(text: &str) -> Result<IpNet, &'static str> {
    const RIGHT: &str = "must be an address or a network, such as 10.0.0.7 or 10.0.0.0/8";
    let address = || text.parse::<IpAddr>().map(IpNet::from);
    text.parse().or_else(|_| address()).map_err(|_| RIGHT)
}

/// Reads `[[access.keys]]`. `None`: there are none.
fn read_keys(reader: &mut Reader<'_>, access: &Table<'_>) -> Option<Vec<KeyConfig>> {
    let list = access.value("keys")?;
    let origin = Origin::File(list.span().start);
    let Some(tables) = list.get_ref().as_array() else {
        reader.refuse(&origin, "`keys` must be tables: [[access.keys]]");
        return None;
    };
    let (mut ids, mut hashes) = (HashSet::new(), HashSet::new());
    let mut keys = Vec::new();
    for table in tables {
        let (key, values) = reader.read::<KeySection>(&Table {
            title: "[[access.keys]]".to_owned(),
            table: Some(table),
            inner: &[],
            prefix: None,
            short_variables: &[],
        });
        if !values.is_sound {
            continue;
        }
        let config = read_key(reader, &key, &values);
        if !ids.insert(config.id.clone()) || !hashes.insert(config.hash) {
            let message = format!("key `{}` has the `id` or the `hash` of another", config.id);
            reader.refuse(&values.origin, message);
        }
        keys.push(config);
    }
    (!tables.is_empty()).then_some(keys)
}

/// Checks a key. No message repeats a value, which may be the key itself, put here by mistake.
fn read_key(reader: &mut Reader<'_>, key: &KeySection, values: &Values) -> KeyConfig {
    let is_name = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if key.id.is_empty() || key.id.len() > 64 || !key.id.chars().all(is_name) {
        reader.refuse(
            values.origin_of("id"),
            "a key's `id` has 1 to 64 letters, digits, `-`, `_` or `.`: the log shows it",
        );
    } else if key.id.starts_with(KEY_PREFIX) {
        reader.refuse(
            values.origin_of("id"),
            "`id` is a name for the key, which the log shows: not the key itself",
        );
    }
    let hash = key.hash.strip_prefix("blake3:");
    let hash = hash.and_then(|hex| blake3::Hash::from_hex(hex).ok());
    if hash.is_none() {
        reader.refuse(
            values.origin_of("hash"),
            "`hash` must be `blake3:` and 64 digits, as `asset-gateway key` prints it: the hash, \
             not the key",
        );
    }
    let find = |scope: &String| Permission::ALL.into_iter().find(|p| p.word() == scope);
    let scopes: Option<Option<Vec<Permission>>> =
        (key.scopes.as_ref()).map(|scopes| scopes.iter().map(find).collect());
    let Some(Some(permissions)) = scopes else {
        let words = Permission::ALL.map(Permission::word).join(", ");
        reader.refuse(
            values.origin_of("scopes"),
            format!("`scopes` must list what the key permits, of {words}"),
        );
        return KeyConfig {
            id: key.id.clone(),
            hash: hash.map_or([0; 32], |hash| *hash.as_bytes()),
            permissions: Vec::new(),
        };
    };
    KeyConfig {
        id: key.id.clone(),
        hash: hash.map_or([0; 32], |hash| *hash.as_bytes()),
        permissions,
    }
}

fn read_rate_limit(reader: &mut Reader<'_>, table: &Table<'_>) -> Option<RateLimit> {
    let (section, values) = reader.read::<RateLimitSection>(table);
    if values.is_absent() {
        return None;
    }
    let Some(per_minute) = section.requests_per_minute else {
        if values.is_sound {
            reader.refuse(
                &values.origin,
                "[access.rate_limit] needs `requests_per_minute`",
            );
        }
        return None;
    };
    Some(RateLimit {
        per_minute,
        burst: section.burst.unwrap_or(per_minute.div_ceil(10).max(10)),
    })
}

fn rate<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u32>, D::Error> {
    match positive(deserializer)? {
        rate if rate <= MAX_RATE => Ok(Some(rate)),
        _ => Err(D::Error::custom(format!("must be at most {MAX_RATE}"))),
    }
}

/// Reads `[access.jwt]`: whether it is there, and the settings, unless they have a fault.
fn read_jwt(reader: &mut Reader<'_>, table: &Table<'_>) -> (bool, Option<JwtConfig>) {
    let (section, values) = reader.read::<JwtSection>(table);
    if values.is_absent() {
        return (false, None);
    }
    (true, section.resolve(reader, &values))
}

impl JwtSection {
    /// Checks the keys together. `None`: the reader has the faults.
    fn resolve(self, reader: &mut Reader<'_>, values: &Values) -> Option<JwtConfig> {
        let audiences = self.audience.0;
        let mut faults = Vec::new();
        if values.is_sound {
            if self.issuer.is_empty() {
                faults.push((
                    "issuer",
                    "must be the `iss` of the issuer's tokens".to_owned(),
                ));
            }
            if audiences.is_empty() || audiences.iter().any(String::is_empty) {
                faults.push(("audience", "must be the `aud` of tokens for you".to_owned()));
            }
            if self.algorithms.is_empty() {
                faults.push(("algorithms", algorithm_rule()));
            }
            if self.jwks_url.is_some() == self.jwks_file.is_some() {
                let rule = "or `jwks_file` must be set, and not both".to_owned();
                faults.push(("jwks_url", rule));
            }
        }
        let are_right = faults.is_empty() && values.is_sound;
        for (key, rule) in faults {
            let rule = format!("{rule} ([access.jwt])");
            reader.break_rule(values.origin_of(key), key, &rule);
        }
        let keys = match (self.jwks_url, self.jwks_file) {
            (Some(url), _) => JwksConfig::Address {
                url,
                ca_file: self.ca_file,
                fresh: self.jwks_fresh_seconds.unwrap_or(Duration::from_secs(600)),
            },
            (None, Some(path)) => JwksConfig::File(path),
            (None, None) => return None,
        };
        are_right.then_some(JwtConfig {
            issuer: self.issuer,
            audiences,
            algorithms: self.algorithms,
            keys,
            leeway: self.leeway_seconds.unwrap_or(Duration::from_secs(30)),
        })
    }
}

/// Reads the names of algorithms that this gateway verifies.
fn algorithms<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let names = Vec::<String>::deserialize(deserializer)?;
    if names.iter().all(|name| ALGORITHMS.contains(&&**name)) {
        return Ok(names);
    }
    Err(D::Error::custom(algorithm_rule()))
}

fn algorithm_rule() -> String {
    let all = ALGORITHMS.join(", ");
    format!("must list the issuer's algorithms, out of: {all}")
}

/// Reads the clock difference that is allowed.
fn leeway<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    match seconds(deserializer)? {
        leeway if leeway <= Duration::from_secs(300) => Ok(Some(leeway)),
        _ => Err(D::Error::custom(
            "must be a clock difference of at most 300 seconds",
        )),
    }
}

/// Reads a JWKS URL whose response can be trusted. The URL may have a query.
fn jwks_url<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Url>, D::Error> {
    let url = Url::parse(&String::deserialize(deserializer)?).ok();
    let is_trusted = |url: &Url| match url.scheme() {
        "https" => true,
        "http" => is_this_machine(url),
        _ => false,
    };
    let is_plain = |url: &Url| url.username().is_empty() && url.password().is_none();
    url.filter(|url| is_trusted(url) && url.has_host() && is_plain(url))
        .map(Some)
        .ok_or_else(|| {
            D::Error::custom(
                "must be an https address without credentials; plain http is for loopback only, \
                 because keys can be forged on the way",
            )
        })
}
