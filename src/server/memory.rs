//! The memory that requests use: bodies as they arrive, and the values parsed from them. All
//! requests share a budget (`request_memory_bytes`), of which one client gets at most half.

use std::sync::Arc;

use super::{error::RequestError, state::Gateway};
use crate::access::{Budget, Client, Share};

/// Bytes that each request has without a reservation: small queries still work when the budget is
/// used up.
const UNRESERVED_BYTES: usize = 1024;
/// The approximate bytes of a parsed JSON value, and of a field's name: measured with lists of
/// numbers and objects of one field.
const VALUE_BYTES: usize = 96;
const NAME_BYTES: usize = 96;

/// One request's part of the memory budget.
pub struct Memory<'a> {
    budget: &'a Budget,
    client: &'a Client,
    free: usize,
    share: Option<Arc<Share>>,
}

impl<'a> Memory<'a> {
    pub fn of(gateway: &'a Gateway, client: &'a Client) -> Self {
        Self::new(&gateway.0.memory, client)
    }

    pub fn new(budget: &'a Budget, client: &'a Client) -> Self {
        Self {
            budget,
            client,
            free: UNRESERVED_BYTES,
            share: None,
        }
    }

    /// Takes `bytes` more, until the request ends.
    ///
    /// # Errors
    /// 503: the budget has fewer bytes left.
    pub fn take(&mut self, bytes: usize) -> Result<(), RequestError> {
        let beyond = bytes.saturating_sub(self.free);
        self.free = self.free.saturating_sub(bytes);
        if beyond == 0 {
            return Ok(());
        }
        let (budget, client) = (self.budget, self.client);
        let share = self
            .share
            .get_or_insert_with(|| Arc::new(budget.share(client)));
        take(share, beyond)
    }

    /// The client that the memory is charged to.
    pub fn client(&self) -> &Client {
        self.client
    }

    /// The request's share, for work that outlives the request.
    pub fn share(&self) -> Option<Arc<Share>> {
        self.share.clone()
    }
}

/// Takes `bytes` more into a share.
///
/// # Errors
/// 503: the budget has fewer bytes left.
pub fn take(share: &Share, bytes: usize) -> Result<(), RequestError> {
    share.take(bytes as u64).map_err(|exceeded| {
        RequestError::over_budget(
            "request_memory_bytes",
            exceeded,
            "the requests in progress use all the memory in the budget: retry in a moment, or ask \
             for less at once",
        )
    })
}

/// Estimates the bytes that a JSON text takes when parsed.
pub fn weight_of(json: &[u8]) -> usize {
    let (mut values, mut names) = (1, 0);
    let (mut in_text, mut is_escaped) = (false, false);
    for byte in json {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if in_text => is_escaped = true,
            b'"' => in_text = !in_text,
            _ if in_text => {}
            b',' | b'[' | b'{' => values += 1,
            b':' => names += 1,
            _ => {}
        }
    }
    json.len() + values * VALUE_BYTES + names * NAME_BYTES
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_estimate_counts_values_and_names() {
        assert_eq!(weight_of(b"7"), 1 + VALUE_BYTES);
        let text = br#"{"a":[1,2,3],"b":"[,{\":"}"#;
        // Six values: the object, the two values of its fields, and three items. Two names.
        assert_eq!(
            weight_of(text),
            text.len() + 6 * VALUE_BYTES + 2 * NAME_BYTES
        );
    }
}
