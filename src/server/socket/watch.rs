//! graphql-transport-ws to the letter (its PROTOCOL.md): what each side may say next, and how a
//! socket that says something else is closed. The engine's own reading of it is looser.

use std::collections::HashSet;

use serde::Deserialize;
use serde_json::{Value, value::RawValue};

use crate::server::refusal;

/// Why a socket is closed: a code, and a reason of at most 123 bytes.
#[derive(Debug, PartialEq, Eq)]
pub struct Close {
    pub code: u16,
    pub reason: String,
}

impl Close {
    pub fn new(code: u16, reason: &str) -> Self {
        // The frame of a close has 125 bytes, two of them for the code.
        let mut reason = refusal::shown(reason, 120);
        while reason.len() > 123 {
            reason.pop();
        }
        Self { code, reason }
    }

    fn invalid(reason: &str) -> Self {
        Self::new(4400, reason)
    }
}

/// What becomes of a client's message.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The engine gets it.
    Pass,
    /// It needs nothing.
    Drop,
    /// It is answered without the engine.
    Reply(String),
    Close(Close),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Waiting,
    Initialising,
    Acknowledged,
}

/// One socket's conversation.
pub struct Watch {
    state: State,
    /// Operations that are under way and that the client has not completed.
    running: HashSet<String>,
}

#[derive(Deserialize)]
struct Frame<'a> {
    #[serde(rename = "type")]
    kind: String,
    id: Option<Value>,
    #[serde(borrow)]
    payload: Option<&'a RawValue>,
}

/// What `subscribe` carries, as far as its shape goes.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "read for their types")]
struct Payload {
    #[serde(default)]
    query: String,
    operation_name: Option<String>,
    variables: Option<serde_json::Map<String, Value>>,
    extensions: Option<serde_json::Map<String, Value>>,
}

impl Watch {
    pub fn new() -> Self {
        Self {
            state: State::Waiting,
            running: HashSet::new(),
        }
    }

    /// Whether the client has yet to begin.
    pub fn is_waiting(&self) -> bool {
        self.state == State::Waiting
    }

    /// A text of the client's.
    pub fn received(&mut self, text: &str) -> Verdict {
        match self.judge(text) {
            Ok(verdict) => verdict,
            Err(close) => Verdict::Close(close),
        }
    }

    fn judge(&mut self, text: &str) -> Result<Verdict, Close> {
        let frame: Frame<'_> = serde_json::from_str(text)
            .map_err(|_| Close::invalid("a message is a JSON object with `type`"))?;
        let is_object = |payload: Option<&RawValue>| {
            payload.is_none_or(|own| own.get().starts_with('{') || own.get() == "null")
        };
        match frame.kind.as_str() {
            "connection_init" | "ping" | "pong" if !is_object(frame.payload) => Err(
                Close::invalid("the payload of this message is an object, or not there"),
            ),
            "connection_init" if self.state != State::Waiting => {
                Err(Close::new(4429, "Too many initialisation requests"))
            }
            "connection_init" => {
                self.state = State::Initialising;
                Ok(Verdict::Pass)
            }
            "ping" => {
                let mut pong = serde_json::json!({ "type": "pong" });
                if let Some(payload) = frame.payload
                    && let Ok(payload) = serde_json::from_str(payload.get())
                {
                    pong["payload"] = payload;
                }
                Ok(Verdict::Reply(pong.to_string()))
            }
            "pong" => Ok(Verdict::Drop),
            "subscribe" => {
                let id = id(frame.id)?;
                let payload = frame.payload.map_or("", RawValue::get);
                serde_json::from_str::<Payload>(payload).map_err(|_| {
                    Close::invalid(
                        "the payload of `subscribe` is an object with `query`, and optionally \
                         `operationName`, `variables`, `extensions`",
                    )
                })?;
                if self.state != State::Acknowledged {
                    return Err(Close::new(4401, "Unauthorized"));
                }
                if self.running.contains(&id) {
                    let reason =
                        format!("Subscriber for {} already exists", refusal::shown(&id, 60));
                    return Err(Close::new(4409, &reason));
                }
                self.running.insert(id);
                Ok(Verdict::Pass)
            }
            "complete" => {
                // What is not under way may just have ended.
                let was_running = self.running.remove(&id(frame.id)?);
                Ok(if was_running {
                    Verdict::Pass
                } else {
                    Verdict::Drop
                })
            }
            _ => Err(Close::invalid(
                "a client's `type` is connection_init, subscribe, complete, ping or pong",
            )),
        }
    }

    /// A text of the engine's: what the client gets of it.
    pub fn sent(&mut self, text: String) -> Option<String> {
        let Ok(frame) = serde_json::from_str::<Frame<'_>>(&text) else {
            return Some(text);
        };
        let id = frame
            .id
            .as_ref()
            .and_then(Value::as_str)
            .unwrap_or_default();
        match frame.kind.as_str() {
            "connection_ack" => {
                self.state = State::Acknowledged;
                Some(text)
            }
            "next" if !self.running.contains(id) => None,
            "next" => match frame.payload.and_then(request_errors) {
                // Nothing was executed: the operation ends with its errors.
                Some(errors) => {
                    self.running.remove(id);
                    let error = serde_json::json!({ "id": id, "type": "error", "payload": errors });
                    Some(error.to_string())
                }
                None => Some(text),
            },
            // Whoever completed first has said it for both.
            "complete" => self.running.remove(id).then_some(text),
            _ => Some(text),
        }
    }
}

fn id(value: Option<Value>) -> Result<String, Close> {
    match value {
        Some(Value::String(id)) if !id.is_empty() => Ok(id),
        _ => Err(Close::invalid(
            "this message has an `id`, a text that is not empty",
        )),
    }
}

/// The errors of a result that has nothing else.
fn request_errors(payload: &RawValue) -> Option<Value> {
    // Most results have data: they are not read for this.
    let text = payload.get();
    if !(text.starts_with("{\"errors\"") && text.ends_with("\"data\":null}")) {
        return None;
    }
    let mut result: Value = serde_json::from_str(payload.get()).ok()?;
    let errors = result.get_mut("errors")?.take();
    let all = errors.as_array()?;
    let of_request = all.iter().all(|error| error.get("path").is_none());
    (of_request && !all.is_empty()).then_some(errors)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn begun() -> Watch {
        let mut watch = Watch::new();
        assert_eq!(
            watch.received(r#"{"type":"connection_init"}"#),
            Verdict::Pass
        );
        let ack = r#"{"type":"connection_ack"}"#.to_owned();
        assert_eq!(watch.sent(ack.clone()), Some(ack));
        watch
    }

    fn code(watch: &mut Watch, text: &str) -> u16 {
        match watch.received(text) {
            Verdict::Close(close) => close.code,
            _ => 0,
        }
    }

    const ASK: &str = r#"{"id":"1","type":"subscribe","payload":{"query":"{__typename}"}}"#;

    #[test]
    fn each_breach_has_its_code() {
        assert_eq!(code(&mut Watch::new(), ASK), 4401);
        let mut hasty = Watch::new();
        assert_eq!(code(&mut hasty, r#"{"type":"connection_init"}"#), 0);
        assert_eq!(code(&mut hasty, ASK), 4401, "not acknowledged yet");
        assert_eq!(code(&mut begun(), r#"{"type":"connection_init"}"#), 4429);
        let mut twice = begun();
        assert_eq!(code(&mut twice, ASK), 0);
        assert_eq!(code(&mut twice, ASK), 4409);
        for wrong in [
            "",
            "7",
            "[]",
            "{}",
            r#"{"type":7}"#,
            r#"{"type":"start","id":"1","payload":{"query":"{a}"}}"#,
            r#"{"type":"connection_terminate"}"#,
            r#"{"type":"ping","payload":7}"#,
            r#"{"type":"subscribe","payload":{"query":"{a}"}}"#,
            r#"{"type":"subscribe","id":"","payload":{"query":"{a}"}}"#,
            r#"{"type":"subscribe","id":7,"payload":{"query":"{a}"}}"#,
            r#"{"type":"subscribe","id":"1"}"#,
            r#"{"type":"subscribe","id":"1","payload":"{a}"}"#,
            r#"{"type":"subscribe","id":"1","payload":{"query":7}}"#,
            r#"{"type":"subscribe","id":"1","payload":{"query":"{a}","variables":[]}}"#,
            r#"{"type":"complete"}"#,
        ] {
            assert_eq!(code(&mut begun(), wrong), 4400, "{wrong}");
        }
    }

    #[test]
    fn an_id_may_be_used_again_once_its_operation_is_over() {
        let mut watch = begun();
        assert_eq!(watch.received(ASK), Verdict::Pass);
        let done = r#"{"type":"complete","id":"1"}"#;
        assert!(watch.sent(done.to_owned()).is_some());
        assert_eq!(watch.received(ASK), Verdict::Pass);
        // Completed by the client: nothing more is said of it.
        assert_eq!(watch.received(done), Verdict::Pass);
        assert_eq!(watch.sent(done.to_owned()), None);
        assert_eq!(
            watch.sent(r#"{"type":"next","id":"1","payload":{}}"#.to_owned()),
            None
        );
        assert_eq!(watch.received(done), Verdict::Drop);
    }

    #[test]
    fn pings_are_answered_at_any_time_with_their_payload() {
        let ping = r#"{"type":"ping","payload":{"at":1}}"#;
        let pong = r#"{"type":"pong","payload":{"at":1}}"#;
        let read = |text: &str| serde_json::from_str::<Value>(text).expect("JSON");
        let Verdict::Reply(reply) = Watch::new().received(ping) else {
            panic!("not answered");
        };
        assert_eq!(read(&reply), read(pong));
        assert_eq!(begun().received(pong), Verdict::Drop);
    }

    #[test]
    fn what_was_not_executed_is_an_error_and_nothing_follows_it() {
        let mut watch = begun();
        assert_eq!(watch.received(ASK), Verdict::Pass);
        let next =
            r#"{"type":"next","id":"1","payload":{"errors":[{"message":"no"}],"data":null}}"#;
        let told = watch.sent(next.to_owned()).expect("told");
        let wanted = r#"{"type":"error","id":"1","payload":[{"message":"no"}]}"#;
        assert_eq!(
            serde_json::from_str::<Value>(&told).expect("JSON"),
            serde_json::from_str::<Value>(wanted).expect("JSON")
        );
        assert_eq!(
            watch.sent(r#"{"type":"complete","id":"1"}"#.to_owned()),
            None
        );
        // A null that was executed is a result.
        assert_eq!(watch.received(ASK), Verdict::Pass);
        let null = r#"{"type":"next","id":"1","payload":{"errors":[{"message":"no","path":["a"]}],"data":null}}"#;
        assert_eq!(watch.sent(null.to_owned()), Some(null.to_owned()));
    }
}
