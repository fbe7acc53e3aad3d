//! Reads the tables of a configuration file into settings structs, with environment variables over
//! them, and collects every fault.
//!
//! A struct's keys give the variables' names, the types of values and the suggestions, so a new key
//! needs its field alone.

mod unknown_variables;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use serde::{Deserialize, de::DeserializeOwned};
use toml::de::{DeTable, ValueDeserializer};

use super::{
    environment::Environment,
    error::ConfigError,
    key_names::{Form, find, spellings, unknown_key},
    key_type::{Key, KeyType},
    keys::keys,
    table::{Origin, PREFIX, Table, Values, variable},
};

/// Stands for unknown keys among a table's entries.
const UNKNOWN: &str = "";

/// Reads settings, and collects the faults and remarks.
pub struct Reader<'a> {
    path: Option<&'a Path>,
    text: &'a str,
    /// Where each line after the first begins.
    lines: Vec<usize>,
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
            lines: text.match_indices('\n').map(|(at, _)| at + 1).collect(),
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

    /// Parses the file.
    ///
    /// # Errors
    /// [`ConfigError`] with every line that is not TOML. What the parser makes of such a line is not
    /// read: it may take a secret for a key.
    pub fn parse(&mut self) -> Result<DeTable<'a>, ConfigError> {
        let (table, errors) = DeTable::parse_recoverable(self.text);
        let mut last_line = None;
        let mut is_toml = true;
        for error in errors {
            let span = error.span().unwrap_or_default();
            let origin = Origin::File(span.start);
            let message = if error.message() == "duplicate key" {
                let key = self.text.get(span).unwrap_or_default();
                format!("`{key}` is set a second time: remove one of the two")
            } else {
                is_toml = false;
                let line = self.lines.partition_point(|begin| *begin <= span.start);
                // One mistake may be several errors. Each would print its line, with its secrets.
                if last_line.replace(line) == Some(line) {
                    continue;
                }
                let subject = self.key_of_line(line).map_or_else(
                    || "this line is".to_owned(),
                    |key| format!("the value of `{key}` is"),
                );
                format!(
                    "{subject} not TOML ({}). Texts stand in double quotes, on one line: key = \
                     \"value\"",
                    error.message()
                )
            };
            self.refuse(&origin, message);
        }
        if is_toml {
            return Ok(table.into_inner());
        }
        Err(self.faults())
    }

    /// Returns the key before the `=` of a line, counted from 0.
    fn key_of_line(&self, line: usize) -> Option<&'a str> {
        let begin = match line.checked_sub(1) {
            None => 0,
            Some(before) => *self.lines.get(before)?,
        };
        let (key, _) = self.text.get(begin..)?.lines().next()?.split_once('=')?;
        let key = key.trim();
        let is_key = |c: char| c.is_ascii_lowercase() || c == '_' || c == '.';
        (!key.is_empty() && key.chars().all(is_key)).then_some(key)
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
        let has_unknown = settings.remove(UNKNOWN).is_some();
        for (key, in_variables) in self.entries_in_variables(table, keys) {
            settings.insert(key, in_variables);
        }
        let (mut values, mut faulty) = (BTreeMap::new(), BTreeSet::new());
        for key in keys {
            let Some(mut ways) = settings.remove(key.name) else {
                continue;
            };
            faulty.insert(key.name);
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
                faulty.remove(key.name);
                values.insert(key.name, (value, origin));
            }
        }
        Values {
            by_key: values,
            faulty,
            has_unknown,
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
                    values.faulty.insert(key.name);
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
                let line = 1 + self.lines.partition_point(|begin| begin <= offset);
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
        Err(self.faults())
    }

    fn faults(&mut self) -> ConfigError {
        self.faults.sort_by_key(|(offset, _)| *offset);
        // A quoted key may hold control characters, which could forge a line of the log.
        let visible = |c: char| if c.is_control() { ' ' } else { c };
        let faults = std::mem::take(&mut self.faults).into_iter();
        ConfigError {
            faults: faults
                .map(|(_, fault)| fault.chars().map(visible).collect())
                .collect(),
        }
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
                settings.entry(UNKNOWN).or_default();
                continue;
            };
            let kind = match form {
                Form::Value => key.kind,
                Form::File => KeyType::Path,
                Form::Variable => KeyType::Text,
            };
            let read = toml::Value::deserialize(ValueDeserializer::from(value.clone()));
            // A key with a fault has no way.
            let ways = settings.entry(key.name).or_default();
            match read.ok().filter(|value| kind.fits(value)) {
                Some(value) => ways.push(Setting {
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
                let ways = settings.entry(key.name).or_default();
                match kind.parse(text) {
                    Some(value) => ways.push(Setting {
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
                    // The name is not shown: it may be the secret, put here by mistake.
                    Ok(text) if text.trim().is_empty() => {
                        Err("names a file that is empty".to_owned())
                    }
                    Ok(text) => Ok(text.trim_end_matches(['\r', '\n']).to_owned()),
                    Err(error) => Err(format!("names a file that cannot be read: {error}")),
                }
            }
            Form::Variable => self
                .environment
                .get(text)
                .map(str::to_owned)
                .ok_or_else(|| "names a variable that is not set".to_owned()),
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
}

impl Setting {
    fn name(&self) -> String {
        match self.origin {
            Origin::Variable(_) => self.key.clone(),
            Origin::File(_) | Origin::Nowhere => format!("`{}`", self.key),
        }
    }
}
