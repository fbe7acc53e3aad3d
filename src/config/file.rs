//! The TOML file as written, and its conversion to a [`Config`].

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use serde::Deserialize;
use serde_path_to_error::Segment;
use toml::Spanned;
use url::Url;

use super::{
    access::AccessSection,
    cache::CacheConfig,
    documents::DocumentsSection,
    environment::Environment,
    error::ConfigError,
    limits::Limits,
    resolve_sources::resolve,
    secret::Secret,
    settings::{Config, DEFAULT_LISTEN, LogConfig},
    source_table::SourceSection,
    values::FileLocation,
    web_url::web_url,
};
use crate::telemetry::Format;

/// The whole file. Every key is optional.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    listen: Option<Spanned<String>>,
    public_url: Option<Spanned<String>>,
    media_secret: Option<Spanned<Secret>>,
    explorer: Option<bool>,
    introspection: Option<bool>,
    suggestions: Option<bool>,
    access: Option<AccessSection>,
    documents: Option<DocumentsSection>,
    log: Option<LogSection>,
    #[serde(default)]
    limits: Limits,
    #[serde(default)]
    cache: CacheConfig,
    #[serde(default)]
    sources: BTreeMap<Spanned<String>, SourceSection>,
    /// The text, for line numbers.
    #[serde(skip)]
    text: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LogSection {
    format: Option<Format>,
    filter: Option<String>,
}

impl Config {
    /// Reads the file, if one is named, then applies environment variables.
    ///
    /// # Errors
    /// [`ConfigError`] for an unreadable file, an unknown key, a bad value or a missing secret.
    pub fn load(path: Option<PathBuf>, environment: &dyn Environment) -> Result<Self, ConfigError> {
        let path = path.or_else(|| environment.get("ASSET_GATEWAY_CONFIG").map(PathBuf::from));
        let file = match &path {
            Some(path) => read(path)?,
            None => File::default(),
        };
        file.into_config(path.as_deref(), environment)
    }
}

/// Reads and parses the file.
fn read(path: &Path) -> Result<File, ConfigError> {
    let text = std::fs::read_to_string(path).map_err(|error| {
        ConfigError(format!(
            "the configuration file {} cannot be read: {error}",
            path.display()
        ))
    })?;
    parse(&text, Some(path))
}

fn parse(text: &str, path: Option<&Path>) -> Result<File, ConfigError> {
    let input = FileLocation { path, text };
    // An error itself would print the line it stands on, and that line may hold a secret.
    let refuse = |key: Option<&str>, error: &toml::de::Error| {
        let offset = error.span().map_or(0, |span| span.start);
        match key {
            Some(key) => input.refuse(offset, format!("`{key}` {}", error.message())),
            None => input.refuse(offset, error.message()),
        }
    };
    let deserializer = toml::Deserializer::parse(text).map_err(|error| refuse(None, &error))?;
    let mut file: File = serde_path_to_error::deserialize(deserializer).map_err(|error| {
        let key = match error.path().iter().next_back() {
            // Our own rules speak of the key that they refuse.
            Some(Segment::Map { key }) if error.inner().message().starts_with("must be") => {
                Some(key.as_str())
            }
            _ => None,
        };
        refuse(key, error.inner())
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
        let input = FileLocation {
            path,
            text: &self.text,
        };
        let mut remarks = Vec::new();
        let sources = resolve(self.sources, &input, environment, &mut remarks)?;
        let media_secret = environment
            .get("ASSET_GATEWAY_MEDIA_SECRET")
            .map(Secret::new)
            .or(self.media_secret.map(Spanned::into_inner));
        Ok(Config {
            listen: listen(self.listen, &input, environment)?,
            public_url: public_url(self.public_url, &input, environment)?,
            media_secret,
            log: log(self.log, environment),
            limits: self.limits,
            cache: self.cache,
            access: self.access.unwrap_or_default().resolve(&input)?,
            trusted_documents: self.documents.unwrap_or_default().resolve(&input)?,
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
    input: &FileLocation<'_>,
    environment: &dyn Environment,
) -> Result<SocketAddr, ConfigError> {
    const RIGHT: &str = "must be an address and a port, such as 127.0.0.1:8000 or [::1]:8000";
    if let Some(text) = environment.get("ASSET_GATEWAY_LISTEN") {
        return text
            .parse()
            .map_err(|_| ConfigError(format!("ASSET_GATEWAY_LISTEN {RIGHT}")));
    }
    let Some(key) = key else {
        // The constant always parses.
        return DEFAULT_LISTEN
            .parse()
            .map_err(|_| ConfigError(DEFAULT_LISTEN.to_owned()));
    };
    key.get_ref()
        .parse()
        .map_err(|_| input.refuse(key.span().start, format!("`listen` {RIGHT}")))
}

fn public_url(
    key: Option<Spanned<String>>,
    input: &FileLocation<'_>,
    environment: &dyn Environment,
) -> Result<Option<Url>, ConfigError> {
    const RIGHT: &str =
        "must be the http or https address that browsers use, such as https://assets.example.com";
    if let Some(text) = environment.get("ASSET_GATEWAY_PUBLIC_URL") {
        return web_url(&text)
            .map(Some)
            .ok_or_else(|| ConfigError(format!("ASSET_GATEWAY_PUBLIC_URL {RIGHT}")));
    }
    key.map(|key| {
        web_url(key.get_ref())
            .ok_or_else(|| input.refuse(key.span().start, format!("`public_url` {RIGHT}")))
    })
    .transpose()
}

fn log(section: Option<LogSection>, environment: &dyn Environment) -> LogConfig {
    let (format, filter) = section.map_or((None, None), |s| (s.format, s.filter));
    LogConfig {
        format: format.unwrap_or(Format::Auto),
        filter: environment
            .get("ASSET_GATEWAY_LOG")
            .or(filter)
            .unwrap_or_else(|| "info".to_owned()),
    }
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
