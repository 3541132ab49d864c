//! What the proxy itself answers: a status and a few plain words. Pure.

use super::target::is_of_this_machine;
use hyper::http::{Response, StatusCode, header};

/// An answer of our own, as text.
pub(super) struct Page {
    pub(super) status: StatusCode,
    pub(super) text: String,
    /// Seconds after which it may be worth asking again.
    pub(super) retry_after: Option<u64>,
    /// Whether the connection ends with it: nobody can be sure where the next request begins.
    pub(super) close: bool,
}

/// Hosts that a page names at most.
const HOSTS_TOLD_MAX: usize = 20;

impl Page {
    pub(super) fn new(status: StatusCode, text: impl Into<String>) -> Page {
        Page { status, text: text.into(), retry_after: None, close: false }
    }

    pub(super) fn retry_after(self, seconds: u64) -> Page {
        Page { retry_after: Some(seconds), ..self }
    }

    pub(super) fn close(self) -> Page {
        Page { close: true, ..self }
    }

    /// The head of the answer. The text is told to be text, and to be kept by nobody.
    pub(super) fn head(&self) -> Response<()> {
        let mut head = Response::builder()
            .status(self.status)
            .header(header::CONTENT_TYPE, "text/plain; charset=utf-8")
            .header(header::X_CONTENT_TYPE_OPTIONS, "nosniff")
            .header(header::CACHE_CONTROL, "no-store");
        if let Some(seconds) = self.retry_after {
            head = head.header(header::RETRY_AFTER, seconds);
        }
        if self.close {
            head = head.header(header::CONNECTION, "close");
        }
        head.body(()).expect("a status and constant headers make a head")
    }
}

/// No entrypoint has that host. Which hosts there are is told only to who asked under a name of this machine: a page from
/// elsewhere, whose name was pointed here, learns nothing. Hosts outside `.localhost` are never told.
pub(super) fn no_host<'a>(asked: Option<&str>, hosts: impl Iterator<Item = &'a str>, port: Option<u16>) -> Page {
    let mut text = "deployd: no entrypoint here has that host\n".to_owned();
    if asked.is_some_and(is_of_this_machine) {
        let told: Vec<&str> = hosts.filter(|host| host.ends_with(".localhost")).take(HOSTS_TOLD_MAX).collect();
        let port = port.map_or_else(String::new, |port| format!(":{port}"));
        told.iter().for_each(|host| text.push_str(&format!("  http://{host}{port}/\n")));
    }
    Page::new(StatusCode::NOT_FOUND, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_told_to_this_machine_only() {
        let hosts = ["a.localhost", "secret.example.com"];
        let told = |asked| no_host(asked, hosts.into_iter(), Some(8080)).text;
        assert!(told(Some("localhost")).contains("http://a.localhost:8080/"));
        assert!(!told(Some("localhost")).contains("secret"));
        for stranger in [None, Some("evil.example.com"), Some("10.0.0.1")] {
            assert!(!told(stranger).contains("a.localhost"), "{stranger:?}");
        }
    }
}
