//! Checks who can reach the gateway's credentials.

use super::Config;
use crate::settings::{AccessMode, is_this_machine};

impl Config {
    /// Returns how the gateway's credentials are exposed to a network without authentication, if
    /// they are. A passthrough source exposes none: its callers bring their own
    /// (`docs/security.md`).
    pub(super) fn exposure(&self) -> Option<String> {
        let is_open = matches!(self.access.mode, AccessMode::Open);
        let exposed: Vec<&str> = self
            .sources
            .iter()
            .filter(|source| !source.common.passthrough)
            .map(|source| source.common.name.as_str())
            .collect();
        if self.listen.ip().to_canonical().is_loopback() || !is_open || exposed.is_empty() {
            return None;
        }
        Some(format!(
            "refusing to listen on {}: anyone who can reach it could use the gateway's own \
             credentials of {}. Say who may call (`mode = \"keys\"` or `\"jwt\"` in [access]), let \
             callers bring their credentials (`passthrough = true` in [sources.…]), or listen on \
             127.0.0.1 (--listen 127.0.0.1:{}) behind a reverse proxy that authenticates callers",
            self.listen,
            exposed.join(", "),
            self.listen.port()
        ))
    }

    /// Returns remarks about who can reach this gateway, for the log at start.
    #[must_use]
    pub fn exposure_remarks(&self) -> Vec<String> {
        let is_open = matches!(self.access.mode, AccessMode::Open);
        let public = self.public_url.as_ref();
        let is_public = public.is_some_and(|url| !is_this_machine(url));
        let is_exposed = is_public || !self.listen.ip().to_canonical().is_loopback();
        let mut remarks = Vec::new();
        if is_open && is_exposed && self.sources.iter().any(|source| !source.common.passthrough) {
            remarks.push(
                "`public_url` is not this machine, and the gateway authenticates no one: a proxy \
                 in front must authenticate callers, or set `mode` in [access]"
                    .to_owned(),
            );
        }
        if is_open && is_exposed {
            let passthrough = self
                .sources
                .iter()
                .filter(|source| source.common.passthrough);
            remarks.extend(passthrough.filter_map(|source| {
                let why = source.settings.passthrough_remark(&source.common.url)?;
                Some(format!(
                    "source `{}` is `passthrough`, but {why}",
                    source.common.name
                ))
            }));
        }
        if is_exposed && self.access.rate_limit.is_none() {
            remarks.push(
                "this gateway is reachable from other machines and has no rate limit: set \
                 [access.rate_limit], and `trusted_proxies` where proxies stand in front"
                    .to_owned(),
            );
        }
        remarks
    }
}
