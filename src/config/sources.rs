//! Reads the sources from the file and the environment, and checks them together.

use std::time::Duration;

use serde::{Deserialize, Deserializer, de::Error};
use toml::{Spanned, de::DeValue};
use url::{Host, Url};

use crate::{
    asset::SourceName,
    providers::{CommonConfig, PROVIDERS, ProviderKind, SourceConfig, SourceContext},
    settings::{
        FilePath, FreshnessOverrides, Key, KeyType, Origin, PREFIX, Reader, Table, keys, positive,
        seconds, variable, web_url,
    },
    upstream::check_certificates,
};

/// Maximum number of sources. Each may add a hint to every cursor.
const MAX_SOURCES: usize = 16;

/// The keys of `[sources.<name>]` that every provider has.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CommonKeys {
    provider: Option<String>,
    #[serde(deserialize_with = "url")]
    url: Option<Url>,
    #[serde(deserialize_with = "names")]
    former_names: Vec<SourceName>,
    ca_file: Option<FilePath>,
    #[serde(rename = "patience_seconds", deserialize_with = "seconds")]
    patience: Duration,
    #[serde(rename = "connect_seconds", deserialize_with = "seconds")]
    connect: Duration,
    #[serde(rename = "attempt_seconds", deserialize_with = "seconds")]
    attempt: Duration,
    #[serde(deserialize_with = "positive")]
    in_flight: usize,
    passthrough: bool,
    #[serde(deserialize_with = "storage_hosts")]
    storage_hosts: Option<Vec<String>>,
}

impl Default for CommonKeys {
    fn default() -> Self {
        Self {
            provider: None,
            url: None,
            former_names: Vec::new(),
            ca_file: None,
            patience: Duration::from_secs(3),
            connect: Duration::from_secs(2),
            attempt: Duration::from_secs(10),
            in_flight: 16,
            passthrough: false,
            storage_hosts: None,
        }
    }
}

/// Returns all keys of a provider's sources.
pub fn source_keys(kind: &ProviderKind) -> Vec<Key> {
    [keys::<CommonKeys>(), (kind.keys)()].concat()
}

/// Returns the beginning of the names of a source's variables.
pub fn source_prefix(name: &str) -> String {
    format!("{PREFIX}SOURCES_{}_", name.replace('-', "_").to_uppercase())
}

/// Reads the sources, and checks them together.
pub fn read_sources(reader: &mut Reader<'_>, table: &Table<'_>) -> Vec<SourceConfig> {
    let mut sources: Vec<(SourceConfig, Origin)> = Vec::new();
    let mut names = Vec::new();
    if let Some(value) = table.table {
        let Some(tables) = value.get_ref().as_table() else {
            let origin = Origin::File(value.span().start);
            reader.refuse(&origin, "`sources` must hold tables: [sources.<name>]");
            return Vec::new();
        };
        for (name, value) in tables {
            names.push(name.get_ref().to_string());
            let origin = Origin::File(name.span().start);
            let source = read_source(reader, name.get_ref(), Some(value), &origin);
            sources.extend(source.map(|source| (source, origin)));
        }
    }
    for name in names_in_variables(reader, &names, &sources) {
        let source = read_source(reader, &name, None, &Origin::Nowhere);
        sources.extend(source.map(|source| (source, Origin::Nowhere)));
    }
    check_all_sources(reader, &sources);
    sources.into_iter().map(|(source, _)| source).collect()
}

/// Returns the sources that variables alone configure: those with a `…_PROVIDER`, and those named
/// like their provider.
fn names_in_variables(
    reader: &mut Reader<'_>,
    in_file: &[String],
    sources: &[(SourceConfig, Origin)],
) -> Vec<String> {
    let environment = reader.environment();
    let is_in_file = |name: &String| {
        let prefix = source_prefix(name);
        in_file.iter().any(|name| source_prefix(name) == prefix)
    };
    let section = format!("{PREFIX}SOURCES_");
    let mut names: Vec<String> = environment
        .names_with(&section)
        .filter_map(|name| name.strip_prefix(&section)?.strip_suffix("_PROVIDER"))
        .map(|name| name.to_lowercase().replace('_', "-"))
        .filter(|name| !is_in_file(name))
        .collect();
    for kind in PROVIDERS {
        let word = kind.provider.word().to_owned();
        if is_in_file(&word) || names.contains(&word) {
            continue;
        }
        let prefix = source_prefix(&word);
        let set = |name: &str| {
            let mut spellings = ["", "_FILE", "_ENV"]
                .map(|form| format!("{name}{form}"))
                .into_iter();
            spellings.find(|name| environment.get(name).is_some())
        };
        let has_long = source_keys(kind)
            .iter()
            .any(|key| set(&variable(&prefix, key.name)).is_some());
        let short = kind.variables.iter().find_map(|(name, _)| set(name));
        let is_configured = sources
            .iter()
            .any(|(source, _)| source.common.provider == kind.provider);
        match short {
            Some(first) if !has_long && is_configured => reader.remarks.push(format!(
                "{first} is set but not used: the file's {word} sources have other names. Name one \
                 of them `{word}`, or point it at a variable with `…_env`"
            )),
            None if !has_long => {}
            _ => names.push(word),
        }
    }
    names
}

fn read_source(
    reader: &mut Reader<'_>,
    name: &str,
    value: Option<&Spanned<DeValue<'_>>>,
    origin: &Origin,
) -> Option<SourceConfig> {
    let parsed = SourceName::parse(name);
    if let Err(rule) = &parsed {
        reader.refuse(origin, format!("`{name}`: {rule}"));
    }
    let mut table = Table {
        title: format!("[sources.{name}]"),
        table: value,
        inner: &["cache"],
        prefix: Some(source_prefix(name)),
        short_variables: &[],
    };
    let kind = provider(reader, &table, name, origin)?;
    let word = kind.provider.word();
    if name == word {
        table.short_variables = kind.variables;
    } else {
        table.title += &format!(" (provider `{word}`)");
    }
    let mut values = reader.values(&table, &source_keys(kind));
    if values.origin != Origin::Nowhere {
        values.origin = origin.clone();
    }
    let common: CommonKeys = reader.take(&mut values);
    let mut secrets = (kind.keys)()
        .into_iter()
        .filter(|key| key.kind == KeyType::Secret && *values.origin_of(key.name) != values.origin);
    if let Some(secret) = secrets.next().filter(|_| common.passthrough) {
        let message = format!(
            "source `{name}` is `passthrough`, so callers bring their credentials: {}, or remove \
             `passthrough`",
            match values.origin_of(secret.name) {
                Origin::Variable(name) => format!("unset {name}"),
                Origin::File(_) | Origin::Nowhere => format!("remove `{}`", secret.name),
            }
        );
        reader.refuse(&values.origin_of("passthrough").clone(), message);
        values.is_sound = false;
    }
    let cache = Table {
        title: format!("[sources.{name}.cache]"),
        ..table.inside("cache")
    };
    let (freshness, _) = reader.read::<FreshnessOverrides>(&cache);
    let name = parsed.ok()?;
    let context = SourceContext {
        name: &name,
        passthrough: common.passthrough,
        has_url: common.url.is_some(),
        prefix: &source_prefix(name.as_str()),
    };
    if let Some(path) = &common.ca_file
        && let Err(rule) = check_certificates(path)
    {
        reader.break_rule(&values.origin_of("ca_file").clone(), "ca_file", &rule);
    }
    let settings = (kind.read)(reader, &mut values, &context)?;
    let common = CommonConfig {
        provider: kind.provider,
        is_payment_429: kind.is_payment_429,
        former_names: common.former_names,
        // A registered URL parses, as a test checks.
        url: common.url.or_else(|| kind.default_url.parse().ok())?,
        ca_file: common.ca_file,
        patience: common.patience,
        connect: common.connect,
        attempt: common.attempt,
        in_flight: common.in_flight,
        freshness,
        storage_hosts: common.storage_hosts,
        passthrough: common.passthrough,
        name,
    };
    Some(SourceConfig { common, settings })
}

/// Returns the provider that a source names, or is named like.
fn provider(
    reader: &mut Reader<'_>,
    table: &Table<'_>,
    name: &str,
    origin: &Origin,
) -> Option<&'static ProviderKind> {
    let prefix = table.prefix.as_deref().unwrap_or_default();
    let in_variable = variable(prefix, "provider");
    let value = table.value("provider");
    let (word, origin) = match (reader.environment().get(&in_variable), value) {
        (Some(word), _) => (word, Origin::Variable(in_variable)),
        (None, Some(value)) => {
            let word = value.get_ref().as_str().unwrap_or_default();
            (word, Origin::File(value.span().start))
        }
        (None, None) => (name, origin.clone()),
    };
    let kind = PROVIDERS
        .into_iter()
        .find(|kind| kind.provider.word() == word);
    if kind.is_none() {
        let words = PROVIDERS.map(|kind| format!("`\"{}\"`", kind.provider.word()));
        let message = format!(
            "source `{name}` needs `provider`, one of {}",
            words.join(", ")
        );
        reader.refuse(&origin, message);
        reader.ignore_variables(prefix);
    }
    kind
}

/// Checks all sources together: their number, names that collide, and an account that is there
/// twice.
fn check_all_sources(reader: &mut Reader<'_>, sources: &[(SourceConfig, Origin)]) {
    if sources.len() > MAX_SOURCES {
        let message = format!(
            "{} sources are configured; {MAX_SOURCES} is the most one gateway serves",
            sources.len()
        );
        reader.refuse(&Origin::Nowhere, message);
    }
    for (index, (source, origin)) in sources.iter().enumerate() {
        let (settings, source) = (&source.settings, &source.common);
        for (other, _) in &sources[..index] {
            let (other_settings, other) = (&other.settings, &other.common);
            if source.name.hash16() == other.name.hash16() {
                let message = format!(
                    "the names `{}` and `{}` have the same hash inside cursors (a rare \
                     collision): rename one of them",
                    source.name, other.name
                );
                reader.refuse(origin, message);
            }
            let is_same = source.provider == other.provider
                && is_same_address(&source.url, &other.url)
                && !source.passthrough
                && !other.passthrough
                && settings.account() == other_settings.account();
            if is_same {
                let message = format!(
                    "source `{}` has the address and the credential of source `{}`, so each asset \
                     would be listed twice: remove one, or list its name in `former_names` of the \
                     other",
                    source.name, other.name
                );
                reader.refuse(origin, message);
            }
        }
        for former in &source.former_names {
            let taken = sources.iter().any(|(other, _)| {
                let other = &other.common;
                other.name == *former
                    || (other.name != source.name && other.former_names.contains(former))
            });
            if taken {
                let message = format!(
                    "`former_names` of `{}` lists `{former}`, which is the name of a source",
                    source.name
                );
                reader.refuse(origin, message);
            }
        }
    }
}

/// Whether two URLs differ in slashes at the end at most.
fn is_same_address(left: &Url, right: &Url) -> bool {
    let trimmed = |url: &Url| url.as_str().trim_end_matches('/').to_owned();
    trimmed(left) == trimmed(right)
}

fn url<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Url>, D::Error> {
    let url = web_url(&String::deserialize(deserializer)?);
    url.map(Some).ok_or_else(|| {
        D::Error::custom("must be an http or https address without credentials, query or fragment")
    })
}

fn names<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<SourceName>, D::Error> {
    let names = Vec::<String>::deserialize(deserializer)?;
    let parse = |name: &String| {
        SourceName::parse(name).map_err(|rule| {
            D::Error::custom(format!("must list names of sources; `{name}`: {rule}"))
        })
    };
    names.iter().map(parse).collect()
}

fn storage_hosts<'de, D>(deserializer: D) -> Result<Option<Vec<String>>, D::Error>
where
    D: Deserializer<'de>,
{
    let hosts = Vec::<String>::deserialize(deserializer)?;
    let parse = |text: &String| {
        let bare = text.strip_prefix("*.").unwrap_or(text);
        match Host::parse(bare) {
            Ok(host) if !bare.contains('*') => Ok(text.replace(bare, &host.to_string())),
            Ok(_) | Err(_) => Err(D::Error::custom(
                "must list hosts without scheme or port, such as storage.example.com or \
                 *.storage.example.com",
            )),
        }
    };
    hosts.iter().map(parse).collect::<Result<_, _>>().map(Some)
}
