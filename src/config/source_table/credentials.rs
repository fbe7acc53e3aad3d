//! Reads the provider-specific keys of a source: credentials and a few others.

use std::path::PathBuf;

use toml::Spanned;

use super::SourceTable;
use crate::{
    asset::Provider,
    config::{
        ComfySource, ConfigError, PiktidCredential, PiktidSource, PublicEndpoint,
        ScenarioCredential, ScenarioSource, Secret,
    },
};

/// A secret's three keys: its value, a file with it, and the name of a variable with it.
struct SecretKeys(
    Option<Spanned<Secret>>,
    Option<Spanned<PathBuf>>,
    Option<Spanned<String>>,
);

impl SourceTable<'_> {
    /// Reads a secret from variable, value, file or named variable, in that order.
    fn secret(
        &self,
        provider: Provider,
        variable: &str,
        key: &str,
        SecretKeys(value, file, env_name): SecretKeys,
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
                self.location.refuse(
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
        if let Some(env_name) = env_name {
            let offset = env_name.span().start;
            let text = self.environment.get(env_name.get_ref()).ok_or_else(|| {
                self.location.refuse(
                    offset,
                    format!(
                        "`{key}_env` names the variable {}, which is not set",
                        env_name.get_ref()
                    ),
                )
            })?;
            return self.usable(Secret::new(text), key, Some(offset)).map(Some);
        }
        Ok(None)
    }

    /// Checks that a credential fits in a header: visible ASCII, not empty.
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
        let message = format!(
            "`{key}` of source `{}` is empty or holds blanks, line breaks or non-ASCII characters: \
             paste the credential alone",
            self.name
        );
        Err(match offset {
            Some(offset) => self.location.refuse(offset, message),
            None => ConfigError(message),
        })
    }

    /// Builds an error about a missing key, with the table's line if there is a file.
    fn missing(&self, message: String) -> ConfigError {
        if self.location.text.is_empty() {
            ConfigError(message)
        } else {
            self.location.refuse(self.offset, message)
        }
    }

    pub(super) fn scenario(&mut self, passthrough: bool) -> Result<ScenarioSource, ConfigError> {
        let provider = Provider::Scenario;
        let keys = std::mem::take(&mut self.keys);
        let key = self.secret(
            provider,
            "SCENARIO_API_KEY",
            "api_key",
            SecretKeys(keys.api_key, keys.api_key_file, keys.api_key_env),
        )?;
        let secret = self.secret(
            provider,
            "SCENARIO_API_SECRET",
            "api_secret",
            SecretKeys(keys.api_secret, keys.api_secret_file, keys.api_secret_env),
        )?;
        let jwt = self.secret(
            provider,
            "SCENARIO_JWT",
            "jwt",
            SecretKeys(keys.jwt, keys.jwt_file, keys.jwt_env),
        )?;
        let public = keys.public.is_some_and(Spanned::into_inner);
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
            // No credential until a caller brings one.
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
                .or(keys.project_id.map(Spanned::into_inner)),
            public_endpoint: keys
                .public_endpoint
                .map_or(PublicEndpoint::Assets, Spanned::into_inner),
        })
    }

    pub(super) fn piktid(&mut self, passthrough: bool) -> Result<PiktidSource, ConfigError> {
        let keys = std::mem::take(&mut self.keys);
        let token = self.secret(
            Provider::Piktid,
            "PIKTID_TOKEN",
            "token",
            SecretKeys(keys.token, keys.token_file, keys.token_env),
        )?;
        let credential = match token {
            Some(token) => PiktidCredential::Token(token),
            // No credential until a caller brings one.
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

    /// `key_is_optional`: a URL is set, so it may be self-hosted, or callers bring keys.
    pub(super) fn comfy(&mut self, key_is_optional: bool) -> Result<ComfySource, ConfigError> {
        let keys = std::mem::take(&mut self.keys);
        let api_key = self.secret(
            Provider::Comfy,
            "COMFY_API_KEY",
            "api_key",
            SecretKeys(keys.api_key, keys.api_key_file, keys.api_key_env),
        )?;
        if !key_is_optional && api_key.is_none() {
            return Err(self.missing(format!(
                "source `{}` is Comfy Cloud and has no credential: set `api_key` (`api_key_file`, \
                 `api_key_env`, or COMFY_API_KEY in the environment), or `url` for a ComfyUI of \
                 your own",
                self.name
            )));
        }
        if let Some(user) = &keys.user {
            let fits = !user.get_ref().is_empty()
                && user.get_ref().bytes().all(|b| (0x20..=0x7e).contains(&b));
            if !fits {
                return Err(self.location.refuse(
                    user.span().start,
                    "`user` is sent in a header: printable ASCII, not empty",
                ));
            }
        }
        if let Some(tags) = &keys.listed_tags {
            let fits = |tag: &String| !tag.trim().is_empty() && !tag.contains(',');
            if tags.get_ref().is_empty() || !tags.get_ref().iter().all(fits) {
                return Err(self.location.refuse(
                    tags.span().start,
                    "`listed_tags` must name at least one tag, none empty or with a comma",
                ));
            }
        }
        Ok(ComfySource {
            api_key,
            user: keys.user.map(Spanned::into_inner),
            listed_tags: keys.listed_tags.map_or_else(
                || ["input", "output", "models"].map(str::to_owned).to_vec(),
                Spanned::into_inner,
            ),
        })
    }
}
