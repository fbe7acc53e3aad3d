//! The older protocol (subscriptions-transport-ws, sub-protocol `graphql-ws`): messages pass as they
//! are; only the operations under way are counted.

use std::collections::HashSet;

use serde::Deserialize;

use super::transport_ws::Verdict;

/// One socket's conversation.
#[derive(Default)]
pub struct Older {
    running: HashSet<String>,
    /// That began last.
    last: Option<String>,
    is_stopping: bool,
}

#[derive(Deserialize)]
struct Frame {
    #[serde(rename = "type")]
    kind: String,
    id: Option<String>,
}

impl Older {
    /// A text of the client's.
    pub fn received(&mut self, text: &str) -> Verdict {
        let pass = Verdict::Pass(text.to_owned());
        let Ok(Frame { kind, id: Some(id) }) = serde_json::from_str(text) else {
            return pass;
        };
        match kind.as_str() {
            // The engine takes the newer protocol's words too.
            "start" | "subscribe" if self.is_stopping => return Verdict::Drop,
            "start" | "subscribe" => {
                self.last = Some(id.clone());
                self.running.insert(id);
            }
            "stop" | "complete" => drop(self.running.remove(&id)),
            _ => {}
        }
        pass
    }

    /// A text of the engine's, which the client gets as it is.
    pub fn sent(&mut self, text: &str) {
        if let Ok(Frame { kind, id: Some(id) }) = serde_json::from_str(text)
            && matches!(kind.as_str(), "complete" | "error")
        {
            self.running.remove(&id);
        }
    }

    /// Operations under way.
    pub fn running(&self) -> usize {
        self.running.len()
    }

    /// From now on no operation begins.
    pub fn stop(&mut self) {
        self.is_stopping = true;
    }

    /// The id of the operation that began last.
    pub fn last(&self) -> Option<String> {
        self.last.clone()
    }

    pub fn is_running(&self, id: &str) -> bool {
        self.running.contains(id)
    }

    /// Takes back the operation that began last; its id.
    pub fn refuse(&mut self) -> Option<String> {
        let id = self.last.take()?;
        self.running.remove(&id);
        Some(id)
    }
}
