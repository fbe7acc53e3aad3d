//! An origin whose pages may read responses.

use url::Url;

use super::web_url::web_url;

/// One origin, or a pattern of origins, in `cors_origins`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AllowedOrigin {
    /// As `Origin` writes it (RFC 6454, 6.2).
    Exact(String),
    /// `https://*.example.com`: one label in place of the `*`.
    Subdomain {
        /// `https://`.
        before: String,
        /// `.example.com`, with a port if there is one.
        after: String,
    },
    /// `http://localhost:*`: any port of this machine, and none.
    AnyPort(String),
}

impl AllowedOrigin {
    /// The rule for `cors_origins`.
    pub const RULE: &str = "must be an origin, such as https://app.example.com: scheme and host, and a port where it \
         is not the scheme's own. `*` stands for one label before a domain, as in \
         https://*.example.com, or for the port in http://localhost:*; alone it would open the \
         gateway to every page there is";

    /// Parses an origin.
    ///
    /// # Errors
    /// [`AllowedOrigin::RULE`], for anything else.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let parsed = match text.split_once('*') {
            None => exact(text).map(Self::Exact),
            Some((before, "")) => any_port(before),
            Some((before, after)) => subdomain(before, after),
        };
        parsed.ok_or(Self::RULE)
    }

    /// Any port of this machine, over http.
    #[must_use]
    pub fn of_this_machine() -> [Self; 2] {
        ["http://localhost", "http://127.0.0.1"].map(|host| Self::AnyPort(host.to_owned()))
    }

    /// Whether an `Origin` header names it.
    #[must_use]
    pub fn matches(&self, origin: &str) -> bool {
        match self {
            Self::Exact(exact) => exact == origin,
            Self::Subdomain { before, after } => origin
                .strip_prefix(before)
                .and_then(|rest| rest.strip_suffix(after))
                .is_some_and(is_label),
            Self::AnyPort(host) => match origin.strip_prefix(host) {
                Some("") => true,
                Some(port) => port
                    .strip_prefix(':')
                    .filter(|port| port.bytes().all(|byte| byte.is_ascii_digit()))
                    .is_some_and(|port| port.parse::<u16>().is_ok()),
                None => false,
            },
        }
    }
}

/// Returns an origin as browsers write it. Apps in a web view have schemes such as `capacitor`.
fn exact(text: &str) -> Option<String> {
    if let Some(url) = web_url(text) {
        return (url.path() == "/").then(|| url.origin().ascii_serialization());
    }
    let (scheme, host) = text.split_once("://")?;
    let is_scheme = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "+-.".contains(c);
    let is_app = !matches!(scheme, "http" | "https" | "file" | "ws" | "wss")
        && scheme.starts_with(|c: char| c.is_ascii_lowercase())
        && scheme.chars().all(is_scheme);
    let is_host = |c: char| c.is_ascii_alphanumeric() || "-._:".contains(c);
    let fits = is_app && !host.is_empty() && host.chars().all(is_host);
    fits.then(|| text.to_owned())
}

fn any_port(before: &str) -> Option<AllowedOrigin> {
    let host = before.strip_suffix(':')?;
    AllowedOrigin::of_this_machine()
        .into_iter()
        .find(|origin| *origin == AllowedOrigin::AnyPort(host.to_owned()))
}

fn subdomain(before: &str, after: &str) -> Option<AllowedOrigin> {
    // A domain of one label would be a public suffix.
    let domain = after.strip_prefix('.').filter(|rest| !rest.contains('*'))?;
    let url: Url = web_url(&format!("{before}{domain}"))?;
    let is_domain = url.domain().is_some_and(|domain| domain.contains('.'));
    let origin = exact(url.as_str()).filter(|_| is_domain)?;
    let (scheme, rest) = origin.split_once("://")?;
    let before_matches = before == format!("{scheme}://");
    before_matches.then(|| AllowedOrigin::Subdomain {
        before: before.to_owned(),
        after: format!(".{rest}"),
    })
}

fn is_label(text: &str) -> bool {
    let is_part = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    !text.is_empty() && text.len() <= 63 && text.chars().all(is_part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_exact_or_has_one_wildcard() {
        for (text, allowed, refused) in [
            (
                "https://app.example.com",
                &["https://app.example.com"][..],
                &["https://app.example.com.", "http://app.example.com", "null"][..],
            ),
            (
                "https://*.example.com",
                &["https://pr-7.example.com", "https://a.example.com"],
                &[
                    "https://example.com",
                    "https://a.b.example.com",
                    "http://a.example.com",
                    "https://a.example.com:8443",
                    "https://evil.com/.example.com",
                    "https://evilexample.com",
                    "https://.example.com",
                    "https://a.example.com.evil.example",
                ],
            ),
            (
                "https://*.example.com:8443",
                &["https://a.example.com:8443"],
                &["https://a.example.com"],
            ),
            (
                "http://localhost:*",
                &["http://localhost", "http://localhost:3000"],
                &[
                    "http://localhost:x",
                    "http://localhost.evil.example",
                    "https://localhost:3000",
                    "http://localhost:99999",
                ],
            ),
            (
                "http://127.0.0.1:*",
                &["http://127.0.0.1:5173"],
                &["http://127.0.0.11:1"],
            ),
            (
                "capacitor://localhost",
                &["capacitor://localhost"],
                &["capacitor://other"],
            ),
            (
                "chrome-extension://abcdefghijklmnop",
                &["chrome-extension://abcdefghijklmnop"],
                &["chrome-extension://x"],
            ),
            ("app://.", &["app://."], &["app://x"]),
        ] {
            let origin = AllowedOrigin::parse(text).unwrap_or_else(|rule| panic!("{text}: {rule}"));
            for allowed in allowed {
                assert!(origin.matches(allowed), "{text} {allowed}");
            }
            for refused in refused {
                assert!(!origin.matches(refused), "{text} {refused}");
            }
        }
        for wrong in [
            "*",
            "https://*",
            "https://*.com",
            "https://*.*.example.com",
            "https://a*.example.com",
            "https://app.*.com",
            "https://*.example.com/path",
            "http://localhost:3*",
            "http://example.com:*",
            "*://example.com",
            "file://",
            "null",
            "https://user@example.com",
            "localhost:3000",
            "javascript:alert(1)",
        ] {
            assert!(AllowedOrigin::parse(wrong).is_err(), "{wrong}");
        }
    }
}
