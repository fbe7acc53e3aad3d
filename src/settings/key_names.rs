//! The names that a key is written by, and the nearest name to a mistyped one.

use super::key_type::{Key, KeyType};

/// How a secret is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    Value,
    File,
    Variable,
}

/// The names that set one key. A secret has three.
pub fn spellings(name: &str, kind: KeyType) -> Vec<(String, Form)> {
    let mut names = vec![(name.to_owned(), Form::Value)];
    if kind == KeyType::Secret {
        names.push((format!("{name}_FILE"), Form::File));
        names.push((format!("{name}_ENV"), Form::Variable));
    }
    names
}

/// Finds the key that is written so.
pub fn find<'a>(keys: &'a [Key], written: &str) -> Option<(&'a Key, Form)> {
    let named = |name: &str| keys.iter().find(|key| key.name == name);
    if let Some(key) = named(written) {
        return Some((key, Form::Value));
    }
    let forms = [("_file", Form::File), ("_env", Form::Variable)];
    forms.into_iter().find_map(|(suffix, form)| {
        let key = named(written.strip_suffix(suffix)?)?;
        (key.kind == KeyType::Secret).then_some((key, form))
    })
}

/// Says that a table has no such key, and which ones it has.
pub fn unknown_key(title: &str, inner: &[&str], keys: &[Key], written: &str) -> String {
    let mut names: Vec<String> = keys
        .iter()
        .flat_map(|key| spellings(key.name, key.kind))
        .map(|(name, _)| name.to_lowercase())
        .chain(inner.iter().map(|name| (*name).to_owned()))
        .collect();
    let title = if title.is_empty() {
        "the top of the file"
    } else {
        title
    };
    if let Some(near) = nearest(written, names.iter().map(String::as_str)) {
        return format!("`{written}` is not a key of {title}: did you mean `{near}`?");
    }
    names.sort();
    format!(
        "`{written}` is not a key of {title}; its keys are: {}",
        names.join(", ")
    )
}

/// Returns the most similar name, if one is similar.
pub fn nearest<'n>(written: &str, names: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    let distance = |name: &str| strsim::damerau_levenshtein(written, name);
    let near = names.min_by_key(|name| distance(name))?;
    // A third of the letters may differ, but not all letters of a short word.
    let length = written.chars().count().max(near.chars().count());
    (distance(near) <= (length / 3).clamp(1, 4)).then_some(near)
}
