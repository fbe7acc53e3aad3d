//! Connects a socket to the engine: every message passes through the [`Protocol`].

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use axum::{
    body::Bytes,
    extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket},
};
use futures_util::{Sink, Stream, sink, stream};
use tokio::{
    sync::{mpsc, watch},
    time::{Instant, sleep_until, timeout},
};

use super::{
    legacy_ws::Older,
    transport_ws::{Close, MessageAction, Newer},
};
use crate::{
    access::{Budget, Client, Share},
    server::{
        error::RequestError,
        graceful_shutdown::SHUTDOWN_GRACE,
        listener::{PartialMessage, stop_requested},
        memory,
        request_id::RequestId,
    },
};

/// Buffered frames in each direction. The engine waits when the client is slow.
const FRAMES: usize = 4;

/// How long a client may take to close its side.
const LINGER: Duration = Duration::from_secs(2);

/// The gateway's side of the channels to the engine.
pub struct EngineChannels {
    to_engine: mpsc::Sender<Message>,
    from_engine: mpsc::Receiver<Message>,
}

/// The socket is closed.
pub struct SocketClosed;

/// Connects the gateway's side to the sink and stream of the engine, which end when it is dropped.
pub fn pair() -> (
    EngineChannels,
    impl Sink<Message, Error = SocketClosed>,
    impl Stream<Item = Result<Message, axum::Error>>,
) {
    let (to_engine, in_engine) = mpsc::channel(FRAMES);
    let (from_engine, out_of_engine) = mpsc::channel(FRAMES);
    let sink = sink::unfold(from_engine, |sender, message| async move {
        sender.send(message).await.map_err(|_| SocketClosed)?;
        Ok(sender)
    });
    let stream = stream::unfold(in_engine, |mut receiver| async move {
        let message = receiver.recv().await?;
        Some((Ok(message), receiver))
    });
    let ours = EngineChannels {
        to_engine,
        from_engine: out_of_engine,
    };
    (ours, sink, stream)
}

/// How often a client is pinged. Two pings without an answer close the socket.
const PING: Duration = Duration::from_secs(12);
const MISSED: u32 = 2;

/// A socket closes this long before the end of [`SHUTDOWN_GRACE`], so that its close frame arrives.
const BEFORE_END: Duration = Duration::from_millis(500);

/// Messages up to this size, in bytes, need no memory reservation.
const SMALL: usize = 1024;

/// The protocol of a socket.
pub enum Protocol {
    Newer(Newer),
    /// Has no close codes.
    Older(Older),
}

impl Protocol {
    fn received(&mut self, text: &str) -> MessageAction {
        match self {
            Self::Newer(newer) => newer.received(text),
            Self::Older(older) => older.received(text),
        }
    }

    fn running(&self) -> usize {
        match self {
            Self::Newer(newer) => newer.running(),
            Self::Older(older) => older.running(),
        }
    }

    /// The key of the operation that a message began last.
    fn last(&self) -> Option<String> {
        match self {
            Self::Newer(newer) => Some(newer.last()),
            Self::Older(older) => older.last(),
        }
    }

    fn is_running(&self, key: &str) -> bool {
        match self {
            Self::Newer(newer) => newer.is_running(key),
            Self::Older(older) => older.is_running(key),
        }
    }

    fn stop(&mut self) {
        match self {
            Self::Newer(newer) => newer.stop(),
            Self::Older(older) => older.stop(),
        }
    }

    /// Refuses the operation that a text began; returns the error message for its client.
    fn refuse(&mut self, refusal: &RequestError) -> Option<String> {
        let id = RequestId::new();
        refusal.log(id);
        let (operation, payload) = match self {
            Self::Newer(newer) => (newer.refuse()?, refusal.errors(id)),
            Self::Older(older) => (older.refuse()?, refusal.errors(id)[0].take()),
        };
        let error = serde_json::json!({ "id": operation, "type": "error", "payload": payload });
        Some(error.to_string())
    }
}

/// Carries frames between the socket and the engine.
pub struct Pump<'a> {
    pub socket: WebSocket,
    pub ours: EngineChannels,
    pub protocol: Protocol,
    /// When the client must have sent `connection_init`.
    pub deadline: Instant,
    /// How long the socket may stay without an operation.
    pub idle: Duration,
    pub stopping: watch::Receiver<bool>,
    pub memory: Budget,
    pub client: Client,
    /// The incomplete message, if the connection has only this socket.
    pub partial: Option<Arc<PartialMessage>>,
    pub has_begun: &'a (dyn Fn() -> bool + Send + Sync),
    /// Why the engine refused the client.
    pub refused: &'a OnceLock<Close>,
}

impl Pump<'_> {
    /// Runs until either side has ended.
    pub async fn run(mut self) {
        if let Some(close) = self.forward_frames().await {
            let frame = CloseFrame {
                code: close.code,
                reason: close.reason.into(),
            };
            // A disconnected client needs no close frame.
            let _ = self.socket.send(Message::Close(Some(frame))).await;
        }
        // This ends all operations in progress.
        drop(self.ours);
        // Reads until the client has closed its side or the time is up. Closing a socket with
        // unread bytes resets it, and the client loses the close code.
        let rest = async { while let Some(Ok(_)) = self.socket.recv().await {} };
        let _ = timeout(LINGER, rest).await;
    }

    /// Carries frames; returns why to close the socket, or `None` if it is already closed.
    async fn forward_frames(&mut self) -> Option<Close> {
        let to_engine = self.ours.to_engine.clone();
        let mut pending = None;
        let mut is_late = false;
        let mut shares = Vec::new();
        let (mut idle_since, mut was_idle) = (Instant::now(), true);
        let (mut next_ping, mut unanswered) = (Instant::now() + PING, 0);
        let mut end = None;
        self.begin_message();
        loop {
            let is_idle = self.protocol.running() == 0;
            if is_idle && !was_idle {
                idle_since = Instant::now();
            }
            was_idle = is_idle;
            if is_idle && end.is_some() && pending.is_none() {
                return Some(restarting());
            }
            shares.retain(|(key, _): &(String, Share)| self.protocol.is_running(key));
            let frame = tokio::select! {
                frame = self.socket.recv(), if pending.is_none() => frame,
                permit = to_engine.reserve(), if pending.is_some() => {
                    let (permit, message) = (permit.ok()?, pending.take()?);
                    permit.send(message);
                    continue;
                }
                message = self.ours.from_engine.recv() => {
                    // The older protocol ends this way.
                    let Some(message) = message else {
                        return Some(Close::new(1000, ""));
                    };
                    match self.message_for_client(message) {
                        Ok(Some(message)) => self.socket.send(message).await.ok()?,
                        Ok(None) => {}
                        Err(close) => return Some(close),
                    }
                    continue;
                }
                // Closes a silent client. A client whose session is being opened may wait.
                () = sleep_until(self.deadline), if !is_late => {
                    is_late = true;
                    let waits = match &self.protocol {
                        Protocol::Newer(newer) => newer.is_waiting(),
                        Protocol::Older(_) => !(self.has_begun)(),
                    };
                    if waits {
                        return Some(Close::new(4408, "Connection initialisation timeout"));
                    }
                    continue;
                }
                () = sleep_until(idle_since + self.idle), if is_idle && is_late => {
                    return Some(Close::new(1001, "no operation for too long: reconnect for more"));
                }
                () = sleep_until(next_ping) => {
                    if unanswered >= MISSED {
                        return Some(Close::new(1001, "two pings were not answered"));
                    }
                    unanswered += 1;
                    next_ping += PING;
                    self.socket.send(Message::Ping(Bytes::new())).await.ok()?;
                    continue;
                }
                () = stop_requested(&mut self.stopping), if end.is_none() => {
                    self.protocol.stop();
                    end = Some(Instant::now() + SHUTDOWN_GRACE.saturating_sub(BEFORE_END));
                    continue;
                }
                () = sleep_until(end.unwrap_or(next_ping)), if end.is_some() => {
                    return Some(restarting());
                }
            };
            unanswered = 0;
            if self.is_refused() {
                return Some(out_of_memory());
            }
            let frame = frame?;
            match (&self.partial, &frame) {
                (Some(partial), Ok(Message::Ping(bytes) | Message::Pong(bytes))) => {
                    partial.forget(bytes.len());
                }
                _ => self.begin_message(),
            }
            let text = match frame {
                Ok(Message::Text(text)) => text,
                // The engine reads both text and binary.
                Ok(Message::Binary(bytes)) if matches!(self.protocol, Protocol::Older(_)) => {
                    match Utf8Bytes::try_from(bytes) {
                        Ok(text) => text,
                        Err(_) => return Some(Close::new(1007, "messages must be UTF-8 texts")),
                    }
                }
                Ok(Message::Binary(_)) => return Some(Close::new(4400, "messages must be texts")),
                // The WebSocket library answers pings.
                Ok(Message::Ping(_) | Message::Pong(_)) => continue,
                Ok(Message::Close(_)) => return None,
                Err(error) if error.to_string().contains("too long") => {
                    return Some(Close::new(1009, "the message is too large"));
                }
                Err(error) if error.to_string().contains("UTF-8") => {
                    return Some(Close::new(1007, "messages must be UTF-8 texts"));
                }
                Err(_) => return Some(Close::new(1002, "a frame is invalid")),
            };
            match self.protocol.received(&text) {
                MessageAction::Pass(passed) => match self.reserve_memory(&passed) {
                    Ok(share) => {
                        shares.extend(share.and_then(|share| Some((self.protocol.last()?, share))));
                        pending = Some(Message::Text(passed.into()));
                    }
                    Err(refusal) => {
                        // A message that began no operation, such as `connection_init`.
                        let Some(reply) = self.protocol.refuse(&refusal) else {
                            return Some(out_of_memory());
                        };
                        self.socket.send(Message::Text(reply.into())).await.ok()?;
                    }
                },
                MessageAction::Drop => {}
                MessageAction::Reply(reply) => {
                    self.socket.send(Message::Text(reply.into())).await.ok()?;
                }
                MessageAction::Close(close) => return Some(close),
            }
        }
    }

    fn begin_message(&self) {
        if let Some(partial) = &self.partial {
            partial.begin(self.memory.share(&self.client));
        }
    }

    fn is_refused(&self) -> bool {
        (self.partial.as_ref()).is_some_and(|partial| partial.is_refused())
    }

    /// Reserves the memory to parse a message, until its operation ends.
    fn reserve_memory(&self, text: &str) -> Result<Option<Share>, RequestError> {
        if text.len() <= SMALL {
            return Ok(None);
        }
        let share = self.memory.share(&self.client);
        memory::take(&share, memory::weight_of(text.as_bytes()))?;
        Ok(Some(share))
    }

    /// Converts a message from the engine into the one for the client, if any.
    fn message_for_client(&mut self, message: Message) -> Result<Option<Message>, Close> {
        match (message, &mut self.protocol) {
            (Message::Text(text), Protocol::Newer(newer)) => Ok(newer
                .sent(text.to_string())
                .map(|text| Message::Text(text.into()))),
            (Message::Text(text), Protocol::Older(older)) => {
                older.sent(&text);
                Ok(Some(Message::Text(text)))
            }
            (Message::Close(frame), Protocol::Newer(_)) => {
                let reason = frame
                    .map(|close_frame| close_frame.reason.to_string())
                    .unwrap_or_default();
                // The engine uses one code for every error.
                Err(match self.refused.get() {
                    Some(close) => Close::new(close.code, &close.reason),
                    None => Close::new(4400, &reason),
                })
            }
            (Message::Close(Some(frame)), Protocol::Older(_)) => {
                Err(Close::new(frame.code, &frame.reason))
            }
            (message, _) => Ok(Some(message)),
        }
    }
}

fn out_of_memory() -> Close {
    Close::new(
        1013,
        "requests use all the memory in the budget: reconnect in a moment",
    )
}

/// Not 1000: after that code some clients reconnect at once and forever.
fn restarting() -> Close {
    Close::new(1012, "the gateway is restarting: reconnect in a moment")
}
