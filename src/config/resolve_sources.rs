//! Builds the sources from the file and the environment, and checks them together.

use std::collections::BTreeMap;

use toml::Spanned;

use super::{
    environment::Environment,
    error::ConfigError,
    source_table::{SourceSection, SourceTable},
    sources::SourceConfig,
    values::FileLocation,
};
use crate::asset::{Provider, SourceName};

/// Maximum number of sources. Each may add a hint to every cursor.
const MAX_SOURCES: usize = 16;

/// The environment variables of the source that is named like its provider.
const fn variables_of(provider: Provider) -> &'static [&'static str] {
    match provider {
        Provider::Scenario => &[
            "SCENARIO_API_KEY",
            "SCENARIO_API_SECRET",
            "SCENARIO_JWT",
            "SCENARIO_PROJECT_ID",
            "SCENARIO_URL",
        ],
        Provider::Piktid => &["PIKTID_TOKEN", "PIKTID_URL"],
        Provider::Comfy => &["COMFY_API_KEY", "COMFY_URL"],
    }
}

/// Builds checked sources from the file and the environment.
pub fn resolve(
    file: BTreeMap<Spanned<String>, SourceSection>,
    input: &FileLocation<'_>,
    environment: &dyn Environment,
    remarks: &mut Vec<String>,
) -> Result<Vec<SourceConfig>, ConfigError> {
    let mut sources = Vec::new();
    let mut name_offsets = Vec::new();
    for (name, table) in file {
        let offset = name.span().start;
        let parsed = SourceName::parse(name.get_ref())
            .map_err(|rule| input.refuse(offset, format!("`{}`: {rule}", name.get_ref())))?;
        let source = SourceTable {
            name: parsed,
            offset,
            keys: table,
            location: input,
            environment,
        }
        .resolve()?;
        name_offsets.push((source.name.clone(), offset));
        sources.push(source);
    }
    for provider in Provider::ALL {
        let set_variables: Vec<_> = variables_of(provider)
            .iter()
            .filter(|name| environment.get(name).is_some())
            .collect();
        let provider_name = provider.word();
        let Some(first) = set_variables.first() else {
            continue;
        };
        if sources.iter().any(|s| s.name.as_str() == provider_name) {
            continue; // the table already read them
        }
        if sources.iter().any(|s| s.kind.provider() == provider) {
            remarks.push(format!(
                "{first} is set but not used: the file's {provider_name} sources have other names. \
                 Name one of them `{provider_name}`, or point it at a variable with `…_env`"
            ));
            continue;
        }
        // A provider's word is always a valid name.
        let Ok(name) = SourceName::parse(provider_name) else {
            continue;
        };
        let table = SourceSection::default();
        sources.push(
            SourceTable {
                name,
                offset: 0,
                keys: table,
                location: input,
                environment,
            }
            .resolve()?,
        );
    }
    check_all_sources(&sources, &name_offsets, input)?;
    Ok(sources)
}

/// Checks all sources together: their number, and names that collide.
fn check_all_sources(
    sources: &[SourceConfig],
    name_offsets: &[(SourceName, usize)],
    input: &FileLocation<'_>,
) -> Result<(), ConfigError> {
    if sources.len() > MAX_SOURCES {
        return Err(ConfigError(format!(
            "{} sources are configured; {MAX_SOURCES} is the most one gateway serves",
            sources.len()
        )));
    }
    let offset = |name: &SourceName| {
        name_offsets
            .iter()
            .find(|(n, _)| n == name)
            .map_or(0, |(_, offset)| *offset)
    };
    for (index, source) in sources.iter().enumerate() {
        for other in &sources[..index] {
            if source.name.hash16() == other.name.hash16() {
                return Err(input.refuse(
                    offset(&source.name),
                    format!(
                        "the names `{}` and `{}` have the same hash inside cursors (a rare \
                         collision): rename one of them",
                        source.name, other.name
                    ),
                ));
            }
        }
        for former in &source.former_names {
            let taken = sources.iter().any(|s| {
                s.name == *former || (s.name != source.name && s.former_names.contains(former))
            });
            if taken {
                return Err(input.refuse(
                    offset(&source.name),
                    format!(
                        "`former_names` of `{}` lists `{former}`, which is another source's name",
                        source.name
                    ),
                ));
            }
        }
    }
    Ok(())
}
