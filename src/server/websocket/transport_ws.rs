//! Implements graphql-transport-ws strictly (<https://github.com/enisdenjo/graphql-ws>): which
//! messages each side may send, and the close code of a violation. The engine is more lenient.

use std::{borrow::Cow, collections::HashMap};

use serde::{Deserialize, Serialize};
use serde_json::{Value, value::RawValue};

use crate::server::error;

/// Why a socket closes: a code, and a reason of at most 123 bytes.
#[derive(Debug, PartialEq, Eq)]
pub struct Close {
    pub code: u16,
    pub reason: String,
}

impl Close {
    pub fn new(code: u16, reason: &str) -> Self {
        // The payload of a close frame has at most 125 bytes, two of them for the code.
        let mut reason = error::excerpt(reason, 120);
        while reason.len() > 123 {
            reason.pop();
        }
        Self { code, reason }
    }

    fn invalid(reason: &str) -> Self {
        Self::new(4400, reason)
    }
}

/// How to handle a client's message.
#[derive(Debug, PartialEq, Eq)]
pub enum MessageAction {
    /// Send this text to the engine.
    Pass(String),
    /// Ignore the message.
    Drop,
    /// Send this answer, without the engine.
    Reply(String),
    Close(Close),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Waiting,
    Initialising,
    Acknowledged,
}

/// The protocol state of one socket. Each operation gets a new id for the engine. Late messages of
/// a finished operation thus never reach a new one with the same client id.
pub struct Newer {
    state: State,
    /// The client's ids of operations in progress that the client has not completed.
    running: HashMap<u64, String>,
    /// The number of operations begun so far.
    count: u64,
    is_stopping: bool,
}

#[derive(Deserialize)]
struct Frame<'a> {
    #[serde(rename = "type")]
    kind: String,
    id: Option<Value>,
    #[serde(borrow)]
    payload: Option<&'a RawValue>,
}

/// The payload of `subscribe`, for a check of its shape.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "read for their types")]
struct Payload<'a> {
    query: Option<Cow<'a, str>>,
    operation_name: Option<Cow<'a, str>>,
    #[serde(borrow)]
    variables: Option<&'a RawValue>,
    #[serde(borrow)]
    extensions: Option<&'a RawValue>,
}

impl Payload<'_> {
    fn fits(&self) -> bool {
        let objects = [self.variables, self.extensions];
        let is_object = |value: &RawValue| value.get().starts_with('{');
        objects.into_iter().flatten().all(is_object)
    }
}

/// A message whose payload is passed on unchanged.
#[derive(Serialize)]
struct Message<'a> {
    id: &'a str,
    #[serde(rename = "type")]
    kind: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<&'a RawValue>,
}

impl Message<'_> {
    fn text(&self) -> String {
        // Strings and parsed raw JSON always serialize.
        serde_json::to_string(self).unwrap_or_default()
    }
}

impl Newer {
    pub fn new() -> Self {
        Self {
            state: State::Waiting,
            running: HashMap::new(),
            count: 0,
            is_stopping: false,
        }
    }

    /// The number of operations in progress.
    pub fn running(&self) -> usize {
        self.running.len()
    }

    /// The key of the operation that began last.
    pub fn last(&self) -> String {
        self.count.to_string()
    }

    pub fn is_running(&self, key: &str) -> bool {
        key.parse()
            .is_ok_and(|number| self.running.contains_key(&number))
    }

    /// Drops new operations from now on: the client sends them again after it reconnects.
    pub fn stop(&mut self) {
        self.is_stopping = true;
    }

    /// Withdraws the operation that began last, and returns the client's id of it.
    pub fn refuse(&mut self) -> Option<String> {
        self.running.remove(&self.count)
    }

    /// Whether the client has not sent `connection_init` yet.
    pub fn is_waiting(&self) -> bool {
        self.state == State::Waiting
    }

    /// Handles a text from the client.
    pub fn received(&mut self, text: &str) -> MessageAction {
        match self.check_message(text) {
            Ok(verdict) => verdict,
            Err(close) => MessageAction::Close(close),
        }
    }

    fn check_message(&mut self, text: &str) -> Result<MessageAction, Close> {
        // Serde would also read the fields from a list, in their order.
        let frame: Option<Frame<'_>> = text
            .trim_start()
            .starts_with('{')
            .then(|| serde_json::from_str(text).ok())
            .flatten();
        let Some(frame) = frame else {
            return Err(Close::invalid("expected a JSON object with `type`"));
        };
        let is_object = |payload: &RawValue| payload.get().starts_with('{');
        let is_none = |payload: &RawValue| payload.get() == "null";
        let payload = frame.payload.filter(|payload| !is_none(payload));
        match frame.kind.as_str() {
            "connection_init" | "ping" | "pong" if !payload.is_none_or(is_object) => Err(
                Close::invalid("the payload of this message must be an object, or absent"),
            ),
            "connection_init" if self.state != State::Waiting => {
                Err(Close::new(4429, "Too many initialisation requests"))
            }
            "connection_init" => {
                self.state = State::Initialising;
                Ok(MessageAction::Pass(text.to_owned()))
            }
            "ping" => {
                let mut pong = serde_json::json!({ "type": "pong" });
                if let Some(payload) = payload
                    && let Ok(payload) = serde_json::from_str(payload.get())
                {
                    pong["payload"] = payload;
                }
                Ok(MessageAction::Reply(pong.to_string()))
            }
            "pong" => Ok(MessageAction::Drop),
            "subscribe" => {
                let id = id(frame.id)?;
                let fits = payload.is_some_and(|payload| {
                    is_object(payload)
                        && serde_json::from_str::<Payload<'_>>(payload.get())
                            .is_ok_and(|parsed| parsed.fits())
                });
                if !fits {
                    return Err(Close::invalid(
                        "the payload of `subscribe` is an object with `query`, and optionally \
                         `operationName`, `variables`, `extensions`",
                    ));
                }
                if self.state != State::Acknowledged {
                    return Err(Close::new(4401, "Unauthorized"));
                }
                if self.find(&id).is_some() {
                    let reason =
                        format!("Subscriber for {} already exists", error::excerpt(&id, 60));
                    return Err(Close::new(4409, &reason));
                }
                if self.is_stopping {
                    return Ok(MessageAction::Drop);
                }
                self.count += 1;
                self.running.insert(self.count, id);
                let own = self.count.to_string();
                let message = Message {
                    id: &own,
                    kind: "subscribe",
                    payload,
                };
                Ok(MessageAction::Pass(message.text()))
            }
            "complete" => match self.find(&id(frame.id)?) {
                Some(own) => {
                    self.running.remove(&own);
                    let message = Message {
                        id: &own.to_string(),
                        kind: "complete",
                        payload: None,
                    };
                    Ok(MessageAction::Pass(message.text()))
                }
                // The operation may have just ended.
                None => Ok(MessageAction::Drop),
            },
            _ => Err(Close::invalid(
                "a client's `type` is connection_init, subscribe, complete, ping or pong",
            )),
        }
    }

    /// The number of the operation in progress that has this client id.
    fn find(&self, id: &str) -> Option<u64> {
        let mut operations = self.running.iter();
        operations
            .find(|(_, client_id)| *client_id == id)
            .map(|(number, _)| *number)
    }

    /// Converts a text from the engine into the one for the client, if any.
    pub fn sent(&mut self, text: String) -> Option<String> {
        let Ok(frame) = serde_json::from_str::<Frame<'_>>(&text) else {
            return Some(text);
        };
        let kind = frame.kind.as_str();
        if kind == "connection_ack" {
            self.state = State::Acknowledged;
        }
        let Some(number) = frame.id.as_ref().and_then(Value::as_str) else {
            return Some(text);
        };
        // After either side has completed an operation, its messages are dropped.
        let number: u64 = number.parse().ok()?;
        let id = self.running.get(&number)?.clone();
        if kind == "complete" {
            self.running.remove(&number);
        }
        if kind == "next"
            && let Some(errors) = frame.payload.and_then(request_errors)
        {
            // No field was executed: the operation ends with these errors.
            self.running.remove(&number);
            let error = serde_json::json!({ "id": id, "type": "error", "payload": errors });
            return Some(error.to_string());
        }
        let message = Message {
            id: &id,
            kind,
            payload: frame.payload,
        };
        Some(message.text())
    }
}

fn id(value: Option<Value>) -> Result<String, Close> {
    match value {
        Some(Value::String(id)) if !id.is_empty() => Ok(id),
        _ => Err(Close::invalid(
            "this message needs an `id`, a string that is not empty",
        )),
    }
}

/// The errors of a result without data, if none of them has a `path`.
fn request_errors(payload: &RawValue) -> Option<Value> {
    // Most results have data, so they are not parsed.
    let text = payload.get();
    if !(text.starts_with("{\"errors\"") && text.ends_with("\"data\":null}")) {
        return None;
    }
    let mut result: Value = serde_json::from_str(payload.get()).ok()?;
    let errors = result.get_mut("errors")?.take();
    let entries = errors.as_array()?;
    let of_request = entries.iter().all(|error| error.get("path").is_none());
    (of_request && !entries.is_empty()).then_some(errors)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pass(conversation: &mut Newer, message: &Value) -> Value {
        match conversation.received(&message.to_string()) {
            MessageAction::Pass(text) => serde_json::from_str(&text).expect("JSON"),
            other => panic!("{message}: {other:?}"),
        }
    }

    fn for_client(conversation: &mut Newer, message: &Value) -> Option<Value> {
        let for_client = conversation.sent(message.to_string());
        for_client.map(|text| serde_json::from_str(&text).expect("JSON"))
    }

    fn begun() -> Newer {
        let mut conversation = Newer::new();
        let init = json!({ "type": "connection_init" });
        assert_eq!(pass(&mut conversation, &init), init);
        let ack = json!({ "type": "connection_ack" });
        assert_eq!(for_client(&mut conversation, &ack), Some(ack));
        conversation
    }

    fn code(conversation: &mut Newer, text: &str) -> u16 {
        match conversation.received(text) {
            MessageAction::Close(close) => close.code,
            _ => 0,
        }
    }

    fn ask() -> Value {
        json!({ "id": "a", "type": "subscribe", "payload": { "query": "{__typename}" } })
    }

    #[test]
    fn each_breach_has_its_code() {
        let ask = ask().to_string();
        assert_eq!(code(&mut Newer::new(), &ask), 4401);
        let mut hasty = Newer::new();
        assert_eq!(code(&mut hasty, r#"{"type":"connection_init"}"#), 0);
        assert_eq!(code(&mut hasty, &ask), 4401, "not acknowledged yet");
        assert_eq!(code(&mut begun(), r#"{"type":"connection_init"}"#), 4429);
        let mut twice = begun();
        assert_eq!(code(&mut twice, &ask), 0);
        assert_eq!(code(&mut twice, &ask), 4409);
        for wrong in [
            "",
            "7",
            "[]",
            "{}",
            r#"["ping",null,null]"#,
            r#"["subscribe","1",{"query":"{a}"}]"#,
            r#"{"type":7}"#,
            r#"{"type":"start","id":"1","payload":{"query":"{a}"}}"#,
            r#"{"type":"connection_terminate"}"#,
            r#"{"type":"ping","payload":7}"#,
            r#"{"type":"subscribe","payload":{"query":"{a}"}}"#,
            r#"{"type":"subscribe","id":"","payload":{"query":"{a}"}}"#,
            r#"{"type":"subscribe","id":7,"payload":{"query":"{a}"}}"#,
            r#"{"type":"subscribe","id":"1"}"#,
            r#"{"type":"subscribe","id":"1","payload":"{a}"}"#,
            r#"{"type":"subscribe","id":"1","payload":["{a}",null,null,null]}"#,
            r#"{"type":"subscribe","id":"1","payload":{"query":7}}"#,
            r#"{"type":"subscribe","id":"1","payload":{"query":"{a}","variables":[]}}"#,
            r#"{"type":"complete"}"#,
        ] {
            assert_eq!(code(&mut begun(), wrong), 4400, "{wrong}");
        }
    }

    #[test]
    fn an_id_that_is_used_again_means_the_new_operation_alone() {
        let mut conversation = begun();
        let done = json!({ "type": "complete", "id": "a" });
        let first = pass(&mut conversation, &ask())["id"].clone();
        let next =
            |id: &Value, of: u64| json!({ "type": "next", "id": id, "payload": { "of": of } });
        assert_eq!(
            for_client(&mut conversation, &next(&first, 1)),
            Some(next(&json!("a"), 1))
        );
        // The client completes the operation and reuses its id before the engine has finished.
        assert_eq!(
            pass(&mut conversation, &done),
            json!({ "type": "complete", "id": first })
        );
        let second = pass(&mut conversation, &ask())["id"].clone();
        assert_ne!(first, second);
        assert_eq!(for_client(&mut conversation, &next(&first, 1)), None);
        assert_eq!(
            for_client(
                &mut conversation,
                &json!({ "type": "complete", "id": first })
            ),
            None
        );
        assert_eq!(
            for_client(&mut conversation, &next(&second, 2)),
            Some(next(&json!("a"), 2))
        );
        let end = json!({ "type": "complete", "id": second });
        assert_eq!(for_client(&mut conversation, &end), Some(done.clone()));
        assert_eq!(
            conversation.received(&done.to_string()),
            MessageAction::Drop
        );
    }

    #[test]
    fn pings_are_answered_at_any_time_with_their_payload() {
        let ping = json!({ "type": "ping", "payload": { "at": 1 } });
        let pong = json!({ "type": "pong", "payload": { "at": 1 } });
        let MessageAction::Reply(reply) = Newer::new().received(&ping.to_string()) else {
            panic!("not answered");
        };
        assert_eq!(serde_json::from_str::<Value>(&reply).expect("JSON"), pong);
        assert_eq!(begun().received(&pong.to_string()), MessageAction::Drop);
    }

    #[test]
    fn request_errors_end_the_operation() {
        let mut conversation = begun();
        let own = pass(&mut conversation, &ask())["id"].clone();
        let own = own.as_str().expect("an id");
        let next = format!(
            r#"{{"type":"next","id":"{own}","payload":{{"errors":[{{"message":"no"}}],"data":null}}}}"#
        );
        let answer = conversation.sent(next).expect("for_client");
        assert_eq!(
            serde_json::from_str::<Value>(&answer).expect("JSON"),
            json!({ "type": "error", "id": "a", "payload": [{ "message": "no" }] })
        );
        assert_eq!(
            for_client(&mut conversation, &json!({ "type": "complete", "id": own })),
            None
        );
        // A null of an executed operation is a result, not an error.
        let own = pass(&mut conversation, &ask())["id"].clone();
        let payload = json!({ "data": null, "errors": [{ "message": "no", "path": ["a"] }] });
        let null = json!({ "type": "next", "id": own, "payload": payload });
        let answer = for_client(&mut conversation, &null).expect("for_client");
        assert_eq!(
            (&answer["type"], &answer["payload"]),
            (&json!("next"), &payload)
        );
    }
}
