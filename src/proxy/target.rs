//! Which host and path a request asks for, and whether every reader would say the same. Pure.

use hyper::http::uri::Authority;
use hyper::http::{HeaderMap, Method, Uri, Version, header};
use percent_encoding::percent_decode_str;
use std::net::IpAddr;

/// Why a request's target is refused with 400.
pub(super) type Why = &'static str;

/// The host that a request asks for: lower case, without port and without a last dot; none if it says none and need not.
///
/// # Errors
/// When it says none and must, says two, or says different ones in two places: the service might believe another one
/// than we do.
pub(super) fn host(version: Version, uri: &Uri, headers: &HeaderMap) -> Result<Option<String>, Why> {
    let mut said = headers.get_all(header::HOST).iter();
    let (first, second) = (said.next(), said.next());
    if second.is_some() {
        return Err("it has two Host headers");
    }
    let by_header = match first {
        None if version >= Version::HTTP_11 => return Err("it has no Host header"),
        None => None,
        Some(value) if value.is_empty() => None,
        Some(value) => {
            let authority = Authority::try_from(value.as_bytes()).map_err(|_| "its Host header is not a host")?;
            Some(plain_host(&authority)?)
        }
    };
    match uri.authority() {
        None => Ok(by_header),
        Some(authority) if by_header == Some(plain_host(authority)?) => Ok(by_header),
        Some(_) => Err("its request line and its Host header name different hosts"),
    }
}

fn plain_host(authority: &Authority) -> Result<String, Why> {
    if authority.as_str().contains('@') {
        return Err("a host has no user name before it");
    }
    let host = authority.host();
    let host = host.strip_suffix('.').unwrap_or(host);
    Ok(host.to_ascii_lowercase())
}

/// The path that a request asks for: in `OPTIONS *` the whole host.
pub(super) fn path<'a>(method: &Method, uri: &'a Uri) -> Result<&'a str, Why> {
    match uri.path() {
        "*" if method == Method::OPTIONS => Ok("/"),
        path if path.starts_with('/') => Ok(path),
        _ => Err("its target is not a path"),
    }
}

/// Whether a host can only mean this machine. A name that somebody else's name server can point at the loopback address
/// is none: through such a name a page in the user's browser would reach services that are open to this machine only.
pub(super) fn is_of_this_machine(host: &str) -> bool {
    let address = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
    match address.parse::<IpAddr>() {
        Ok(address) => address.to_canonical().is_loopback(),
        Err(_) => host == "localhost" || host.ends_with(".localhost"),
    }
}

/// Of routes with their path prefixes, longest first, the one that a path belongs to.
///
/// # Errors
/// When the path can be read in several ways (`%2e%2e`, `//`, `\`, `;`) that lead to different routes: we would judge by
/// one gate what the service then takes for something behind another.
pub(super) fn choose<'a, T>(routes: &'a [(String, T)], path: &str) -> Result<Option<&'a T>, Why> {
    let chosen = position(routes, path);
    let one_for_all = routes.len() == 1 && routes[0].0 == "/";
    let plain = !path.contains(['%', '\\', ';']) && !path.contains("//") && !path.contains("/.");
    if !one_for_all && !plain && readings(path).any(|reading| position(routes, &reading) != chosen) {
        return Err("its path can be read in two ways that lead to different entrypoints");
    }
    Ok(chosen.map(|at| &routes[at].1))
}

fn position<T>(routes: &[(String, T)], path: &str) -> Option<usize> {
    routes.iter().position(|(prefix, _)| is_under(prefix, path))
}

/// `/api` holds `/api` and `/api/x`, not `/apis`.
fn is_under(prefix: &str, path: &str) -> bool {
    prefix == "/" || path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// What servers make of a path: each decodes, takes parameters away, merges slashes and walks dots, or does not.
fn readings(path: &str) -> impl Iterator<Item = String> + '_ {
    (0..16_u8).map(move |does| {
        let mut read = path.to_owned();
        if does & 1 != 0 {
            read = percent_decode_str(&read).decode_utf8_lossy().into_owned();
        }
        if does & 2 != 0 {
            read = read
                .split('/')
                .map(|segment| segment.split(';').next().unwrap_or_default())
                .collect::<Vec<_>>()
                .join("/");
        }
        if does & 4 != 0 {
            read = merge_slashes(&read);
        }
        if does & 8 != 0 {
            read = walk_dots(&read);
        }
        read
    })
}

fn merge_slashes(path: &str) -> String {
    let mut merged = String::with_capacity(path.len());
    for letter in path.chars().map(|letter| if letter == '\\' { '/' } else { letter }) {
        if letter != '/' || !merged.ends_with('/') {
            merged.push(letter);
        }
    }
    merged
}

fn walk_dots(path: &str) -> String {
    let mut walked: Vec<&str> = Vec::new();
    for segment in path.strip_prefix('/').unwrap_or(path).split('/') {
        match segment {
            "." => {}
            ".." => {
                walked.pop();
            }
            segment => walked.push(segment),
        }
    }
    format!("/{}", walked.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host_of(uri: &str, hosts: &[&str]) -> Result<Option<String>, Why> {
        let mut headers = HeaderMap::new();
        for host in hosts {
            headers.append(header::HOST, host.parse().unwrap());
        }
        host(Version::HTTP_11, &uri.parse().unwrap(), &headers)
    }

    #[test]
    fn a_request_names_one_host() {
        let is = |host: &str| Ok(Some(host.to_owned()));
        assert_eq!(host_of("/", &["Guestbook.LOCALHOST:8080"]), is("guestbook.localhost"));
        assert_eq!(host_of("/", &["guestbook.localhost."]), is("guestbook.localhost"));
        assert_eq!(host_of("/", &["[::1]:8080"]), is("[::1]"));
        assert_eq!(host_of("http://a.localhost/x", &["a.localhost"]), is("a.localhost"));
        assert_eq!(host_of("/", &[""]), Ok(None));
        for (uri, hosts) in [
            ("/", &[][..]),
            ("/", &["a", "a"]),
            ("/", &["a b"]),
            ("/", &["a/b"]),
            ("/", &["me@a"]),
            ("http://a.localhost/", &["b.localhost"]),
            ("http://b@a.localhost/", &["a.localhost"]),
        ] {
            assert!(host_of(uri, hosts).is_err(), "{uri} {hosts:?}");
        }
        assert_eq!(host(Version::HTTP_10, &"/".parse().unwrap(), &HeaderMap::new()), Ok(None));
    }

    #[test]
    fn names_that_others_can_point_here_are_not_this_machine() {
        for host in ["localhost", "a.localhost", "127.0.0.1", "127.9.9.9", "[::1]", "[::ffff:127.0.0.1]"] {
            assert!(is_of_this_machine(host), "{host}");
        }
        for host in ["example.com", "localhost.example.com", "notlocalhost", "10.0.0.1", "[::2]", ""] {
            assert!(!is_of_this_machine(host), "{host}");
        }
    }

    #[test]
    fn the_longest_prefix_wins_on_segment_boundaries() {
        let routes: Vec<(String, &str)> =
            [("/api/admin", "admin"), ("/api", "api"), ("/", "web")].map(|(p, n)| (p.to_owned(), n)).to_vec();
        for (path, name) in [
            ("/", "web"),
            ("/apis", "web"),
            ("/api", "api"),
            ("/api/", "api"),
            ("/api/administrator", "api"),
            ("/api/admin/x", "admin"),
            ("/a%20b", "web"),
            ("/x;y=1", "web"),
            ("/api/x%2Fy", "api"),
            ("/api/./x", "api"),
        ] {
            assert_eq!(choose(&routes, path), Ok(Some(&name)), "{path}");
        }
        assert_eq!(choose(&routes[..2], "/other"), Ok(None));
    }

    #[test]
    fn a_path_that_leads_two_ways_is_refused() {
        let routes = [("/admin", ()), ("/", ())].map(|(p, n)| (p.to_owned(), n));
        for path in [
            "/x/../admin",
            "/admin/../x",
            "/%61dmin",
            "//admin",
            "/x/%2e%2e/admin",
            "/x/..%2fadmin",
            "/admin;a=b",
            "/x/..;/admin",
            "/\\admin",
            "/./admin",
            "//admin/../x",
        ] {
            assert!(choose(&routes, path).is_err(), "{path}");
        }
        let one = [("/".to_owned(), ())];
        assert_eq!(
            choose(&one, "/x/../admin"),
            Ok(Some(&())),
            "where there is one route, the path is the service's affair"
        );
    }
}
