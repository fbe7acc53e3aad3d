//! Stops waiting for a source's call when the source goes down.

use std::sync::Arc;

use crate::{
    source::{Breaker, Openings, Source, SourceError},
    upstream::UpstreamError,
};

/// Ends the wait for a source's call if the source goes down meanwhile.
pub(super) struct OutageWatch {
    breaker: Breaker,
    openings: Openings,
}

impl OutageWatch {
    pub(super) fn watch(source: &Arc<dyn Source>) -> Self {
        let breaker = source.breaker();
        Self {
            openings: breaker.openings(),
            breaker,
        }
    }

    /// Returns the output of `result`, unless the source goes down first. If it is down already,
    /// one call may try it: only that call's caller waits, not the requests that join it.
    pub(super) async fn or<T>(
        mut self,
        called: bool,
        result: impl Future<Output = T>,
    ) -> Result<T, SourceError> {
        let is_down = !called && self.breaker.time_to_probe().is_some();
        tokio::select! {
            biased;
            result = result, if !is_down => return Ok(result),
            () = self.openings.next(), if !is_down => {}
            else => {}
        }
        let wait = self.breaker.time_to_probe().unwrap_or_default();
        let refusal = UpstreamError::CircuitOpen { wait };
        Err(if called {
            // The call was made, but the gateway stops waiting for it.
            SourceError::Unavailable {
                status: None,
                reason: refusal.to_string(),
                retry_after: Some(wait),
            }
        } else {
            refusal.into()
        })
    }
}
