//! Egress policy for file URLs on hosts that are not configured. A hostile or compromised source
//! must not make the gateway call hosts that only the gateway can reach (SSRF).

use std::{io, net::IpAddr};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

use crate::settings::is_this_machine;

/// Which hosts besides the source's own may hold its files.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum EgressPolicy {
    /// Public hosts over https, and other ports of the source's own host. If the source is on this
    /// machine, other ports of this machine too.
    #[default]
    Public,
    /// Only these hosts. `*.` matches any subdomain.
    Hosts(Vec<String>),
}

impl EgressPolicy {
    /// Whether a file URL may be used whose origin is not that of `base`, the source's URL.
    pub(super) fn allows(&self, url: &Url, base: &Url) -> bool {
        let Some(host) = url.host() else { return false };
        match self {
            Self::Public if url.host() == base.host() => true,
            Self::Public if is_this_machine(url) && is_this_machine(base) => true,
            Self::Public => {
                let is_public = match host {
                    Host::Domain(name) => name.contains('.') && !is_local(name),
                    Host::Ipv4(address) => is_public(address.into()),
                    Host::Ipv6(address) => is_public(address.into()),
                };
                is_public && url.scheme() == "https"
            }
            Self::Hosts(hosts) => {
                let host = host.to_string();
                hosts.iter().any(|entry| match entry.strip_prefix("*.") {
                    Some(above) => host
                        .strip_suffix(above)
                        .is_some_and(|rest| rest.len() > 1 && rest.ends_with('.')),
                    None => *entry == host,
                })
            }
        }
    }
}

/// Whether a host name is for local networks, never for the internet (RFC 6761, RFC 8375).
fn is_local(name: &str) -> bool {
    let name = name.trim_end_matches('.');
    let tops = ["localhost", "local", "internal", "lan", "home.arpa"];
    tops.iter().any(|top| {
        let rest = name.strip_suffix(top);
        rest.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    })
}

/// Whether an IP address is public (RFC 6890): not this machine, a private network or a reserved
/// range.
pub(super) fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(ip) => {
            let [a, b, c, _] = ip.octets();
            let is_shared = a == 100 && (64..128).contains(&b);
            let is_for_tests = a == 198 && (b & 0xfe) == 18;
            let is_for_protocols = (a, b, c) == (192, 0, 0);
            !(ip.is_private()
                || ip.is_loopback()
                || ip.is_link_local()
                || ip.is_multicast()
                || a == 0
                || a >= 240
                || is_shared
                || is_for_tests
                || is_for_protocols)
        }
        IpAddr::V6(ip) => {
            let [a, b, ..] = ip.segments();
            // Global unicast, except 6to4 and Teredo, which may lead to an IPv4 address.
            (a & 0xe000) == 0x2000 && a != 0x2002 && (a, b) != (0x2001, 0)
        }
    }
}

/// Resolves host names to public addresses only, except the source's own name. A public name may
/// point to an internal address.
pub(super) struct PublicNames {
    pub source_host: Option<String>,
    /// Whether the source is on this machine, so that its files may be too.
    pub on_loopback: bool,
}

impl Resolve for PublicNames {
    fn resolve(&self, name: Name) -> Resolving {
        let on_loopback = self.on_loopback && name.as_str() == "localhost";
        let is_own = on_loopback || self.source_host.as_deref() == Some(name.as_str());
        Box::pin(async move {
            let addresses = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let public: Vec<_> = addresses
                .filter(|address| is_own || is_public(address.ip()))
                .collect();
            if public.is_empty() {
                return Err(io::Error::other("the host name has no public address").into());
            }
            Ok(Box::new(public.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allows(policy: &EgressPolicy, url: &str) -> bool {
        let base = Url::parse("https://api.example.com/v1").expect("an address");
        policy.allows(&Url::parse(url).expect("an address"), &base)
    }

    #[test]
    fn nothing_inside_is_reached() {
        let public = EgressPolicy::Public;
        for inside in [
            "https://127.0.0.1/",
            "https://127.1/",
            "https://2130706433/",
            "https://0/",
            "https://10.0.0.1/",
            "https://172.20.1.1/",
            "https://192.168.0.1/",
            "https://169.254.169.254/latest/meta-data/",
            "https://100.64.0.1/",
            "https://[::1]/",
            "https://[::]/",
            "https://[::ffff:127.0.0.1]/",
            "https://[fd00::1]/",
            "https://[fe80::1]/",
            "https://[2002:7f00:1::]/",
            "https://localhost/",
            "https://localhost./",
            "https://db.internal/",
            "https://printer.local/",
            "https://intranet/",
            "http://bucket.example.org/",
        ] {
            assert!(!allows(&public, inside), "{inside}");
        }
        for outside in [
            "https://bucket.s3.eu-west-1.amazonaws.com/key?X-Amz-Signature=x",
            "https://storage.example.org:8443/",
            "https://8.8.8.8/",
            "https://[2606:4700::1]/",
            // The source's own host may serve its files on another port.
            "http://api.example.com:9000/",
        ] {
            assert!(allows(&public, outside), "{outside}");
        }
    }

    #[test]
    fn local_sources_may_keep_files_on_this_machine() {
        let url = |text| Url::parse(text).expect("an address");
        let (public, local) = (EgressPolicy::Public, url("http://127.0.0.1:8188/"));
        assert!(public.allows(&url("http://localhost:9000/x"), &local));
        assert!(public.allows(&url("http://[::1]:9000/x"), &local));
        assert!(!public.allows(&url("http://10.0.0.1:9000/x"), &local));
        assert!(!public.allows(&url("http://127.0.0.1/x"), &url("http://10.0.0.1/")));
    }

    #[test]
    fn named_hosts_are_the_only_ones() {
        let hosts = EgressPolicy::Hosts(vec!["*.s3.example.org".to_owned(), "10.0.0.7".to_owned()]);
        for named in [
            "https://a.s3.example.org/",
            "http://a.b.s3.example.org/",
            "http://10.0.0.7:9000/",
        ] {
            assert!(allows(&hosts, named), "{named}");
        }
        for other in [
            "https://s3.example.org/",
            "https://xs3.example.org/",
            "https://a.s3.example.org.evil.example/",
            "https://api.example.com:1/",
            "https://10.0.0.70/",
        ] {
            assert!(!allows(&hosts, other), "{other}");
        }
    }
}
