//! JSON rows whose fields tests can override with any JSON, even text that no library would write.

use std::collections::BTreeMap;

use serde_json::{Value, value::RawValue};

/// One asset as JSON, field by field.
#[derive(Debug, Clone, Default)]
pub struct JsonRow(BTreeMap<String, Box<RawValue>>);

impl JsonRow {
    pub fn set(&mut self, name: &str, value: impl Into<Value>) {
        self.0
            .insert(name.to_owned(), json(&value.into().to_string()));
    }

    /// Sets the field, or omits it when `value` is `None`.
    pub fn set_option(&mut self, name: &str, value: Option<impl Into<Value>>) {
        if let Some(value) = value {
            self.set(name, value);
        }
    }

    pub fn override_with(&mut self, overrides: &BTreeMap<String, Box<RawValue>>) {
        self.0
            .extend(overrides.iter().map(|(n, v)| (n.clone(), v.clone())));
    }

    pub fn into_raw(self) -> Box<RawValue> {
        // Every value is JSON text already.
        serde_json::value::to_raw_value(&self.0).unwrap_or_default()
    }
}

/// Keeps `text` verbatim as JSON; returns null when it is not valid JSON.
#[must_use]
pub fn json(text: &str) -> Box<RawValue> {
    RawValue::from_string(text.to_owned()).unwrap_or_default()
}
