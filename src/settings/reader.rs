//! Reads the tables of a configuration file into settings structs, with environment variables over
//! them, and collects every fault.
//!
//! A struct's keys give the variables' names, the types of values and the suggestions, so a new key
//! needs its field alone.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use serde::{Deserialize, de::DeserializeOwned};
use toml::de::{DeTable, ValueDeserializer};

use super::{
    environment::Environment,
    error::ConfigError,
    key_names::{Form, find, nearest, spellings, unknown_key},
    key_type::{Key, KeyType},
    keys::keys,
    table::{Origin, PREFIX, Table, Values, variable},
};

/// Reads settings, and collects the faults and remarks.
pub struct Reader<'a> {
    path: Option<&'a Path>,
    text: &'a str,
    environment: &'a Environment,
    /// Every variable that would be read, and the key that it sets.
    known: BTreeMap<String, String>,
    /// Each with its place in the file, for their order.
    faults: Vec<(usize, String)>,
    /// What is no error but deserves a look.
    pub remarks: Vec<String>,
}

/// One way in which a key is set.
struct Setting {
    form: Form,
    value: toml::Value,
    origin: Origin,
    /// As it is written: `token_file`.
    key: String,
}

impl<'a> Reader<'a> {
    #[must_use]
    pub fn new(path: Option<&'a Path>, text: &'a str, environment: &'a Environment) -> Self {
        Self {
            path,
            text,
            environment,
            known: BTreeMap::from([(format!("{PREFIX}CONFIG"), String::new())]),
            faults: Vec::new(),
            remarks: Vec::new(),
        }
    }

    #[must_use]
    pub const fn environment(&self) -> &'a Environment {
        self.environment
    }

    /// Parses the file. Returns the tables that can be read, also after a fault.
    pub fn parse(&mut self) -> DeTable<'a> {
        let (table, errors) = DeTable::parse_recoverable(self.text);
        for error in errors {
            let span = error.span().unwrap_or_default();
            let message = match error.message() {
                // An error itself would print its line, which may hold a secret. A key does not.
                "duplicate key" => {
                    let key = self.text.get(span.clone()).unwrap_or_default();
                    format!("`{key}` is set a second time: remove one of the two")
                }
                message => message.to_owned(),
            };
            self.refuse(&Origin::File(span.start), message);
        }
        table.into_inner()
    }

    /// Reads a table into a struct. Keys with a fault keep their defaults.
    ///
    /// The struct must have a default for every key.
    pub fn read<T: DeserializeOwned + Default>(&mut self, table: &Table<'_>) -> (T, Values) {
        let mut values = self.values(table, &keys::<T>());
        (self.take(&mut values), values)
    }

    /// Reads a table's values for several structs, which [`Reader::take`] then fills.
    pub fn values(&mut self, table: &Table<'_>, keys: &[Key]) -> Values {
        let faults_before = self.faults.len();
        let origin = match table.table {
            Some(value) => Origin::File(value.span().start),
            None => Origin::Nowhere,
        };
        let mut settings = self.entries_in_file(table, keys);
        for (key, in_variables) in self.entries_in_variables(table, keys) {
            settings.insert(key, in_variables);
        }
        let mut values = BTreeMap::new();
        for key in keys {
            let Some(mut ways) = settings.remove(key.name) else {
                continue;
            };
            if ways.len() > 1 {
                let named: Vec<String> = ways.iter().map(Setting::name).collect();
                let message = format!("{} set the same key: keep one", named.join(" and "));
                self.refuse(&ways[1].origin, message);
                continue;
            }
            let Some(Setting {
                form,
                value,
                origin,
                key: written,
            }) = ways.pop()
            else {
                continue;
            };
            let value = match key.kind {
                KeyType::Secret => self.secret(form, &written, value, &origin),
                KeyType::Path => {
                    let path = value.as_str().unwrap_or_default();
                    self.path(path, &written, &origin)
                }
                KeyType::PathList => {
                    let paths = value.as_array().into_iter().flatten();
                    let paths = paths.filter_map(toml::Value::as_str);
                    let paths = paths.map(|path| self.path(path, &written, &origin));
                    paths.collect::<Option<_>>().map(toml::Value::Array)
                }
                _ => Some(value),
            };
            if let Some(value) = value {
                values.insert(key.name, (value, origin));
            }
        }
        Values {
            by_key: values,
            origin,
            is_sound: self.faults.len() == faults_before,
        }
    }

    /// Fills a struct from its keys' values. A value that breaks a rule is a fault, and the key
    /// keeps its default.
    pub fn take<T: DeserializeOwned + Default>(&mut self, values: &mut Values) -> T {
        let mut fitting = toml::Table::new();
        for key in keys::<T>() {
            let Some((value, origin)) = values.by_key.get(key.name) else {
                continue;
            };
            let alone = toml::Table::from_iter([(key.name.to_owned(), value.clone())]);
            match alone.try_into::<T>() {
                Ok(_) => {
                    fitting.insert(key.name.to_owned(), value.clone());
                }
                Err(error) => {
                    let rule = match error.message() {
                        rule if rule.starts_with("must ") => rule.to_owned(),
                        _ if key.kind == KeyType::Integer => {
                            "must be a whole number that is neither negative nor too large"
                                .to_owned()
                        }
                        _ => key.kind.rule(),
                    };
                    let origin = origin.clone();
                    self.break_rule(&origin, key.name, &rule);
                    values.is_sound = false;
                }
            }
        }
        fitting.try_into().unwrap_or_default()
    }

    /// Records that a key's value breaks a rule.
    pub fn break_rule(&mut self, origin: &Origin, key: &str, rule: &str) {
        let fault = match origin {
            Origin::Variable(name) => format!("{name} {rule}"),
            Origin::File(_) | Origin::Nowhere => {
                format!("{}`{key}` {rule}", self.location(origin))
            }
        };
        self.faults.push((origin.offset(), fault));
    }

    /// Records a fault at a place.
    pub fn refuse(&mut self, origin: &Origin, message: impl std::fmt::Display) {
        let fault = format!("{}{message}", self.location(origin));
        self.faults.push((origin.offset(), fault));
    }

    /// Returns a place as messages begin with it: `gateway.toml:12: `.
    fn location(&self, origin: &Origin) -> String {
        match (origin, self.path) {
            (Origin::File(offset), path) => {
                let before = self.text.bytes().take(*offset);
                let line = 1 + before.filter(|byte| *byte == b'\n').count();
                match path {
                    Some(path) => format!("{}:{line}: ", path.display()),
                    None => format!("line {line}: "),
                }
            }
            (Origin::Variable(name), _) => format!("{name}: "),
            (Origin::Nowhere, _) => String::new(),
        }
    }

    /// Takes no notice of the variables that begin so, as their table has a fault already.
    pub fn ignore_variables(&mut self, prefix: &str) {
        let names = self.environment.names_with(prefix);
        let names = names.map(|name| (name.to_owned(), String::new()));
        self.known.extend(names);
    }

    /// Ends the reading.
    ///
    /// # Errors
    /// [`ConfigError`] with every fault: those of the file in its order, then those of variables.
    pub fn finish(mut self) -> Result<Vec<String>, ConfigError> {
        self.refuse_unknown_variables();
        if self.faults.is_empty() {
            return Ok(self.remarks);
        }
        self.faults.sort_by_key(|(offset, _)| *offset);
        let faults = self.faults.into_iter().map(|(_, fault)| fault).collect();
        Err(ConfigError { faults })
    }

    /// Reads a table's entries in the file, by key.
    fn entries_in_file(
        &mut self,
        table: &Table<'_>,
        keys: &[Key],
    ) -> BTreeMap<&'static str, Vec<Setting>> {
        let mut settings = BTreeMap::<_, Vec<_>>::new();
        let Some(value) = table.table else {
            return settings;
        };
        let Some(entries) = value.get_ref().as_table() else {
            let message = format!("{} must be a table of keys", table.title);
            self.refuse(&Origin::File(value.span().start), message);
            return settings;
        };
        for (name, value) in entries {
            let written = name.get_ref().as_ref();
            let origin = Origin::File(name.span().start);
            if table.inner.contains(&written) {
                continue;
            }
            let Some((key, form)) = find(keys, written) else {
                self.refuse(
                    &origin,
                    unknown_key(&table.title, table.inner, keys, written),
                );
                continue;
            };
            let kind = match form {
                Form::Value => key.kind,
                Form::File => KeyType::Path,
                Form::Variable => KeyType::Text,
            };
            let read = toml::Value::deserialize(ValueDeserializer::from(value.clone()));
            match read.ok().filter(|value| kind.fits(value)) {
                Some(value) => settings.entry(key.name).or_default().push(Setting {
                    form,
                    value,
                    origin,
                    key: written.to_owned(),
                }),
                None => self.break_rule(&origin, written, &kind.rule()),
            }
        }
        settings
    }

    /// Reads the variables of a table's keys.
    fn entries_in_variables(
        &mut self,
        table: &Table<'_>,
        keys: &[Key],
    ) -> BTreeMap<&'static str, Vec<Setting>> {
        let mut settings = BTreeMap::<_, Vec<_>>::new();
        for key in keys {
            let long = table
                .prefix
                .as_ref()
                .map(|prefix| variable(prefix, key.name));
            let short = table.short_variables.iter();
            let short = short.filter(|(_, of)| *of == key.name);
            let names = long
                .into_iter()
                .chain(short.map(|(name, _)| (*name).to_owned()));
            for (name, form) in names.flat_map(|name| spellings(&name, key.kind)) {
                let sets = format!("`{}` of {}", key.name, table.title);
                if let Some(other) = self.known.insert(name.clone(), sets.clone())
                    && other != sets
                {
                    let message = format!("it could set {other} and {sets}: rename a source");
                    self.refuse(&Origin::Variable(name.clone()), message);
                }
                let Some(text) = self.environment.get(&name) else {
                    continue;
                };
                let kind = match form {
                    Form::Value => key.kind,
                    Form::File | Form::Variable => KeyType::Text,
                };
                let origin = Origin::Variable(name.clone());
                match kind.parse(text) {
                    Some(value) => settings.entry(key.name).or_default().push(Setting {
                        form,
                        value,
                        origin,
                        key: name,
                    }),
                    None => self.break_rule(&origin, key.name, &kind.rule_in_variable()),
                }
            }
        }
        settings
    }

    /// Returns a secret's text, from wherever it stands.
    fn secret(
        &mut self,
        form: Form,
        written: &str,
        value: toml::Value,
        origin: &Origin,
    ) -> Option<toml::Value> {
        let text = value.as_str()?;
        let secret = match form {
            Form::Value => Ok(text.to_owned()),
            Form::File => {
                let path = self.absolute(text, origin);
                match std::fs::read_to_string(&path) {
                    Ok(text) if text.trim().is_empty() => {
                        Err(format!("names {}, which is empty", path.display()))
                    }
                    Ok(text) => Ok(text.trim_end_matches(['\r', '\n']).to_owned()),
                    Err(error) => Err(format!(
                        "names {}, which cannot be read: {error}",
                        path.display()
                    )),
                }
            }
            Form::Variable => self
                .environment
                .get(text)
                .map(str::to_owned)
                .ok_or_else(|| format!("names the variable {text}, which is not set")),
        };
        let secret = match secret {
            Ok(secret) => secret,
            Err(rule) => {
                self.break_rule(origin, written, &rule);
                return None;
            }
        };
        let is_quoted =
            |quote: char| secret.len() > 1 && secret.starts_with(quote) && secret.ends_with(quote);
        if is_quoted('"') || is_quoted('\'') {
            let place = match origin {
                Origin::Variable(_) => String::new(),
                Origin::File(_) | Origin::Nowhere => self.location(origin),
            };
            let remark = format!(
                "{place}the value of `{written}` has quotes around it, as `docker --env-file` \
                 leaves them: remove them, unless they belong to the secret"
            );
            self.remarks.push(remark);
        }
        Some(toml::Value::String(secret))
    }

    /// Resolves a path and checks that its file can be read.
    fn path(&mut self, text: &str, written: &str, origin: &Origin) -> Option<toml::Value> {
        let path = self.absolute(text, origin);
        if let Err(error) = std::fs::read(&path) {
            let rule = format!("names {}, which cannot be read: {error}", path.display());
            self.break_rule(origin, written, &rule);
            return None;
        }
        Some(toml::Value::String(path.to_string_lossy().into_owned()))
    }

    /// Resolves a path: one in the file begins at the file's folder.
    fn absolute(&self, text: &str, origin: &Origin) -> PathBuf {
        let folder = self.path.and_then(Path::parent);
        match (origin, folder) {
            (Origin::File(_), Some(folder)) => folder.join(text),
            _ => PathBuf::from(text),
        }
    }

    /// Refuses a variable that looks like a key's but sets none. Names outside the sections are only
    /// remarked on, but for those that Kubernetes sets for a service `asset-gateway`.
    fn refuse_unknown_variables(&mut self) {
        const SECTIONS: [&str; 6] = [
            "ACCESS_",
            "CACHE_",
            "DOCUMENTS_",
            "LIMITS_",
            "LOG_",
            "SOURCES_",
        ];
        let names: BTreeSet<String> = self
            .environment
            .names_with(PREFIX)
            .filter(|name| !self.known.contains_key(*name))
            .map(str::to_owned)
            .collect();
        for name in names {
            let rest = name.strip_prefix(PREFIX).unwrap_or_default();
            if rest == "PORT" || rest.starts_with("PORT_") || rest.starts_with("SERVICE_") {
                continue;
            }
            let near = nearest(&name, self.known.keys().map(String::as_str));
            let hint = near.map_or_else(
                || "docs/configuration.md lists the variables".to_owned(),
                |near| format!("did you mean {near}?"),
            );
            let is_key = SECTIONS.iter().any(|section| rest.starts_with(section));
            let place = match rest.strip_prefix("SOURCES_").filter(|_| near.is_none()) {
                Some(_) => "sets no key of a configured source",
                None => "sets no key",
            };
            let message = format!("{name} {place}: {hint}");
            if is_key {
                self.faults.push((usize::MAX, message));
            } else {
                self.remarks.push(message);
            }
        }
    }
}

impl Setting {
    fn name(&self) -> String {
        match self.origin {
            Origin::Variable(_) => self.key.clone(),
            Origin::File(_) | Origin::Nowhere => format!("`{}`", self.key),
        }
    }
}
