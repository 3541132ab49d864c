//! What becomes of headers on their way through: those of one hop end here, and where a request comes from is said by us.
//! Pure.

use hyper::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::http::{Method, StatusCode, Version};
use ipnet::IpNet;
use std::net::IpAddr;

/// Headers that are about one connection (RFC 9110 7.6.1), beside those that `Connection` names.
const OF_ONE_HOP: [HeaderName; 7] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];
/// `Connection` cannot make us drop what says whose request this is and how long it is.
const NEVER_DROPPED: [HeaderName; 2] = [header::HOST, header::CONTENT_LENGTH];

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// The protocol that a request asks to go on with: only websockets. `h2c` above all is refused, since requests inside such
/// a tunnel would pass no gate and no routing.
pub(super) const WEBSOCKET: &str = "websocket";

/// What `Upgrade` asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Upgrade {
    /// Nothing, or something that we do not do: the request goes on as if it had not asked.
    None,
    /// A websocket.
    Websocket,
}

/// Whether a request asks for a websocket, with both headers that it takes.
pub(super) fn upgrade_asked(method: &Method, version: Version, headers: &HeaderMap) -> Upgrade {
    let mut upgrades = headers.get_all(header::UPGRADE).iter();
    let only = match (upgrades.next(), upgrades.next()) {
        (Some(value), None) => value.as_bytes().eq_ignore_ascii_case(WEBSOCKET.as_bytes()),
        _ => false,
    };
    let connection = tokens(headers, &header::CONNECTION).any(|token| token.eq_ignore_ascii_case("upgrade"));
    match only && connection && method == Method::GET && version == Version::HTTP_11 {
        true => Upgrade::Websocket,
        false => Upgrade::None,
    }
}

/// Whether an answer says that the connection is a websocket from here on.
pub(super) fn is_upgraded(status: StatusCode, headers: &HeaderMap) -> bool {
    status == StatusCode::SWITCHING_PROTOCOLS
        && headers.get(header::UPGRADE).is_some_and(|v| v.as_bytes().eq_ignore_ascii_case(WEBSOCKET.as_bytes()))
}

/// The address that gates judge: the peer's; if a trusted proxy sent the request, the last one in `X-Forwarded-For` that
/// is no trusted proxy itself.
///
/// # Errors
/// When a trusted proxy sends something that cannot be read: then nobody knows who asks.
pub(super) fn client_address(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> Result<IpAddr, ()> {
    let is_trusted = |address: &IpAddr| trusted.iter().any(|net| net.contains(address));
    let mut client = peer.to_canonical();
    let said: Vec<&str> = tokens(headers, &X_FORWARDED_FOR).collect();
    let readable = headers.get_all(X_FORWARDED_FOR).iter().all(|value| value.to_str().is_ok());
    for address in said.into_iter().rev() {
        if !is_trusted(&client) {
            break;
        }
        if !readable {
            return Err(());
        }
        client = address.parse::<IpAddr>().map_err(|_| ())?.to_canonical();
    }
    Ok(client)
}

/// Makes the headers of a request fit for the service.
pub(super) fn to_service(headers: &mut HeaderMap, peer: IpAddr, trusted: &[IpNet], upgrade: Upgrade, chunked: bool) {
    let wants_trailers = tokens(headers, &header::TE).any(|token| token.eq_ignore_ascii_case("trailers"));
    drop_hop(headers);
    headers.remove(header::EXPECT);
    if wants_trailers {
        headers.insert(header::TE, HeaderValue::from_static("trailers"));
    }
    if chunked {
        // Said aloud, since hyper believes that a GET has no body unless it is.
        headers.insert(header::TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    }
    if upgrade == Upgrade::Websocket {
        headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(header::UPGRADE, HeaderValue::from_static(WEBSOCKET));
    }
    let peer = peer.to_canonical();
    if !trusted.iter().any(|net| net.contains(&peer)) {
        drop_forwarded(headers);
    }
    say_where_from(headers, peer);
}

/// Makes the headers of an answer fit for the client.
pub(super) fn to_client(headers: &mut HeaderMap, upgrade: Upgrade) {
    drop_hop(headers);
    if upgrade == Upgrade::Websocket {
        headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(header::UPGRADE, HeaderValue::from_static(WEBSOCKET));
    }
}

fn drop_hop(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = tokens(headers, &header::CONNECTION)
        .filter_map(|token| HeaderName::from_bytes(token.as_bytes()).ok())
        .filter(|name| !NEVER_DROPPED.contains(name))
        .collect();
    for name in OF_ONE_HOP.iter().chain(&named) {
        headers.remove(name);
    }
}

/// Takes away what a client says about where it comes from, also under names that a service takes for the same: CGI and
/// WSGI read `X_Forwarded_For` and `X-Forwarded-For` from one variable.
fn drop_forwarded(headers: &mut HeaderMap) {
    let says_where_from = |name: &HeaderName| {
        let name = name.as_str().replace('_', "-");
        name == "forwarded" || name == "x-real-ip" || name.starts_with("x-forwarded-")
    };
    let named: Vec<HeaderName> = headers.keys().filter(|name| says_where_from(name)).cloned().collect();
    for name in named {
        headers.remove(name);
    }
}

/// Adds the peer to what a trusted proxy said, or says it alone.
fn say_where_from(headers: &mut HeaderMap, peer: IpAddr) {
    let host = headers.get(header::HOST).cloned();
    append(headers, &X_FORWARDED_FOR, &peer.to_string());
    let quoted_host = host.as_ref().and_then(|host| host.to_str().ok()).filter(|host| !host.contains(['"', '\\']));
    let forwarded = match (peer, quoted_host) {
        (IpAddr::V4(peer), Some(host)) => format!("for={peer};host=\"{host}\";proto=http"),
        (IpAddr::V4(peer), None) => format!("for={peer};proto=http"),
        (IpAddr::V6(peer), Some(host)) => format!("for=\"[{peer}]\";host=\"{host}\";proto=http"),
        (IpAddr::V6(peer), None) => format!("for=\"[{peer}]\";proto=http"),
    };
    append(headers, &header::FORWARDED, &forwarded);
    if let Some(host) = host {
        headers.entry(X_FORWARDED_HOST).or_insert(host);
    }
    headers.entry(X_FORWARDED_PROTO).or_insert(HeaderValue::from_static("http"));
}

fn append(headers: &mut HeaderMap, name: &HeaderName, last: &str) {
    let said: Vec<&str> = headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).collect();
    let all = if said.is_empty() { last.to_owned() } else { format!("{}, {last}", said.join(", ")) };
    let value = HeaderValue::from_str(&all).expect("readable header values, an address and a host make a header value");
    headers.insert(name, value);
}

/// The comma-separated words of all headers of one name.
fn tokens<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    let values = headers.get_all(name).iter();
    values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .filter(|t| !t.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(HeaderName::from_static(name), value.parse().unwrap());
        }
        headers
    }

    fn lines(headers: &HeaderMap) -> Vec<String> {
        let mut lines: Vec<String> = headers.iter().map(|(n, v)| format!("{n}: {}", v.to_str().unwrap())).collect();
        lines.sort();
        lines
    }

    const PEER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    #[test]
    fn headers_of_one_hop_end_here() {
        let mut sent = headers(&[
            ("host", "a.localhost"),
            ("connection", "close, X-Secret, Host, Content-Length"),
            ("x-secret", "1"),
            ("keep-alive", "5"),
            ("proxy-authorization", "x"),
            ("te", "trailers, deflate"),
            ("upgrade", "h2c"),
            ("expect", "100-continue"),
            ("content-length", "3"),
            ("cookie", "kept"),
        ]);
        to_service(&mut sent, PEER, &[], Upgrade::None, false);
        assert_eq!(
            lines(&sent),
            [
                "content-length: 3",
                "cookie: kept",
                "forwarded: for=127.0.0.1;host=\"a.localhost\";proto=http",
                "host: a.localhost",
                "te: trailers",
                "x-forwarded-for: 127.0.0.1",
                "x-forwarded-host: a.localhost",
                "x-forwarded-proto: http",
            ]
        );
    }

    #[test]
    fn what_a_client_says_about_itself_is_dropped_under_every_name() {
        let mut sent = headers(&[
            ("x-forwarded-for", "10.0.0.1"),
            ("x_forwarded_for", "10.0.0.1"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-prefix", "/admin"),
            ("x-real-ip", "10.0.0.1"),
            ("forwarded", "for=10.0.0.1"),
        ]);
        to_service(&mut sent, "::1".parse().unwrap(), &[], Upgrade::None, false);
        assert_eq!(
            lines(&sent),
            ["forwarded: for=\"[::1]\";proto=http", "x-forwarded-for: ::1", "x-forwarded-proto: http"]
        );
    }

    #[test]
    fn a_trusted_proxy_is_believed_and_named() {
        let trusted: Vec<IpNet> = vec!["127.0.0.0/8".parse().unwrap()];
        let mut sent = headers(&[("x-forwarded-for", "203.0.113.9"), ("x-forwarded-proto", "https"), ("host", "a")]);
        assert_eq!(client_address(PEER, &sent, &trusted), Ok("203.0.113.9".parse().unwrap()));
        to_service(&mut sent, PEER, &trusted, Upgrade::None, false);
        assert_eq!(
            lines(&sent),
            [
                "forwarded: for=127.0.0.1;host=\"a\";proto=http",
                "host: a",
                "x-forwarded-for: 203.0.113.9, 127.0.0.1",
                "x-forwarded-host: a",
                "x-forwarded-proto: https",
            ]
        );
    }

    #[test]
    fn t40_gates_see_the_last_address_that_is_not_trusted() {
        let trusted: Vec<IpNet> = vec!["127.0.0.1/32".parse().unwrap(), "10.0.0.0/8".parse().unwrap()];
        let said = |list: &str| client_address(PEER, &headers(&[("x-forwarded-for", list)]), &trusted);
        let ip = |text: &str| Ok(text.parse().unwrap());
        assert_eq!(
            said("1.1.1.1, 203.0.113.9, 10.0.0.7"),
            ip("203.0.113.9"),
            "a client can write what it likes to the left"
        );
        assert_eq!(said("10.0.0.7"), ip("10.0.0.7"));
        assert_eq!(said("203.0.113.9, nonsense"), Err(()));
        assert_eq!(client_address(PEER, &headers(&[("x-forwarded-for", "1.1.1.1")]), &[]), ip("127.0.0.1"));
        assert_eq!(client_address("::ffff:127.0.0.1".parse().unwrap(), &HeaderMap::new(), &[]), ip("127.0.0.1"));
    }

    #[test]
    fn only_a_websocket_is_an_upgrade() {
        let asked =
            |method: Method, version, lines: &[(&'static str, &str)]| upgrade_asked(&method, version, &headers(lines));
        let both = [("connection", "keep-alive, Upgrade"), ("upgrade", "WebSocket")];
        assert_eq!(asked(Method::GET, Version::HTTP_11, &both), Upgrade::Websocket);
        for (method, version, lines) in [
            (Method::POST, Version::HTTP_11, &both[..]),
            (Method::GET, Version::HTTP_10, &both[..]),
            (Method::GET, Version::HTTP_11, &both[1..]),
            (Method::GET, Version::HTTP_11, &[("connection", "upgrade"), ("upgrade", "h2c")]),
            (Method::GET, Version::HTTP_11, &[("connection", "upgrade"), ("upgrade", "websocket, h2c")]),
            (Method::GET, Version::HTTP_11, &[("connection", "upgrade"), ("upgrade", "websocket"), ("upgrade", "h2c")]),
        ] {
            assert_eq!(asked(method, version, lines), Upgrade::None, "{lines:?}");
        }
    }
}
