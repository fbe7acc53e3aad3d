//! Every key of the configuration and its variables, read from the structs. A test holds
//! `docs/configuration.md` against it.

use super::{
    load::{LogKeys, TopKeys},
    sources::{CommonKeys, source_keys, source_prefix},
};
use crate::{
    providers::PROVIDERS,
    settings::{
        AccessSection, CacheSizes, DocumentsSection, FreshnessOverrides, JwtSection, Key,
        KeySection, KeyType, Limits, PREFIX, RateLimitSection, keys, variable,
    },
};

/// One key of the configuration file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// The table, such as `[limits]`; empty at the top of the file.
    pub table: String,
    pub key: &'static str,
    /// Whether `…_file` and `…_env` exist beside it.
    pub is_secret: bool,
    /// The variable that sets it. `None`: only the file does.
    pub variable: Option<String>,
}

/// Returns every key, with `<name>` for a source's name.
#[must_use]
pub fn settings() -> Vec<Setting> {
    let sections: [(&str, Vec<Key>); 9] = [
        ("", keys::<TopKeys>()),
        ("[log]", keys::<LogKeys>()),
        ("[limits]", keys::<Limits>()),
        (
            "[cache]",
            [keys::<CacheSizes>(), keys::<FreshnessOverrides>()].concat(),
        ),
        ("[documents]", keys::<DocumentsSection>()),
        ("[access]", keys::<AccessSection>()),
        ("[access.jwt]", keys::<JwtSection>()),
        ("[access.rate_limit]", keys::<RateLimitSection>()),
        ("[[access.keys]]", keys::<KeySection>()),
    ];
    let mut settings = Vec::new();
    for (table, keys) in sections {
        let is_list = table.starts_with("[[");
        let inside = table.trim_matches(['[', ']']).replace('.', "_");
        let prefix = match inside.as_str() {
            "" => PREFIX.to_owned(),
            inside => format!("{}_", variable(PREFIX, inside)),
        };
        add(&mut settings, table, keys, (!is_list).then_some(&prefix));
    }
    let prefix = source_prefix("<name>");
    let common = keys::<CommonKeys>();
    add(
        &mut settings,
        "[sources.<name>]",
        common.clone(),
        Some(&prefix),
    );
    let cache = format!("{}_", variable(&prefix, "cache"));
    let lifetimes = keys::<FreshnessOverrides>();
    add(
        &mut settings,
        "[sources.<name>.cache]",
        lifetimes,
        Some(&cache),
    );
    for kind in PROVIDERS {
        let table = format!("[sources.<name>] of {}", kind.provider.word());
        let mut own = source_keys(kind);
        own.retain(|key| !common.contains(key));
        add(&mut settings, &table, own, Some(&prefix));
    }
    settings
}

fn add(settings: &mut Vec<Setting>, table: &str, keys: Vec<Key>, prefix: Option<&String>) {
    settings.extend(keys.into_iter().map(|key| Setting {
        table: table.to_owned(),
        key: key.name,
        is_secret: key.kind == KeyType::Secret,
        variable: prefix.map(|prefix| variable(prefix, key.name)),
    }));
}
