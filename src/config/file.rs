//! The TOML file as it is written, and its way into a [`Config`].

use std::{collections::BTreeMap, net::SocketAddr, path::Path, time::Duration};

use serde::Deserialize;
use toml::Spanned;
use url::Url;

use super::{
    CacheConfig, Config, ConfigError, DEFAULT_LISTEN, Environment, Limits, LogConfig, OwnFreshness,
    Secret, access::AccessFile, documents::DocumentsFile, source_table::SourceFile, sources,
};
use crate::telemetry::Format;

/// The whole file. Every key may be left out.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    listen: Option<Spanned<String>>,
    public_url: Option<Spanned<String>>,
    media_secret: Option<Spanned<Secret>>,
    explorer: Option<bool>,
    introspection: Option<bool>,
    suggestions: Option<bool>,
    access: Option<AccessFile>,
    documents: Option<DocumentsFile>,
    log: Option<LogFile>,
    limits: Option<LimitsFile>,
    cache: Option<CacheFile>,
    #[serde(default)]
    sources: BTreeMap<Spanned<String>, SourceFile>,
    /// The text, for line numbers.
    #[serde(skip)]
    text: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LogFile {
    format: Option<Format>,
    filter: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LimitsFile {
    body_bytes: Option<Spanned<usize>>,
    query_bytes: Option<Spanned<usize>>,
    nesting: Option<Spanned<usize>>,
    tokens: Option<Spanned<usize>>,
    depth: Option<Spanned<usize>>,
    introspection_depth: Option<Spanned<usize>>,
    aliases: Option<Spanned<usize>>,
    root_fields: Option<Spanned<usize>>,
    directives: Option<Spanned<usize>>,
    operations: Option<Spanned<usize>>,
    selections: Option<Spanned<u64>>,
    introspection_lists: Option<Spanned<u64>>,
    list_items: Option<Spanned<usize>>,
    values: Option<Spanned<u64>>,
    ids: Option<Spanned<usize>>,
    bulk_delete_ids: Option<Spanned<usize>>,
    batch: Option<Spanned<usize>>,
    socket_operations: Option<Spanned<usize>>,
    request_memory_bytes: Option<Spanned<u64>>,
    spool_bytes: Option<Spanned<u64>>,
    cost: Option<Spanned<u64>>,
    upload_bytes: Option<Spanned<u64>>,
    upload_files: Option<Spanned<usize>>,
    upload_base64_bytes: Option<Spanned<usize>>,
    upstream_calls: Option<Spanned<u32>>,
    mutation_calls: Option<Spanned<u32>>,
    query_deadline_seconds: Option<Spanned<f64>>,
    mutation_deadline_seconds: Option<Spanned<f64>>,
    body_deadline_seconds: Option<Spanned<f64>>,
    upload_idle_seconds: Option<Spanned<f64>>,
    connections: Option<Spanned<usize>>,
    connections_per_address: Option<Spanned<usize>>,
    idle_seconds: Option<Spanned<f64>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CacheFile {
    size_mib: Option<Spanned<u64>>,
    answers: Option<bool>,
    page_fresh_seconds: Option<Spanned<f64>>,
    page_stale_seconds: Option<Spanned<f64>>,
    entity_fresh_seconds: Option<Spanned<f64>>,
    entity_stale_seconds: Option<Spanned<f64>>,
    missing_fresh_seconds: Option<Spanned<f64>>,
    if_error_seconds: Option<Spanned<f64>>,
}

/// `[sources.<name>.cache]`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(clippy::struct_field_names, reason = "the keys as written")]
pub struct FreshnessFile {
    page_fresh_seconds: Option<Spanned<f64>>,
    page_stale_seconds: Option<Spanned<f64>>,
    entity_fresh_seconds: Option<Spanned<f64>>,
    entity_stale_seconds: Option<Spanned<f64>>,
    missing_fresh_seconds: Option<Spanned<f64>>,
    if_error_seconds: Option<Spanned<f64>>,
}

impl FreshnessFile {
    pub fn resolve(self, place: &FileLocation<'_>) -> Result<OwnFreshness, ConfigError> {
        let own = |name: &str, key: Option<Spanned<f64>>| match key {
            None => Ok(None),
            key => seconds(name, key, Duration::ZERO, place).map(Some),
        };
        Ok(OwnFreshness {
            page_fresh: own("page_fresh_seconds", self.page_fresh_seconds)?,
            page_stale: own("page_stale_seconds", self.page_stale_seconds)?,
            entity_fresh: own("entity_fresh_seconds", self.entity_fresh_seconds)?,
            entity_stale: own("entity_stale_seconds", self.entity_stale_seconds)?,
            missing_fresh: own("missing_fresh_seconds", self.missing_fresh_seconds)?,
            if_error: own("if_error_seconds", self.if_error_seconds)?,
        })
    }
}

/// Where in which file something stands, for messages.
pub struct FileLocation<'a> {
    pub path: Option<&'a Path>,
    pub text: &'a str,
}

impl FileLocation<'_> {
    /// `gateway.toml:12`
    pub fn at(&self, offset: usize) -> String {
        let line = 1 + self
            .text
            .bytes()
            .take(offset)
            .filter(|b| *b == b'\n')
            .count();
        match self.path {
            Some(path) => format!("{}:{line}", path.display()),
            None => format!("line {line}"),
        }
    }

    pub fn refuse(&self, offset: usize, what: impl std::fmt::Display) -> ConfigError {
        ConfigError(format!("{}: {what}", self.at(offset)))
    }
}

/// Reads and parses the file.
pub fn read(path: &Path) -> Result<File, ConfigError> {
    let text = std::fs::read_to_string(path).map_err(|error| {
        ConfigError(format!(
            "the configuration file {} cannot be read: {error}",
            path.display()
        ))
    })?;
    parse(&text, Some(path))
}

fn parse(text: &str, path: Option<&Path>) -> Result<File, ConfigError> {
    let mut file: File = toml::from_str(text).map_err(|error| {
        // `error` itself would print the line it stands on, and that line may hold a secret.
        let place = FileLocation { path, text };
        place.refuse(error.span().map_or(0, |span| span.start), error.message())
    })?;
    text.clone_into(&mut file.text);
    Ok(file)
}

impl File {
    pub fn into_config(
        self,
        path: Option<&Path>,
        environment: &dyn Environment,
    ) -> Result<Config, ConfigError> {
        let place = FileLocation {
            path,
            text: &self.text,
        };
        let mut remarks = Vec::new();
        let sources = sources::resolve(self.sources, &place, environment, &mut remarks)?;
        let media_secret = environment
            .get("ASSET_GATEWAY_MEDIA_SECRET")
            .map(Secret::new)
            .or(self.media_secret.map(Spanned::into_inner));
        Ok(Config {
            listen: listen(self.listen, &place, environment)?,
            public_url: public_url(self.public_url, &place, environment)?,
            media_secret,
            log: log(self.log, environment),
            limits: limits(self.limits, &place)?,
            cache: cache(self.cache, &place)?,
            access: self.access.unwrap_or_default().resolve(&place)?,
            trusted_documents: self.documents.unwrap_or_default().resolve(&place)?,
            explorer: self.explorer.unwrap_or(true),
            introspection: self.introspection.unwrap_or(true),
            suggestions: self.suggestions.unwrap_or(true),
            sources,
            remarks,
        })
    }
}

fn listen(
    key: Option<Spanned<String>>,
    place: &FileLocation<'_>,
    environment: &dyn Environment,
) -> Result<SocketAddr, ConfigError> {
    const RIGHT: &str = "must be an address and a port, such as 127.0.0.1:8000 or [::1]:8000";
    if let Some(text) = environment.get("ASSET_GATEWAY_LISTEN") {
        return text
            .parse()
            .map_err(|_| ConfigError(format!("ASSET_GATEWAY_LISTEN {RIGHT}")));
    }
    let Some(key) = key else {
        // A constant that parses.
        return DEFAULT_LISTEN
            .parse()
            .map_err(|_| ConfigError(DEFAULT_LISTEN.to_owned()));
    };
    key.get_ref()
        .parse()
        .map_err(|_| place.refuse(key.span().start, format!("`listen` {RIGHT}")))
}

fn public_url(
    key: Option<Spanned<String>>,
    place: &FileLocation<'_>,
    environment: &dyn Environment,
) -> Result<Option<Url>, ConfigError> {
    const RIGHT: &str =
        "must be the http or https address that browsers use, such as https://assets.example.com";
    if let Some(text) = environment.get("ASSET_GATEWAY_PUBLIC_URL") {
        return sources::web_url(&text)
            .map(Some)
            .ok_or_else(|| ConfigError(format!("ASSET_GATEWAY_PUBLIC_URL {RIGHT}")));
    }
    key.map(|key| {
        sources::web_url(key.get_ref())
            .ok_or_else(|| place.refuse(key.span().start, format!("`public_url` {RIGHT}")))
    })
    .transpose()
}

fn log(section: Option<LogFile>, environment: &dyn Environment) -> LogConfig {
    let (format, filter) = section.map_or((None, None), |s| (s.format, s.filter));
    LogConfig {
        format: format.unwrap_or(Format::Auto),
        filter: environment
            .get("ASSET_GATEWAY_LOG")
            .or(filter)
            .unwrap_or_else(|| "info".to_owned()),
    }
}

fn limits(section: Option<LimitsFile>, place: &FileLocation<'_>) -> Result<Limits, ConfigError> {
    let d = Limits::default();
    let Some(s) = section else { return Ok(d) };
    Ok(Limits {
        body_bytes: positive("body_bytes", s.body_bytes, d.body_bytes, place)?,
        query_bytes: positive("query_bytes", s.query_bytes, d.query_bytes, place)?,
        nesting: nesting(s.nesting, d.nesting, place)?,
        tokens: positive("tokens", s.tokens, d.tokens, place)?,
        depth: positive("depth", s.depth, d.depth, place)?,
        introspection_depth: positive(
            "introspection_depth",
            s.introspection_depth,
            d.introspection_depth,
            place,
        )?,
        aliases: positive("aliases", s.aliases, d.aliases, place)?,
        root_fields: positive("root_fields", s.root_fields, d.root_fields, place)?,
        directives: positive("directives", s.directives, d.directives, place)?,
        operations: positive("operations", s.operations, d.operations, place)?,
        selections: positive("selections", s.selections, d.selections, place)?,
        introspection_lists: positive(
            "introspection_lists",
            s.introspection_lists,
            d.introspection_lists,
            place,
        )?,
        list_items: positive("list_items", s.list_items, d.list_items, place)?,
        values: positive("values", s.values, d.values, place)?,
        ids: positive("ids", s.ids, d.ids, place)?,
        bulk_delete_ids: positive(
            "bulk_delete_ids",
            s.bulk_delete_ids,
            d.bulk_delete_ids,
            place,
        )?,
        batch: positive("batch", s.batch, d.batch, place)?,
        socket_operations: positive(
            "socket_operations",
            s.socket_operations,
            d.socket_operations,
            place,
        )?,
        request_memory_bytes: positive(
            "request_memory_bytes",
            s.request_memory_bytes,
            d.request_memory_bytes,
            place,
        )?,
        spool_bytes: positive("spool_bytes", s.spool_bytes, d.spool_bytes, place)?,
        cost: positive("cost", s.cost, d.cost, place)?,
        upload_bytes: positive("upload_bytes", s.upload_bytes, d.upload_bytes, place)?,
        upload_files: positive("upload_files", s.upload_files, d.upload_files, place)?,
        upload_base64_bytes: positive(
            "upload_base64_bytes",
            s.upload_base64_bytes,
            d.upload_base64_bytes,
            place,
        )?,
        upstream_calls: positive("upstream_calls", s.upstream_calls, d.upstream_calls, place)?,
        mutation_calls: positive("mutation_calls", s.mutation_calls, d.mutation_calls, place)?,
        query_deadline: seconds(
            "query_deadline_seconds",
            s.query_deadline_seconds,
            d.query_deadline,
            place,
        )?,
        mutation_deadline: seconds(
            "mutation_deadline_seconds",
            s.mutation_deadline_seconds,
            d.mutation_deadline,
            place,
        )?,
        body_deadline: seconds(
            "body_deadline_seconds",
            s.body_deadline_seconds,
            d.body_deadline,
            place,
        )?,
        connections: positive("connections", s.connections, d.connections, place)?,
        connections_per_address: positive(
            "connections_per_address",
            s.connections_per_address,
            d.connections_per_address,
            place,
        )?,
        idle: seconds("idle_seconds", s.idle_seconds, d.idle, place)?,
        upload_idle: seconds(
            "upload_idle_seconds",
            s.upload_idle_seconds,
            d.upload_idle,
            place,
        )?,
    })
}

/// Deeper nesting than this overflows the parser's stack long before it is useful.
const MAX_NESTING: usize = 200;

fn nesting(
    key: Option<Spanned<usize>>,
    default: usize,
    place: &FileLocation<'_>,
) -> Result<usize, ConfigError> {
    match key {
        Some(key) if !(1..=MAX_NESTING).contains(key.get_ref()) => Err(place.refuse(
            key.span().start,
            format!("`nesting` must be 1 to {MAX_NESTING}"),
        )),
        key => Ok(key.map_or(default, Spanned::into_inner)),
    }
}

fn cache(section: Option<CacheFile>, place: &FileLocation<'_>) -> Result<CacheConfig, ConfigError> {
    let d = CacheConfig::default();
    let Some(s) = section else { return Ok(d) };
    let mib = 1024 * 1024;
    let times = FreshnessFile {
        page_fresh_seconds: s.page_fresh_seconds,
        page_stale_seconds: s.page_stale_seconds,
        entity_fresh_seconds: s.entity_fresh_seconds,
        entity_stale_seconds: s.entity_stale_seconds,
        missing_fresh_seconds: s.missing_fresh_seconds,
        if_error_seconds: s.if_error_seconds,
    };
    Ok(CacheConfig {
        size_bytes: positive("size_mib", s.size_mib, d.size_bytes / mib, place)?
            .saturating_mul(mib),
        answers: s.answers.unwrap_or(d.answers),
        freshness: d.freshness.with(times.resolve(place)?),
    })
}

pub fn positive<N: PartialOrd + Default>(
    name: &str,
    key: Option<Spanned<N>>,
    default: N,
    place: &FileLocation<'_>,
) -> Result<N, ConfigError> {
    let Some(key) = key else { return Ok(default) };
    if *key.get_ref() > N::default() {
        return Ok(key.into_inner());
    }
    Err(place.refuse(key.span().start, format!("`{name}` must be 1 or more")))
}

/// A duration in seconds, 0 to a day.
pub fn seconds(
    name: &str,
    key: Option<Spanned<f64>>,
    default: Duration,
    place: &FileLocation<'_>,
) -> Result<Duration, ConfigError> {
    let Some(key) = key else { return Ok(default) };
    Duration::try_from_secs_f64(*key.get_ref())
        .ok()
        .filter(|d| *d <= Duration::from_secs(86_400))
        .ok_or_else(|| {
            place.refuse(
                key.span().start,
                format!("`{name}` must be a number of seconds from 0 to 86400"),
            )
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(text: &str) -> String {
        let nothing = |_: &str| None;
        parse(text, Some(Path::new("gateway.toml")))
            .and_then(|file| file.into_config(Some(Path::new("gateway.toml")), &nothing))
            .expect_err("must be refused")
            .to_string()
    }

    #[test]
    fn a_refusal_names_the_line_and_what_would_be_right() {
        assert_eq!(
            refusal("listen = \"127.0.0.1:8000\"\npublic_url = \"ftp://x\"\n"),
            "gateway.toml:2: `public_url` must be the http or https address that browsers use, \
             such as https://assets.example.com"
        );
        assert!(
            refusal("\n\nlisten_on = 1\n")
                .starts_with("gateway.toml:3: unknown field `listen_on`, expected one of")
        );
        assert_eq!(
            refusal("[limits]\ndepth = 0\n"),
            "gateway.toml:2: `depth` must be 1 or more"
        );
        assert_eq!(
            refusal("[sources.scenario]\napi_key = \"k\"\n"),
            "gateway.toml:1: source `scenario` has `api_key` but no `api_secret`: Scenario needs \
             both (`api_secret`, `api_secret_file` or `api_secret_env`, or SCENARIO_API_SECRET in \
             the environment)"
        );
        assert_eq!(
            refusal("[sources.piktid]\ntokn = \"x\"\n")
                .split(", expected")
                .next(),
            Some("gateway.toml:2: unknown field `tokn`")
        );
        assert_eq!(
            refusal("[sources.piktid]\ntoken = \"x\"\napi_key = \"x\"\n"),
            "gateway.toml:3: `api_key` is not a key of provider `piktid`; its keys are: provider, \
             url, token, token_file, token_env, former_names, ca_file, patience_seconds, \
             connect_seconds, attempt_seconds, in_flight, passthrough, \
             storage_hosts, cache"
        );
    }

    #[test]
    fn a_secret_of_the_wrong_type_is_not_repeated() {
        let message = refusal("[sources.piktid]\ntoken = 987654\n");
        assert!(!message.contains("987654"), "{message}");
        assert!(message.contains("a secret must be a text in quotes"));
    }
}
