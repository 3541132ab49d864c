//! `Hosts`: the names under which the server is spoken to. A web page that makes its own name point at the loopback
//! address (DNS rebinding) is told apart by the name that its browser sends (THREATS.md T36).

use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, header};
use std::collections::BTreeSet;
use std::net::SocketAddr;

/// The values of `Host` that are answered.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Hosts(BTreeSet<String>);

/// How a request names what it speaks to, and from where.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Told {
    /// As it should.
    Ours,
    /// No host, or more than one.
    NoHost,
    /// Another host.
    ForeignHost,
    /// Another page asks.
    ForeignOrigin,
}

impl Hosts {
    /// The loopback names of a port, the address itself, and what the operator names (`deployd.example.com`, with a port
    /// where it is not the scheme's).
    #[must_use]
    pub fn new(address: SocketAddr, named: &BTreeSet<String>) -> Hosts {
        let port = address.port();
        let mut hosts: BTreeSet<String> = named.iter().map(|name| name.to_ascii_lowercase()).collect();
        hosts.insert(address.to_string());
        if address.ip().is_loopback() || address.ip().is_unspecified() {
            for name in ["127.0.0.1", "localhost", "[::1]", "deployd.localhost"] {
                hosts.insert(format!("{name}:{port}"));
            }
        }
        Hosts(hosts)
    }

    /// Judges the head of a request: `Host` (and the authority of an absolute target), `Origin` and `Sec-Fetch-Site`.
    #[must_use]
    pub fn judge(&self, head: &Parts) -> Told {
        let mut hosts = head.headers.get_all(header::HOST).iter();
        let (Some(host), None) = (hosts.next(), hosts.next()) else { return Told::NoHost };
        let target = head.uri.authority().map(|authority| authority.as_str());
        if !self.knows(host.to_str().ok()) || target.is_some_and(|target| !self.knows(Some(target))) {
            return Told::ForeignHost;
        }
        match self.is_foreign_page(&head.headers) {
            true => Told::ForeignOrigin,
            false => Told::Ours,
        }
    }

    /// Whether a page of another origin asks. Pages of other ports are other origins: services that are deployed here
    /// have such pages.
    fn is_foreign_page(&self, headers: &HeaderMap) -> bool {
        let foreign = |origin: &HeaderValue| {
            let host = origin
                .to_str()
                .ok()
                .and_then(|origin| origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://")));
            !self.knows(host)
        };
        // Browsers that know it send it with every request, those without `Origin` too: images, EventSource, scripts.
        let site = headers.get("sec-fetch-site").map(HeaderValue::as_bytes);
        headers.get_all(header::ORIGIN).iter().any(foreign)
            || site.is_some_and(|site| site != b"same-origin" && site != b"none")
    }

    fn knows(&self, host: Option<&str>) -> bool {
        host.is_some_and(|host| self.0.contains(&host.to_ascii_lowercase()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::Request;

    fn judge(uri: &str, headers: &[(&str, &str)]) -> Told {
        let hosts = Hosts::new("127.0.0.1:7070".parse().unwrap(), &BTreeSet::from(["Ops.example.com".to_owned()]));
        let mut request = Request::builder().uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        hosts.judge(&request.body(()).unwrap().into_parts().0)
    }

    #[test]
    fn only_our_own_names_are_answered() {
        for host in ["127.0.0.1:7070", "localhost:7070", "LocalHost:7070", "[::1]:7070", "ops.example.com"] {
            assert_eq!(judge("/", &[("host", host)]), Told::Ours, "{host}");
        }
        for host in ["localhost", "localhost:80", "evil.example:7070", "127.0.0.1.nip.io:7070", "", "localhost:7070."] {
            assert_eq!(judge("/", &[("host", host)]), Told::ForeignHost, "{host}");
        }
        assert_eq!(judge("/", &[]), Told::NoHost);
        assert_eq!(judge("/", &[("host", "localhost:7070"), ("host", "localhost:7070")]), Told::NoHost);
        assert_eq!(judge("http://evil.example/v1", &[("host", "localhost:7070")]), Told::ForeignHost);
    }

    #[test]
    fn pages_of_other_origins_are_refused() {
        let with = |name, value| judge("/v1/events", &[("host", "127.0.0.1:7070"), (name, value)]);
        for origin in ["http://127.0.0.1:7070", "http://localhost:7070", "https://ops.example.com"] {
            assert_eq!(with("origin", origin), Told::Ours, "{origin}");
        }
        for origin in ["null", "http://127.0.0.1:8080", "http://guestbook.localhost:8080", "http://localhost", "evil"] {
            assert_eq!(with("origin", origin), Told::ForeignOrigin, "{origin}");
        }
        for (site, told) in [
            ("none", Told::Ours),
            ("same-origin", Told::Ours),
            ("same-site", Told::ForeignOrigin),
            ("cross-site", Told::ForeignOrigin),
        ] {
            assert_eq!(with("sec-fetch-site", site), told, "{site}");
        }
    }
}
