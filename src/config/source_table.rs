//! `[sources.<name>]`: converts one table of the file to a [`SourceConfig`].

mod credentials;

use std::{path::PathBuf, time::Duration};

use serde::Deserialize;
use toml::Spanned;
use url::{Host, Url};

use super::{
    cache::FreshnessOverrides,
    environment::Environment,
    error::ConfigError,
    secret::Secret,
    sources::{PublicEndpoint, SourceConfig, SourceKind},
    values::{FileLocation, optional_positive, optional_seconds},
    web_url::web_url,
};
use crate::asset::{Provider, SourceName};

/// `[sources.<name>]` as written. One flat table for all providers, so that a key of the wrong
/// provider is refused with its own line.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SourceSection {
    provider: Option<Spanned<String>>,
    url: Option<Spanned<String>>,
    api_key: Option<Spanned<Secret>>,
    api_key_file: Option<Spanned<PathBuf>>,
    api_key_env: Option<Spanned<String>>,
    api_secret: Option<Spanned<Secret>>,
    api_secret_file: Option<Spanned<PathBuf>>,
    api_secret_env: Option<Spanned<String>>,
    jwt: Option<Spanned<Secret>>,
    jwt_file: Option<Spanned<PathBuf>>,
    jwt_env: Option<Spanned<String>>,
    public: Option<Spanned<bool>>,
    project_id: Option<Spanned<String>>,
    public_endpoint: Option<Spanned<PublicEndpoint>>,
    token: Option<Spanned<Secret>>,
    token_file: Option<Spanned<PathBuf>>,
    token_env: Option<Spanned<String>>,
    user: Option<Spanned<String>>,
    listed_tags: Option<Spanned<Vec<String>>>,
    former_names: Option<Spanned<Vec<String>>>,
    ca_file: Option<Spanned<PathBuf>>,
    #[serde(default, deserialize_with = "optional_seconds")]
    patience_seconds: Option<Duration>,
    #[serde(default, deserialize_with = "optional_seconds")]
    connect_seconds: Option<Duration>,
    #[serde(default, deserialize_with = "optional_seconds")]
    attempt_seconds: Option<Duration>,
    #[serde(default, deserialize_with = "optional_positive")]
    in_flight: Option<usize>,
    passthrough: Option<Spanned<bool>>,
    storage_hosts: Option<Spanned<Vec<String>>>,
    #[serde(default)]
    cache: FreshnessOverrides,
}

/// The keys that each provider's table may have.
const fn keys_of(provider: Provider) -> &'static [&'static str] {
    match provider {
        Provider::Scenario => &[
            "provider",
            "url",
            "api_key",
            "api_key_file",
            "api_key_env",
            "api_secret",
            "api_secret_file",
            "api_secret_env",
            "jwt",
            "jwt_file",
            "jwt_env",
            "public",
            "project_id",
            "public_endpoint",
            "former_names",
            "ca_file",
            "patience_seconds",
            "connect_seconds",
            "attempt_seconds",
            "in_flight",
            "passthrough",
            "storage_hosts",
            "cache",
        ],
        Provider::Piktid => &[
            "provider",
            "url",
            "token",
            "token_file",
            "token_env",
            "former_names",
            "ca_file",
            "patience_seconds",
            "connect_seconds",
            "attempt_seconds",
            "in_flight",
            "passthrough",
            "storage_hosts",
            "cache",
        ],
        Provider::Comfy => &[
            "provider",
            "url",
            "api_key",
            "api_key_file",
            "api_key_env",
            "user",
            "listed_tags",
            "former_names",
            "ca_file",
            "patience_seconds",
            "connect_seconds",
            "attempt_seconds",
            "in_flight",
            "passthrough",
            "storage_hosts",
            "cache",
        ],
    }
}

const fn default_url(provider: Provider) -> &'static str {
    match provider {
        Provider::Scenario => "https://api.cloud.scenario.com/v1",
        Provider::Piktid => "https://v2.api.piktid.com",
        Provider::Comfy => "https://cloud.comfy.org",
    }
}

/// The credential variables of the source that is named like its provider.
const fn credentials_of(provider: Provider) -> &'static [&'static str] {
    match provider {
        Provider::Scenario => &["SCENARIO_API_KEY", "SCENARIO_API_SECRET", "SCENARIO_JWT"],
        Provider::Piktid => &["PIKTID_TOKEN"],
        Provider::Comfy => &["COMFY_API_KEY"],
    }
}

const fn url_variable(provider: Provider) -> &'static str {
    match provider {
        Provider::Scenario => "SCENARIO_URL",
        Provider::Piktid => "PIKTID_URL",
        Provider::Comfy => "COMFY_URL",
    }
}

/// One table, and the context for its conversion to a [`SourceConfig`].
pub struct SourceTable<'a> {
    pub name: SourceName,
    pub offset: usize,
    pub keys: SourceSection,
    pub location: &'a FileLocation<'a>,
    pub environment: &'a dyn Environment,
}

impl SourceTable<'_> {
    /// Converts the table to a source, with values from the environment.
    pub fn resolve(mut self) -> Result<SourceConfig, ConfigError> {
        let provider = self.provider()?;
        self.refuse_foreign_keys(provider)?;
        let has_url =
            self.keys.url.is_some() || self.variable(provider, url_variable(provider)).is_some();
        let url = self.url(provider)?;
        let former_names = self.former_names()?;
        let ca_file = self.keys.ca_file.take().map(Spanned::into_inner);
        let keys = &self.keys;
        let patience = keys.patience_seconds.unwrap_or(Duration::from_secs(3));
        let connect = keys.connect_seconds.unwrap_or(Duration::from_secs(2));
        let attempt = keys.attempt_seconds.unwrap_or(Duration::from_secs(10));
        let (in_flight, freshness) = (keys.in_flight.unwrap_or(16), keys.cache);
        let passthrough = self.passthrough(provider)?;
        let storage_hosts = self.storage_hosts()?;
        let kind = match provider {
            Provider::Scenario => SourceKind::Scenario(self.scenario(passthrough)?),
            Provider::Piktid => SourceKind::Piktid(self.piktid(passthrough)?),
            Provider::Comfy => SourceKind::Comfy(self.comfy(has_url || passthrough)?),
        };
        Ok(SourceConfig {
            name: self.name,
            former_names,
            url,
            ca_file,
            patience,
            connect,
            attempt,
            in_flight,
            freshness,
            storage_hosts,
            passthrough,
            kind,
        })
    }

    fn storage_hosts(&mut self) -> Result<Option<Vec<String>>, ConfigError> {
        let Some(key) = self.keys.storage_hosts.take() else {
            return Ok(None);
        };
        let offset = key.span().start;
        let read = |text: &String| {
            let bare = text.strip_prefix("*.").unwrap_or(text);
            match Host::parse(bare) {
                Ok(host) if !bare.contains('*') => Ok(text.replace(bare, &host.to_string())),
                Ok(_) | Err(_) => Err(self.location.refuse(
                    offset,
                    format!(
                        "`storage_hosts`: `{text}` must be a host without scheme or port, such as \
                         storage.example.com or *.storage.example.com"
                    ),
                )),
            }
        };
        key.get_ref()
            .iter()
            .map(read)
            .collect::<Result<_, _>>()
            .map(Some)
    }

    /// Reads `passthrough`: callers bring their credential, so the source must have none.
    fn passthrough(&mut self, provider: Provider) -> Result<bool, ConfigError> {
        let key = self.keys.passthrough.take();
        let Some(key) = key.filter(|key| *key.get_ref()) else {
            return Ok(false);
        };
        let keys = &self.keys;
        let credential_keys = [
            keys.api_key.is_some() || keys.api_key_file.is_some() || keys.api_key_env.is_some(),
            keys.api_secret.is_some()
                || keys.api_secret_file.is_some()
                || keys.api_secret_env.is_some(),
            keys.jwt.is_some() || keys.jwt_file.is_some() || keys.jwt_env.is_some(),
            keys.token.is_some() || keys.token_file.is_some() || keys.token_env.is_some(),
            keys.public.is_some(),
        ];
        let variable = credentials_of(provider)
            .iter()
            .find(|name| self.variable(provider, name).is_some());
        if credential_keys.contains(&true) || variable.is_some() {
            return Err(self.location.refuse(
                key.span().start,
                format!(
                    "source `{}` is `passthrough`, so callers bring their credentials: {}",
                    self.name,
                    match variable {
                        Some(name) => format!("unset {name}, or remove `passthrough`"),
                        None => "remove its own, or remove `passthrough`".to_owned(),
                    }
                ),
            ));
        }
        Ok(true)
    }

    fn provider(&self) -> Result<Provider, ConfigError> {
        let (word, offset) = match &self.keys.provider {
            Some(key) => (key.get_ref().as_str(), key.span().start),
            None => (self.name.as_str(), self.offset),
        };
        Provider::ALL
            .into_iter()
            .find(|p| p.word() == word)
            .ok_or_else(|| {
                self.location.refuse(
                    offset,
                    format!(
                        "source `{}` needs `provider = \"scenario\"`, `\"piktid\"` or `\"comfy\"`",
                        self.name
                    ),
                )
            })
    }

    fn refuse_foreign_keys(&self, provider: Provider) -> Result<(), ConfigError> {
        let table = &self.keys;
        let span = |present: Option<std::ops::Range<usize>>| present.map(|span| span.start);
        let present = [
            ("api_key", span(table.api_key.as_ref().map(Spanned::span))),
            (
                "api_key_file",
                span(table.api_key_file.as_ref().map(Spanned::span)),
            ),
            (
                "api_key_env",
                span(table.api_key_env.as_ref().map(Spanned::span)),
            ),
            (
                "api_secret",
                span(table.api_secret.as_ref().map(Spanned::span)),
            ),
            (
                "api_secret_file",
                span(table.api_secret_file.as_ref().map(Spanned::span)),
            ),
            (
                "api_secret_env",
                span(table.api_secret_env.as_ref().map(Spanned::span)),
            ),
            ("jwt", span(table.jwt.as_ref().map(Spanned::span))),
            ("jwt_file", span(table.jwt_file.as_ref().map(Spanned::span))),
            ("jwt_env", span(table.jwt_env.as_ref().map(Spanned::span))),
            ("public", span(table.public.as_ref().map(Spanned::span))),
            (
                "project_id",
                span(table.project_id.as_ref().map(Spanned::span)),
            ),
            (
                "public_endpoint",
                span(table.public_endpoint.as_ref().map(Spanned::span)),
            ),
            ("token", span(table.token.as_ref().map(Spanned::span))),
            (
                "token_file",
                span(table.token_file.as_ref().map(Spanned::span)),
            ),
            (
                "token_env",
                span(table.token_env.as_ref().map(Spanned::span)),
            ),
            ("user", span(table.user.as_ref().map(Spanned::span))),
            (
                "listed_tags",
                span(table.listed_tags.as_ref().map(Spanned::span)),
            ),
        ];
        let keys = keys_of(provider);
        for (key, offset) in present {
            if let (Some(offset), false) = (offset, keys.contains(&key)) {
                return Err(self.location.refuse(
                    offset,
                    format!(
                        "`{key}` is not a key of provider `{}`; its keys are: {}",
                        provider.word(),
                        keys.join(", ")
                    ),
                ));
            }
        }
        Ok(())
    }

    /// Reads an environment variable, if this source is named like its provider.
    fn variable(&self, provider: Provider, name: &str) -> Option<String> {
        (self.name.as_str() == provider.word())
            .then(|| self.environment.get(name))
            .flatten()
    }

    fn url(&mut self, provider: Provider) -> Result<Url, ConfigError> {
        const RIGHT: &str = "must be an http or https address without credentials, query or \
                             fragment";
        let variable = url_variable(provider);
        if let Some(text) = self.variable(provider, variable) {
            return web_url(&text).ok_or_else(|| ConfigError(format!("{variable} {RIGHT}")));
        }
        match self.keys.url.take() {
            Some(key) => web_url(key.get_ref()).ok_or_else(|| {
                self.location
                    .refuse(key.span().start, format!("`url` {RIGHT}"))
            }),
            None => web_url(default_url(provider))
                .ok_or_else(|| ConfigError(default_url(provider).to_owned())),
        }
    }

    fn former_names(&mut self) -> Result<Vec<SourceName>, ConfigError> {
        let Some(key) = self.keys.former_names.take() else {
            return Ok(Vec::new());
        };
        let offset = key.span().start;
        key.into_inner()
            .iter()
            .map(|name| {
                SourceName::parse(name).map_err(|rule| {
                    self.location
                        .refuse(offset, format!("`former_names`: `{name}`: {rule}"))
                })
            })
            .collect()
    }
}
