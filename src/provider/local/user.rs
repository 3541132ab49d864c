//! `user` of a service: on this machine its processes run as deployd's own user, and as no other yet.

use crate::model::{Name, Value};
use crate::state::{Why, WhyCode};
use std::path::Path;

/// Where the names of users stand. A system that keeps them elsewhere too tells at least the name of its own user.
const USERS: &str = "/etc/passwd";

/// Who a server is.
pub(super) struct Own<'o> {
    /// Its number.
    pub number: u32,
    /// Its name, as its environment has it.
    pub name: Option<&'o str>,
}

/// Why nothing can run as that user here; nothing where it is deployd's own, or none is asked for.
pub(super) fn refusal(user: Option<&Value>, own: &Own<'_>, world: &Name) -> Option<Why> {
    let users = std::fs::read_to_string(Path::new(USERS)).unwrap_or_default();
    let (asked, is_own) = match user? {
        Value::Whole(number) => (number.to_string(), *number == i64::from(own.number)),
        Value::Text(text) => match text.parse::<u32>() {
            Ok(number) => (text.clone(), number == own.number),
            Err(_) => (text.clone(), is_called(text, own, &users)),
        },
        _ => return None,
    };
    if is_own {
        return None;
    }
    let text = format!(
        "`user: {asked}` is not built yet on deploy:local: what runs here runs as deployd's own user, {}",
        own.number
    );
    let way_out = format!("leave it out in this world: in: {{ {world}: {{ user: null }} }}");
    Some(Why::new(WhyCode::Missing, text).way_out(way_out))
}

fn is_called(name: &str, own: &Own<'_>, users: &str) -> bool {
    let line = users.lines().find(|line| line.split(':').next() == Some(name));
    match line.and_then(|line| line.split(':').nth(2)) {
        Some(number) => number == own.number.to_string(),
        None => own.name == Some(name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_own_user_is_taken() {
        let own = Own { number: 501, name: Some("ada") };
        let world = Name::fixed("laptop");
        let refused = |user: Value| refusal(Some(&user), &own, &world);
        assert!(refusal(None, &own, &world).is_none());
        assert!(refused(Value::Whole(501)).is_none() && refused(Value::from("501")).is_none());
        let why = refused(Value::Whole(1000)).unwrap();
        assert!(why.text.starts_with("`user: 1000` is not built yet"), "{why}");
        assert_eq!(why.way_out.as_deref(), Some("leave it out in this world: in: { laptop: { user: null } }"));
        assert!(refused(Value::from("no-such-user-here")).is_some());
        let users = "root:x:0:0::/root:/bin/sh\nada:x:501:501::/:/bin/sh\n";
        assert!(is_called("ada", &own, users) && !is_called("root", &own, users) && !is_called("bob", &own, users));
        assert!(is_called("ada", &own, ""), "its own name, where the system keeps its users elsewhere");
    }
}
