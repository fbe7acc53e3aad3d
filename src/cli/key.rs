//! `key`: makes a key, and prints it with its configuration lines.

use std::process::ExitCode;

use anyhow::Context;

use super::{
    arguments::Key,
    console::{advise, print},
};
use crate::{
    access::{NewKey, Permission},
    config::ConfigError,
};

pub fn run(options: &Key) -> anyhow::Result<ExitCode> {
    let scope_words = Permission::ALL.map(Permission::word);
    if let Some(other) = options
        .scopes
        .iter()
        .find(|scope| !scope_words.contains(&scope.as_str()))
    {
        let scope_words = scope_words.join(", ");
        return Err(
            ConfigError::new(format!("`{other}` is not a scope; use {scope_words}")).into(),
        );
    }
    let is_name = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if options.id.is_empty() || options.id.len() > 64 || !options.id.chars().all(is_name) {
        let message = "--id must be 1 to 64 letters, digits, `-`, `_` or `.`";
        return Err(ConfigError::new(message.to_owned()).into());
    }
    let new = NewKey::random().context("cannot get random bytes from the system")?;
    let scopes: Vec<String> = options.scopes.iter().map(|s| format!("\"{s}\"")).collect();
    print(&format!("{}\n", new.key.expose()));
    advise(&format!(
        "This key is shown only now; callers send it as `authorization: Bearer …`.\n\
         For the configuration, beside `mode = \"keys\"` in [access]:\n\n\
         [[access.keys]]\nid = \"{}\"\nhash = \"{}\"\nscopes = [{}]\n",
        options.id,
        new.hash,
        scopes.join(", ")
    ));
    Ok(ExitCode::SUCCESS)
}
