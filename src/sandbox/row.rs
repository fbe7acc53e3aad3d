//! JSON rows whose fields may be overridden with any text, also text no JSON library would write.

use std::collections::BTreeMap;

use serde_json::{Value, value::RawValue};

/// One asset as it will be sent.
#[derive(Debug, Clone, Default)]
pub struct JsonRow(BTreeMap<String, Box<RawValue>>);

impl JsonRow {
    pub fn set(&mut self, name: &str, value: impl Into<Value>) {
        self.0
            .insert(name.to_owned(), json(&value.into().to_string()));
    }

    /// Sets the field, or leaves it out.
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
        // A map of texts that are JSON already.
        serde_json::value::to_raw_value(&self.0).unwrap_or_default()
    }
}

/// JSON text as it stands; null when it is none.
#[must_use]
pub fn json(text: &str) -> Box<RawValue> {
    RawValue::from_string(text.to_owned()).unwrap_or_default()
}
