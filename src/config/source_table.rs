//! `[sources.<name>]`: one table of the file on its way to a [`SourceConfig`].

use std::{path::PathBuf, time::Duration};

use serde::Deserialize;
use toml::Spanned;
use url::{Host, Url};

use super::{
    ConfigError, Environment, OwnFreshness, PublicEndpoint, Secret,
    file::{FileLocation, FreshnessFile, positive, seconds},
    sources::{
        ComfySource, PiktidCredential, PiktidSource, ScenarioCredential, ScenarioSource,
        SourceConfig, SourceKind, web_url,
    },
};
use crate::asset::{Provider, SourceName};

/// `[sources.<name>]` as written. One flat table for all providers, so that a key of the wrong
/// provider is refused with its own line.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SourceFile {
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
    patience_seconds: Option<Spanned<f64>>,
    connect_seconds: Option<Spanned<f64>>,
    attempt_seconds: Option<Spanned<f64>>,
    in_flight: Option<Spanned<usize>>,
    passthrough: Option<Spanned<bool>>,
    storage_hosts: Option<Spanned<Vec<String>>>,
    cache: Option<FreshnessFile>,
}

/// The keys each provider reads; `common` ones are every provider's.
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

/// The variables that hold a credential of the source named like its provider.
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

/// One table on its way to a [`SourceConfig`].
pub struct Table<'a> {
    pub name: SourceName,
    pub offset: usize,
    pub keys: SourceFile,
    pub place: &'a FileLocation<'a>,
    pub environment: &'a dyn Environment,
}

impl Table<'_> {
    /// The source it describes, with what the environment adds.
    pub fn resolve(mut self) -> Result<SourceConfig, ConfigError> {
        let provider = self.provider()?;
        self.refuse_foreign_keys(provider)?;
        let elsewhere =
            self.keys.url.is_some() || self.variable(provider, url_variable(provider)).is_some();
        let url = self.url(provider)?;
        let former_names = self.former_names()?;
        let ca_file = self.keys.ca_file.take().map(Spanned::into_inner);
        let patience = seconds(
            "patience_seconds",
            self.keys.patience_seconds.take(),
            Duration::from_secs(3),
            self.place,
        )?;
        let connect = seconds(
            "connect_seconds",
            self.keys.connect_seconds.take(),
            Duration::from_secs(2),
            self.place,
        )?;
        let attempt = seconds(
            "attempt_seconds",
            self.keys.attempt_seconds.take(),
            Duration::from_secs(10),
            self.place,
        )?;
        let in_flight = positive("in_flight", self.keys.in_flight.take(), 16, self.place)?;
        let passthrough = self.passthrough(provider)?;
        let storage_hosts = self.storage_hosts()?;
        let freshness = match self.keys.cache.take() {
            Some(own) => own.resolve(self.place)?,
            None => OwnFreshness::default(),
        };
        let kind = match provider {
            Provider::Scenario => SourceKind::Scenario(self.scenario(passthrough)?),
            Provider::Piktid => SourceKind::Piktid(self.piktid(passthrough)?),
            Provider::Comfy => SourceKind::Comfy(self.comfy(elsewhere || passthrough)?),
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
                Ok(_) | Err(_) => Err(self.place.refuse(
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

    /// Whether callers bring their own credential; then there is none here.
    fn passthrough(&mut self, provider: Provider) -> Result<bool, ConfigError> {
        let key = self.keys.passthrough.take();
        let Some(key) = key.filter(|key| *key.get_ref()) else {
            return Ok(false);
        };
        let t = &self.keys;
        let written = [
            t.api_key.is_some() || t.api_key_file.is_some() || t.api_key_env.is_some(),
            t.api_secret.is_some() || t.api_secret_file.is_some() || t.api_secret_env.is_some(),
            t.jwt.is_some() || t.jwt_file.is_some() || t.jwt_env.is_some(),
            t.token.is_some() || t.token_file.is_some() || t.token_env.is_some(),
            t.public.is_some(),
        ];
        let variable = credentials_of(provider)
            .iter()
            .find(|name| self.variable(provider, name).is_some());
        if written.contains(&true) || variable.is_some() {
            return Err(self.place.refuse(
                key.span().start,
                format!(
                    "source `{}` is `passthrough`, so callers bring their credentials: {}",
                    self.name,
                    match variable {
                        Some(name) => format!("unset {name}, or leave `passthrough` out"),
                        None => "take its own out, or `passthrough`".to_owned(),
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
                self.place.refuse(
                    offset,
                    format!(
                        "source `{}` needs `provider = \"scenario\"`, `\"piktid\"` or `\"comfy\"`",
                        self.name
                    ),
                )
            })
    }

    fn refuse_foreign_keys(&self, provider: Provider) -> Result<(), ConfigError> {
        let t = &self.keys;
        let span = |present: Option<std::ops::Range<usize>>| present.map(|span| span.start);
        let present = [
            ("api_key", span(t.api_key.as_ref().map(Spanned::span))),
            (
                "api_key_file",
                span(t.api_key_file.as_ref().map(Spanned::span)),
            ),
            (
                "api_key_env",
                span(t.api_key_env.as_ref().map(Spanned::span)),
            ),
            ("api_secret", span(t.api_secret.as_ref().map(Spanned::span))),
            (
                "api_secret_file",
                span(t.api_secret_file.as_ref().map(Spanned::span)),
            ),
            (
                "api_secret_env",
                span(t.api_secret_env.as_ref().map(Spanned::span)),
            ),
            ("jwt", span(t.jwt.as_ref().map(Spanned::span))),
            ("jwt_file", span(t.jwt_file.as_ref().map(Spanned::span))),
            ("jwt_env", span(t.jwt_env.as_ref().map(Spanned::span))),
            ("public", span(t.public.as_ref().map(Spanned::span))),
            ("project_id", span(t.project_id.as_ref().map(Spanned::span))),
            (
                "public_endpoint",
                span(t.public_endpoint.as_ref().map(Spanned::span)),
            ),
            ("token", span(t.token.as_ref().map(Spanned::span))),
            ("token_file", span(t.token_file.as_ref().map(Spanned::span))),
            ("token_env", span(t.token_env.as_ref().map(Spanned::span))),
            ("user", span(t.user.as_ref().map(Spanned::span))),
            (
                "listed_tags",
                span(t.listed_tags.as_ref().map(Spanned::span)),
            ),
        ];
        let keys = keys_of(provider);
        for (key, offset) in present {
            if let (Some(offset), false) = (offset, keys.contains(&key)) {
                return Err(self.place.refuse(
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

    /// The variable of this source, if it is the one named like its provider.
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
                self.place
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
                    self.place
                        .refuse(offset, format!("`former_names`: `{name}`: {rule}"))
                })
            })
            .collect()
    }

    /// A secret by variable, value, file or named variable, in that order.
    fn secret(
        &self,
        provider: Provider,
        variable: &str,
        key: &str,
        value: Option<Spanned<Secret>>,
        file: Option<Spanned<PathBuf>>,
        named: Option<Spanned<String>>,
    ) -> Result<Option<Secret>, ConfigError> {
        if let Some(text) = self.variable(provider, variable) {
            return self.usable(Secret::new(text), variable, None).map(Some);
        }
        if let Some(value) = value {
            let offset = value.span().start;
            return self.usable(value.into_inner(), key, Some(offset)).map(Some);
        }
        if let Some(file) = file {
            let offset = file.span().start;
            let text = std::fs::read_to_string(file.get_ref()).map_err(|error| {
                self.place.refuse(
                    offset,
                    format!(
                        "`{key}_file`: {} cannot be read: {error}",
                        file.get_ref().display()
                    ),
                )
            })?;
            let secret = Secret::new(text.trim_end_matches(['\r', '\n']).to_owned());
            return self.usable(secret, key, Some(offset)).map(Some);
        }
        if let Some(named) = named {
            let offset = named.span().start;
            let text = self.environment.get(named.get_ref()).ok_or_else(|| {
                self.place.refuse(
                    offset,
                    format!(
                        "`{key}_env` names the variable {}, which is not set",
                        named.get_ref()
                    ),
                )
            })?;
            return self.usable(Secret::new(text), key, Some(offset)).map(Some);
        }
        Ok(None)
    }

    /// A credential travels in a header: visible ASCII, not empty.
    fn usable(
        &self,
        secret: Secret,
        key: &str,
        offset: Option<usize>,
    ) -> Result<Secret, ConfigError> {
        let text = secret.expose();
        if !text.is_empty() && text.bytes().all(|b| (0x21..=0x7e).contains(&b)) {
            return Ok(secret);
        }
        let what = format!(
            "`{key}` of source `{}` is empty or holds blanks, line breaks or non-ASCII characters: \
             paste the credential alone",
            self.name
        );
        Err(match offset {
            Some(offset) => self.place.refuse(offset, what),
            None => ConfigError(what),
        })
    }

    /// Says at the table's own line (or, without a file, plainly) what is missing.
    fn missing(&self, what: String) -> ConfigError {
        if self.place.text.is_empty() {
            ConfigError(what)
        } else {
            self.place.refuse(self.offset, what)
        }
    }

    fn scenario(&mut self, passthrough: bool) -> Result<ScenarioSource, ConfigError> {
        let provider = Provider::Scenario;
        let t = std::mem::take(&mut self.keys);
        let key = self.secret(
            provider,
            "SCENARIO_API_KEY",
            "api_key",
            t.api_key,
            t.api_key_file,
            t.api_key_env,
        )?;
        let secret = self.secret(
            provider,
            "SCENARIO_API_SECRET",
            "api_secret",
            t.api_secret,
            t.api_secret_file,
            t.api_secret_env,
        )?;
        let jwt = self.secret(
            provider,
            "SCENARIO_JWT",
            "jwt",
            t.jwt,
            t.jwt_file,
            t.jwt_env,
        )?;
        let public = t.public.is_some_and(Spanned::into_inner);
        let name = &self.name;
        let credential = match (key, secret, jwt, public) {
            (Some(key), Some(secret), None, false) => {
                if key.expose().contains(':') {
                    return Err(self.missing(format!(
                        "`api_key` of source `{name}` contains a colon, which no Scenario key does: \
                         give key and secret separately"
                    )));
                }
                ScenarioCredential::Key { key, secret }
            }
            (None, None, Some(jwt), false) => ScenarioCredential::Jwt(jwt),
            (None, None, None, true) => ScenarioCredential::Public,
            // None, until a caller brings one.
            (None, None, None, false) if passthrough => {
                ScenarioCredential::Verbatim(Secret::new(String::new()))
            }
            (Some(_), None, None, false) => {
                return Err(self.missing(format!(
                    "source `{name}` has `api_key` but no `api_secret`: Scenario needs both \
                     (`api_secret`, `api_secret_file` or `api_secret_env`, or SCENARIO_API_SECRET \
                     in the environment)"
                )));
            }
            (None, Some(_), None, false) => {
                return Err(self.missing(format!(
                    "source `{name}` has `api_secret` but no `api_key`: Scenario needs both \
                     (`api_key`, `api_key_file` or `api_key_env`, or SCENARIO_API_KEY in the \
                     environment)"
                )));
            }
            (None, None, None, false) => {
                return Err(self.missing(format!(
                    "source `{name}` has no credential: set `api_key` and `api_secret` (or \
                     SCENARIO_API_KEY and SCENARIO_API_SECRET), or `jwt`, or `public = true` for \
                     public assets only, or `passthrough = true` where callers bring theirs"
                )));
            }
            _ => {
                return Err(self.missing(format!(
                    "source `{name}` has more than one credential: keep `api_key` with \
                     `api_secret`, or `jwt`, or `public = true`"
                )));
            }
        };
        Ok(ScenarioSource {
            credential,
            project_id: self
                .variable(provider, "SCENARIO_PROJECT_ID")
                .or(t.project_id.map(Spanned::into_inner)),
            public_endpoint: t
                .public_endpoint
                .map_or(PublicEndpoint::Assets, Spanned::into_inner),
        })
    }

    fn piktid(&mut self, passthrough: bool) -> Result<PiktidSource, ConfigError> {
        let t = std::mem::take(&mut self.keys);
        let token = self.secret(
            Provider::Piktid,
            "PIKTID_TOKEN",
            "token",
            t.token,
            t.token_file,
            t.token_env,
        )?;
        let credential = match token {
            Some(token) => PiktidCredential::Token(token),
            // None, until a caller brings one.
            None if passthrough => PiktidCredential::Verbatim(Secret::new(String::new())),
            None => {
                return Err(self.missing(format!(
                    "source `{}` has no credential: set `token` (`token_file`, `token_env`, or \
                     PIKTID_TOKEN in the environment), or `passthrough = true` where callers bring \
                     theirs",
                    self.name
                )));
            }
        };
        Ok(PiktidSource { credential })
    }

    /// `elsewhere`: an address was given, so this need not be Comfy Cloud; or callers bring keys.
    fn comfy(&mut self, elsewhere: bool) -> Result<ComfySource, ConfigError> {
        let t = std::mem::take(&mut self.keys);
        let api_key = self.secret(
            Provider::Comfy,
            "COMFY_API_KEY",
            "api_key",
            t.api_key,
            t.api_key_file,
            t.api_key_env,
        )?;
        if !elsewhere && api_key.is_none() {
            return Err(self.missing(format!(
                "source `{}` is Comfy Cloud and has no credential: set `api_key` (`api_key_file`, \
                 `api_key_env`, or COMFY_API_KEY in the environment), or `url` for a ComfyUI of \
                 your own",
                self.name
            )));
        }
        if let Some(user) = &t.user {
            let fits = !user.get_ref().is_empty()
                && user.get_ref().bytes().all(|b| (0x20..=0x7e).contains(&b));
            if !fits {
                return Err(self.place.refuse(
                    user.span().start,
                    "`user` travels in a header: visible ASCII, not empty",
                ));
            }
        }
        if let Some(tags) = &t.listed_tags {
            let fits = |tag: &String| !tag.trim().is_empty() && !tag.contains(',');
            if tags.get_ref().is_empty() || !tags.get_ref().iter().all(fits) {
                return Err(self.place.refuse(
                    tags.span().start,
                    "`listed_tags` must name at least one tag, none empty or with a comma",
                ));
            }
        }
        Ok(ComfySource {
            api_key,
            user: t.user.map(Spanned::into_inner),
            listed_tags: t.listed_tags.map_or_else(
                || ["input", "output", "models"].map(str::to_owned).to_vec(),
                Spanned::into_inner,
            ),
        })
    }
}
