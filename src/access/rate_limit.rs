//! Rate limits by client: authenticated callers by their name, others by their address.

use std::{
    net::{IpAddr, Ipv6Addr},
    num::NonZeroU32,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use governor::{
    NotUntil, Quota, RateLimiter,
    clock::{Clock, DefaultClock, Reference},
    middleware::StateInformationMiddleware,
    state::keyed::HashMapStateStore,
};

use crate::settings::RateLimit;

/// The client that a request is charged to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Client {
    Known(Arc<str>),
    Address(IpAddr),
}

impl Client {
    /// The client at an address. IPv6 counts by /64, as one household has 2^64 addresses.
    #[must_use]
    pub fn at(address: IpAddr) -> Self {
        Self::Address(match address.to_canonical() {
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments();
                Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
            }
            address @ IpAddr::V4(_) => address,
        })
    }
}

/// A client's quota after a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestQuota {
    /// The largest burst of requests, and the seconds in which the full burst is available again.
    pub burst: u32,
    pub window: u64,
    /// Requests left.
    pub remaining: u32,
    /// Whole seconds until the request may be repeated; `None`: it is allowed.
    pub wait: Option<u64>,
}

type Limiter =
    RateLimiter<Client, HashMapStateStore<Client>, DefaultClock, StateInformationMiddleware>;

/// Limits the requests of each client, or has no limit.
pub struct RequestLimiter(Option<Limited>);

struct Limited {
    limiter: Limiter,
    limit: RateLimit,
    calls: AtomicUsize,
}

/// Clients with a full quota are removed once in this number of calls.
const SWEEP: usize = 4_096;

impl RequestLimiter {
    #[must_use]
    pub fn new(limit: Option<RateLimit>) -> Self {
        Self(limit.and_then(|limit| {
            let burst = NonZeroU32::new(limit.burst)?;
            let per_minute = NonZeroU32::new(limit.per_minute)?;
            let quota = Quota::per_minute(per_minute).allow_burst(burst);
            Some(Limited {
                limiter: RateLimiter::hashmap(quota).with_middleware(),
                limit,
                calls: AtomicUsize::new(0),
            })
        }))
    }

    /// Takes `count` requests from the quota, if it has that many. `None`: there is no limit.
    #[must_use]
    pub fn take(&self, client: &Client, count: u32) -> Option<RequestQuota> {
        let limited = self.0.as_ref()?;
        if limited.calls.fetch_add(1, Ordering::Relaxed) % SWEEP == SWEEP - 1 {
            limited.limiter.retain_recent();
            limited.limiter.shrink_to_fit();
        }
        let quota = |remaining, wait| RequestQuota {
            burst: limited.limit.burst,
            window: (u64::from(limited.limit.burst) * 60).div_ceil(limited.limit.per_minute.into()),
            remaining,
            wait,
        };
        let count = NonZeroU32::new(count)?;
        Some(match limited.limiter.check_key_n(client, count) {
            Ok(Ok(left)) => quota(left.remaining_burst_capacity(), None),
            Ok(Err(not_until)) => quota(0, Some(seconds_until(&not_until))),
            // The count is larger than the burst, so it never fits.
            Err(_) => quota(0, Some(quota(0, None).window)),
        })
    }
}

fn seconds_until<P: Reference>(not_until: &NotUntil<P>) -> u64
where
    DefaultClock: Clock<Instant = P>,
{
    let wait = not_until.wait_time_from(DefaultClock::default().now());
    wait.saturating_add(Duration::from_millis(999))
        .as_secs()
        .max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_client_has_its_own_requests() {
        let rates = RequestLimiter::new(Some(RateLimit {
            per_minute: 6,
            burst: 3,
        }));
        let anna = Client::Known("key:anna".into());
        let take = |client: &Client, count| rates.take(client, count).expect("a limit");
        assert_eq!(take(&anna, 2).remaining, 1);
        assert_eq!(take(&anna, 2).wait, Some(10), "two are not left");
        assert_eq!(take(&anna, 1).remaining, 0);
        assert_eq!(take(&anna, 1).wait, Some(10));
        assert_eq!(take(&anna, 9).wait, Some(30), "nine never are");
        let home = |text: &str| Client::at(text.parse().expect("an address"));
        assert_eq!(take(&home("2001:db8::1"), 3).wait, None);
        assert!(
            take(&home("2001:db8::2"), 1).wait.is_some(),
            "the same household"
        );
        assert_eq!(take(&home("2001:db8:0:1::1"), 1).wait, None);
        assert_eq!(take(&home("::ffff:192.0.2.1"), 3).wait, None);
        assert!(
            take(&home("192.0.2.1"), 1).wait.is_some(),
            "the same address"
        );
        assert_eq!(RequestLimiter::new(None).take(&anna, 1), None);
    }
}
