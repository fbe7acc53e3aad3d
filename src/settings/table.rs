//! A table of the configuration file, and the values read from it.

use std::collections::{BTreeMap, BTreeSet};

use toml::{Spanned, de::DeValue};

use super::{environment::Environment, key_type::Key};

/// The beginning of every variable's name.
pub const PREFIX: &str = "ASSET_GATEWAY_";

/// Where a value was set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// At this byte of the file.
    File(usize),
    Variable(String),
    /// In neither.
    Nowhere,
}

impl Origin {
    pub(super) const fn offset(&self) -> usize {
        match self {
            Self::File(offset) => *offset,
            Self::Variable(_) | Self::Nowhere => usize::MAX,
        }
    }
}

/// One table to read, and the variables that override its keys.
pub struct Table<'a> {
    /// As messages name it: `[limits]`. Empty for the top of the file.
    pub title: String,
    /// The table in the file.
    pub table: Option<&'a Spanned<DeValue<'a>>>,
    /// Tables inside it, which are read separately.
    pub inner: &'static [&'static str],
    /// The beginning of its variables' names. `None`: no variable overrides it.
    pub prefix: Option<String>,
    /// Short variables beside the long ones, and the keys that they set.
    pub short_variables: &'static [(&'static str, &'static str)],
}

impl<'a> Table<'a> {
    /// Returns the whole file as a table.
    #[must_use]
    pub fn top(file: &'a Spanned<DeValue<'a>>) -> Self {
        Self {
            title: String::new(),
            table: Some(file),
            inner: &[],
            prefix: Some(PREFIX.to_owned()),
            short_variables: &[],
        }
    }

    /// Returns an entry of the table in the file.
    #[must_use]
    pub fn value(&self, key: &str) -> Option<&'a Spanned<DeValue<'a>>> {
        self.table?.get_ref().as_table()?.get(key)
    }

    /// Returns where a key is set: in a variable, in the file, or nowhere.
    #[must_use]
    pub fn origin_of(&self, key: &str, environment: &Environment) -> Origin {
        let prefix = self.prefix.as_deref().unwrap_or_default();
        let name = variable(prefix, key);
        if environment.get(&name).is_some() {
            return Origin::Variable(name);
        }
        let value = self.value(key);
        value.map_or(Origin::Nowhere, |value| Origin::File(value.span().start))
    }

    /// Returns a table inside this one, without tables inside it.
    #[must_use]
    pub fn inside(&self, name: &str) -> Self {
        let title = match self.title.strip_suffix(']') {
            Some(title) => format!("{title}.{name}]"),
            None => format!("[{name}]"),
        };
        let prefix = self.prefix.as_ref();
        Self {
            title,
            table: self.value(name),
            inner: &[],
            prefix: prefix.map(|prefix| format!("{}_", variable(prefix, name))),
            short_variables: &[],
        }
    }
}

/// The values of one table, by key, each of the key's type.
pub struct Values {
    pub(super) by_key: BTreeMap<&'static str, (toml::Value, Origin)>,
    /// The table's own place.
    pub origin: Origin,
    /// Keys that have a fault.
    pub(super) faulty: BTreeSet<&'static str>,
    /// Whether the table has unknown keys. They may be mistyped ones.
    pub(super) has_unknown: bool,
    /// No key has a fault.
    pub is_sound: bool,
}

impl Values {
    /// Returns where a key was set, or the table's place.
    #[must_use]
    pub fn origin_of(&self, key: &str) -> &Origin {
        self.by_key
            .get(key)
            .map_or(&self.origin, |(_, origin)| origin)
    }

    /// Whether none of these keys has a fault, and no key is mistyped.
    #[must_use]
    pub fn are_sound(&self, keys: &[Key]) -> bool {
        let is_sound = |key: &Key| !self.faulty.contains(key.name);
        !self.has_unknown && keys.iter().all(is_sound)
    }

    /// Whether neither the table nor a variable of it is there.
    #[must_use]
    pub fn is_absent(&self) -> bool {
        self.by_key.is_empty() && self.origin == Origin::Nowhere && self.is_sound
    }
}

/// Returns the variable of a key: `ASSET_GATEWAY_LIMITS_` and `body_bytes` make
/// `ASSET_GATEWAY_LIMITS_BODY_BYTES`.
#[must_use]
pub fn variable(prefix: &str, key: &str) -> String {
    format!("{prefix}{}", key.to_uppercase())
}
