//! Variables that look like a key's but set none.

use std::collections::BTreeSet;

use super::Reader;
use crate::settings::{key_names::nearest, table::PREFIX};

impl Reader<'_> {
    /// Refuses a variable that looks like a key's but sets none. Other names are only remarked on,
    /// but for those that Kubernetes sets for services.
    pub(super) fn refuse_unknown_variables(&mut self) {
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
            .filter(|name| !self.is_of_kubernetes(name))
            .map(str::to_owned)
            .collect();
        for name in names {
            let rest = name.strip_prefix(PREFIX).unwrap_or_default();
            // Without the common beginning, which would hide how much differs.
            let known = self
                .known
                .keys()
                .filter_map(|known| known.strip_prefix(PREFIX));
            let near = nearest(rest, known).map(|near| format!("{PREFIX}{near}"));
            let message = match (&near, rest.strip_prefix("SOURCES_")) {
                (Some(near), _) => format!("{name} sets no key: did you mean {near}?"),
                (None, Some(rest)) => {
                    let source = rest.split('_').next().unwrap_or_default();
                    format!(
                        "{name} sets no key of a configured source: \
                         {PREFIX}SOURCES_{source}_PROVIDER makes a source, and \
                         docs/configuration.md lists its keys"
                    )
                }
                (None, None) => {
                    format!("{name} sets no key: docs/configuration.md lists the variables")
                }
            };
            if near.is_some() || SECTIONS.iter().any(|section| rest.starts_with(section)) {
                self.faults.push((usize::MAX, message));
            } else {
                self.remarks.push(message);
            }
        }
    }

    /// Whether Kubernetes sets a variable for a service whose name begins with `asset-gateway`.
    fn is_of_kubernetes(&self, name: &str) -> bool {
        let is_address = |value: &str| value.starts_with("tcp://") || value.starts_with("udp://");
        name.ends_with("_SERVICE_HOST")
            || name.contains("_SERVICE_PORT")
            || name.contains("_TCP")
            || name.contains("_UDP")
            || name.ends_with("_PORT") && self.environment.get(name).is_some_and(is_address)
    }
}
