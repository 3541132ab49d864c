//! The cookie of a browser that is signed in.

use axum::http::{HeaderMap, header};

/// The cookie's name. Browsers send cookies to all ports of a host, so the port is part of it: two servers of one
/// machine do not sign each other's browsers out.
#[must_use]
pub fn name(port: u16) -> String {
    format!("deployd-{port}")
}

/// What the cookie of that name holds, if it is sent once.
#[must_use]
pub fn read<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let texts = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let pairs = texts.flat_map(|text| text.split(';')).filter_map(|pair| pair.trim().split_once('='));
    let mut values = pairs.filter(|(key, _)| *key == name).map(|(_, value)| value);
    match (values.next(), values.next()) {
        (Some(value), None) => Some(value),
        _ => None,
    }
}

/// The header that sets it: for this host alone, not for scripts, not sent from other sites.
#[must_use]
pub fn set(name: &str, value: &str, seconds: u64) -> String {
    format!("{name}={value}; Path=/; HttpOnly; SameSite=Strict; Max-Age={seconds}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cookie_is_found_among_others() {
        let headers = |values: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(header::COOKIE, value.parse().unwrap());
            }
            headers
        };
        let name = name(7070);
        assert_eq!(read(&headers(&["a=b; deployd-7070=x", "c=d"]), &name), Some("x"));
        assert_eq!(read(&headers(&["deployd-7071=x"]), &name), None);
        assert_eq!(read(&headers(&["deployd-7070=x; deployd-7070=y"]), &name), None, "which of the two is not clear");
        assert_eq!(read(&HeaderMap::new(), &name), None);
    }
}
