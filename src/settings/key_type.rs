//! A key of a settings struct and the type of its value.

/// A key of a settings struct.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key {
    pub name: &'static str,
    pub kind: KeyType,
}

/// The type of a key's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyType {
    Boolean,
    Integer,
    /// With or without a fraction.
    Number,
    Text,
    /// One of these texts.
    Choice(&'static [&'static str]),
    Secret,
    Path,
    List,
    PathList,
    TextOrList,
}

impl KeyType {
    /// Returns the rule for a value, as a sentence without its subject.
    #[must_use]
    pub fn rule(self) -> String {
        match self {
            Self::Boolean => "must be true or false".to_owned(),
            Self::Integer => {
                "must be a whole number of at most 18 digits, such as 12: no quotes, no unit"
                    .to_owned()
            }
            Self::Number => "must be a number, such as 2.5: no quotes, no unit".to_owned(),
            Self::Text | Self::Secret => "must be a text in quotes".to_owned(),
            Self::Path => "must be a path in quotes".to_owned(),
            Self::Choice(words) => format!("must be one of \"{}\"", words.join("\", \"")),
            Self::TextOrList => "must be a text in quotes, or a list of them".to_owned(),
            Self::List | Self::PathList => {
                "must be a list of texts in quotes, such as [\"a\", \"b\"]".to_owned()
            }
        }
    }

    /// Whether a file's value has a key's type.
    #[must_use]
    pub fn fits(self, value: &toml::Value) -> bool {
        match self {
            Self::Boolean => value.is_bool(),
            Self::Integer => value.is_integer(),
            Self::Number => value.is_integer() || value.is_float(),
            Self::Text | Self::Secret | Self::Path => value.is_str(),
            Self::Choice(words) => value.as_str().is_some_and(|word| words.contains(&word)),
            Self::TextOrList if value.is_str() => true,
            Self::List | Self::PathList | Self::TextOrList => value
                .as_array()
                .is_some_and(|list| list.iter().all(toml::Value::is_str)),
        }
    }

    /// Reads a variable's text as this type.
    #[must_use]
    pub fn parse(self, text: &str) -> Option<toml::Value> {
        let trimmed = text.trim();
        Some(match self {
            Self::Boolean => toml::Value::Boolean(match &*trimmed.to_ascii_lowercase() {
                "true" | "on" => true,
                "false" | "off" => false,
                _ => return None,
            }),
            Self::Integer => toml::Value::Integer(trimmed.parse().ok()?),
            Self::Number => toml::Value::Float(trimmed.parse().ok()?),
            Self::Text | Self::Secret | Self::Path => toml::Value::String(text.to_owned()),
            Self::Choice(words) => {
                let word = words.iter().find(|word| **word == trimmed)?;
                toml::Value::String((*word).to_owned())
            }
            Self::List | Self::PathList | Self::TextOrList => {
                let elements = trimmed.split(',').map(str::trim);
                let elements = elements.filter(|element| !element.is_empty());
                toml::Value::Array(elements.map(toml::Value::from).collect())
            }
        })
    }

    /// The rule for a variable, which has no quotes.
    #[must_use]
    pub fn rule_in_variable(self) -> String {
        match self {
            Self::Choice(words) => format!("must be one of {}", words.join(", ")),
            kind => kind
                .rule()
                .replace(": no quotes, no unit", ", without quotes or a unit"),
        }
    }
}
