//! "Did you mean": the nearest of some names, when one is near enough to be meant.

/// The nearest of `known` to what was written: at most a third of its letters away, and never a name of one or two
/// letters by chance. The first in order wins among equals, so the answer is the same every time.
pub fn nearest<'n>(written: &str, known: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    let limit = (written.chars().count() / 3).clamp(1, 3);
    let mut best: Option<(usize, &str)> = None;
    for name in known {
        let distance = strsim::damerau_levenshtein(written, name);
        if distance <= limit
            && distance < name.chars().count().max(2) - 1
            && best.is_none_or(|(least, _)| distance < least)
        {
            best = Some((distance, name));
        }
    }
    best.map(|(_, name)| name)
}

/// What may be meant: the nearest name, or else the one that what was written begins with.
pub fn meant<'n>(written: &str, known: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    let known: Vec<&str> = known.into_iter().collect();
    nearest(written, known.iter().copied()).or_else(|| beginning(written, known))
}

/// The longest of `known` that is the beginning of what was written, word by word: of `postgres-rds-highmem` that is
/// `postgres-rds`.
fn beginning<'n>(written: &str, known: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    let begins = |name: &&str| written.strip_prefix(name).is_some_and(|rest| rest.starts_with('-'));
    known.into_iter().filter(|name| name.len() > 2).filter(begins).max_by_key(|name| name.len())
}

/// The line of help that goes with it.
pub fn did_you_mean<'n>(written: &str, known: impl IntoIterator<Item = &'n str>) -> Option<String> {
    meant(written, known).map(|name| format!("did you mean `{name}`?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names_are_offered_and_far_ones_are_not() {
        assert_eq!(nearest("rediss", ["postgres", "redis"]), Some("redis"));
        assert_eq!(nearest("requries", ["requires", "replicas"]), Some("requires"));
        assert_eq!(nearest("mongodb", ["postgres", "redis"]), None);
        assert_eq!(nearest("x", ["y"]), None);
    }

    #[test]
    fn the_beginning_of_a_longer_name_is_offered() {
        let known = ["postgres", "postgres-rds", "redis", "p"];
        let told = |written| did_you_mean(written, known);
        assert_eq!(told("postgres-rds-highmem").as_deref(), Some("did you mean `postgres-rds`?"));
        assert_eq!(told("postgresql-rds-highmem"), None);
        assert_eq!(told("p-highmem"), None);
    }
}
