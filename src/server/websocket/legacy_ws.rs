//! The older protocol (subscriptions-transport-ws, sub-protocol `graphql-ws`). Messages pass
//! unchanged; only the operations in progress are tracked.

use std::collections::HashSet;

use serde::Deserialize;

use super::transport_ws::MessageAction;

/// The protocol state of one socket.
#[derive(Default)]
pub struct Older {
    running: HashSet<String>,
    /// The id of the operation that the last message began.
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
    /// Handles a text from the client.
    pub fn received(&mut self, text: &str) -> MessageAction {
        self.last = None;
        let pass = MessageAction::Pass(text.to_owned());
        let Ok(Frame { kind, id: Some(id) }) = serde_json::from_str(text) else {
            return pass;
        };
        match kind.as_str() {
            // The engine also accepts the newer protocol's message types.
            "start" | "subscribe" if self.is_stopping => return MessageAction::Drop,
            "start" | "subscribe" => {
                self.last = Some(id.clone());
                self.running.insert(id);
            }
            "stop" | "complete" => drop(self.running.remove(&id)),
            _ => {}
        }
        pass
    }

    /// Handles a text from the engine, which the client gets unchanged.
    pub fn sent(&mut self, text: &str) {
        if let Ok(Frame { kind, id: Some(id) }) = serde_json::from_str(text)
            && matches!(kind.as_str(), "complete" | "error")
        {
            self.running.remove(&id);
        }
    }

    /// The number of operations in progress.
    pub fn running(&self) -> usize {
        self.running.len()
    }

    /// Drops new operations from now on.
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

    /// Withdraws the operation that began last, and returns its id.
    pub fn refuse(&mut self) -> Option<String> {
        let id = self.last.take()?;
        self.running.remove(&id);
        Some(id)
    }
}
