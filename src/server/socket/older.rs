//! The older protocol (subscriptions-transport-ws, sub-protocol `graphql-ws`): messages pass as they
//! are; only the operations under way are counted.

use std::collections::HashSet;

use serde::Deserialize;

use super::newer::Verdict;

/// One socket's conversation.
#[derive(Default)]
pub struct Older {
    running: HashSet<String>,
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
            "start" if self.is_stopping => return Verdict::Drop,
            "start" => drop(self.running.insert(id)),
            "stop" => drop(self.running.remove(&id)),
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

    /// Takes back what a text began; its id.
    pub fn refuse(&mut self, text: &str) -> Option<String> {
        let id = serde_json::from_str::<Frame>(text).ok()?.id?;
        self.running.remove(&id);
        Some(id)
    }
}
