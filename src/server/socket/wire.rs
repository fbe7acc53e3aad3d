//! Between a socket and the engine: every frame passes the [`Watch`] on its way.

use std::{sync::OnceLock, time::Duration};

use axum::extract::ws::{CloseFrame, Message, WebSocket};
use futures_util::{Sink, Stream, sink, stream};
use tokio::{
    sync::mpsc,
    time::{Instant, sleep_until, timeout},
};

use super::watch::{Close, Verdict, Watch};

/// Frames on their way, each way. The engine waits when the client does.
const FRAMES: usize = 4;

/// How long a client may take to close its end.
const LINGER: Duration = Duration::from_secs(2);

/// Our end.
pub struct Ours {
    to_engine: mpsc::Sender<Message>,
    from_engine: mpsc::Receiver<Message>,
}

/// The socket is closed.
pub struct Gone;

/// Our end, and where the engine writes to and reads from. It ends when ours does.
pub fn pair() -> (
    Ours,
    impl Sink<Message, Error = Gone>,
    impl Stream<Item = Result<Message, axum::Error>>,
) {
    let (to_engine, in_engine) = mpsc::channel(FRAMES);
    let (from_engine, out_of_engine) = mpsc::channel(FRAMES);
    let sink = sink::unfold(from_engine, |sender, message| async move {
        sender.send(message).await.map_err(|_| Gone)?;
        Ok(sender)
    });
    let stream = stream::unfold(in_engine, |mut receiver| async move {
        let message = receiver.recv().await?;
        Some((Ok(message), receiver))
    });
    let ours = Ours {
        to_engine,
        from_engine: out_of_engine,
    };
    (ours, sink, stream)
}

/// What carries frames between the two.
pub struct Pump<'a> {
    pub socket: WebSocket,
    pub ours: Ours,
    /// `None`: the older protocol, which has no codes.
    pub watch: Option<Watch>,
    /// By when the client must have begun.
    pub deadline: Instant,
    pub has_begun: &'a (dyn Fn() -> bool + Send + Sync),
    /// Why the engine was told to refuse the client.
    pub refused: &'a OnceLock<Close>,
}

impl Pump<'_> {
    /// Runs until either side has ended.
    pub async fn run(mut self) {
        if let Some(close) = self.carry().await {
            let frame = CloseFrame {
                code: close.code,
                reason: close.reason.into(),
            };
            // Whoever is gone already needs no word.
            let _ = self.socket.send(Message::Close(Some(frame))).await;
        }
        // Whatever is under way ends.
        drop(self.ours);
        // Until the other side's close, or the answer to it, is through: a socket that is let go
        // with bytes unread is reset, and the code lost with it.
        let rest = async { while let Some(Ok(_)) = self.socket.recv().await {} };
        let _ = timeout(LINGER, rest).await;
    }

    /// Carries frames; gives why the socket is to be closed, where it still is open.
    async fn carry(&mut self) -> Option<Close> {
        let to_engine = self.ours.to_engine.clone();
        let mut pending = None;
        let mut is_late = false;
        loop {
            let frame = tokio::select! {
                frame = self.socket.recv(), if pending.is_none() => frame,
                permit = to_engine.reserve(), if pending.is_some() => {
                    let (permit, message) = (permit.ok()?, pending.take()?);
                    permit.send(message);
                    continue;
                }
                message = self.ours.from_engine.recv() => {
                    // The older protocol's end.
                    let Some(message) = message else {
                        return Some(Close::new(1000, ""));
                    };
                    match self.told(message) {
                        Ok(Some(message)) => self.socket.send(message).await.ok()?,
                        Ok(None) => {}
                        Err(close) => return Some(close),
                    }
                    continue;
                }
                // Whoever says nothing is not waited for; who is being let in is.
                () = sleep_until(self.deadline), if !is_late => {
                    is_late = true;
                    let waits = self.watch.as_ref().map_or(!(self.has_begun)(), Watch::is_waiting);
                    if waits {
                        return Some(Close::new(4408, "Connection initialisation timeout"));
                    }
                    continue;
                }
            };
            match frame? {
                Ok(Message::Text(text)) => match self.watch.as_mut().map(|own| own.received(&text))
                {
                    None => pending = Some(Message::Text(text)),
                    Some(Verdict::Pass(text)) => pending = Some(Message::Text(text.into())),
                    Some(Verdict::Drop) => {}
                    Some(Verdict::Reply(reply)) => {
                        self.socket.send(Message::Text(reply.into())).await.ok()?;
                    }
                    Some(Verdict::Close(close)) => return Some(close),
                },
                Ok(Message::Binary(bytes)) if self.watch.is_none() => {
                    pending = Some(Message::Binary(bytes));
                }
                Ok(Message::Binary(_)) => return Some(Close::new(4400, "messages are texts")),
                // Answered below this.
                Ok(Message::Ping(_) | Message::Pong(_)) => {}
                Ok(Message::Close(_)) => return None,
                Err(error) if error.to_string().contains("too long") => {
                    return Some(Close::new(1009, "a message is larger than it may be"));
                }
                Err(_) => return Some(Close::new(1002, "a frame is broken")),
            }
        }
    }

    /// What the client gets of the engine's message.
    fn told(&mut self, message: Message) -> Result<Option<Message>, Close> {
        match (message, &mut self.watch) {
            (Message::Text(text), Some(watch)) => Ok(watch
                .sent(text.to_string())
                .map(|text| Message::Text(text.into()))),
            (Message::Close(frame), Some(_)) => {
                let reason = frame.map(|own| own.reason.to_string()).unwrap_or_default();
                // The engine has one code for whatever it does not like.
                Err(match self.refused.get() {
                    Some(close) => Close::new(close.code, &close.reason),
                    None => Close::new(4400, &reason),
                })
            }
            (Message::Close(Some(frame)), None) => Err(Close::new(frame.code, &frame.reason)),
            (message, _) => Ok(Some(message)),
        }
    }
}
