//! Pages: every list of the API is told in the same way. `limit` says how much, `cursor` where to go on, and `next` of an
//! answer is the cursor of the page after it.
//!
//! A cursor holds the place of the last thing that was told, not a number of things: what comes and goes meanwhile
//! neither repeats nor hides anything else. Nobody but us reads it.

use super::refusal::{Answer, Refusal};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use utoipa::IntoParams;

/// How much one page holds where nobody says: a screen or two.
const LIMIT: u16 = 100;
/// How much it holds at most: an answer that is built in memory stays small.
const LIMIT_MAX: u16 = 500;

/// Which part of a list.
#[derive(Clone, PartialEq, Eq, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Part {
    /// Where to go on: `next` of the page before, as it is.
    #[param(max_length = 512)]
    cursor: Option<String>,
    /// At most so many; 100 where nothing is said.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<u16>,
}

/// A page of a list.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Page<T> {
    /// What it holds.
    pub items: Vec<T>,
    /// Where the next one begins; nothing when these were the last.
    pub next: Option<String>,
}

impl Part {
    /// The page that is asked for of a list that is at hand, sorted by what its cursors hold.
    ///
    /// # Errors
    /// 400 for a limit that is none, or a cursor of another list.
    pub fn of<T, K>(&self, list: &str, all: impl IntoIterator<Item = T>, place: impl Fn(&T) -> K) -> Answer<Page<T>>
    where
        K: Ord + Serialize + DeserializeOwned,
    {
        let (limit, after) = (self.limit()?, self.after::<K>(list)?);
        let is_left = |one: &T| after.as_ref().is_none_or(|after| place(one) > *after);
        let mut items: Vec<T> = all.into_iter().filter(is_left).collect();
        items.sort_by_key(&place);
        let next = items.get(limit - 1).filter(|_| items.len() > limit).map(|last| cursor(list, &place(last)));
        items.truncate(limit);
        Ok(Page { items, next })
    }

    /// How many are asked for.
    ///
    /// # Errors
    /// 400 when that is none, or too many.
    pub fn limit(&self) -> Answer<usize> {
        match self.limit.unwrap_or(LIMIT) {
            limit if (1..=LIMIT_MAX).contains(&limit) => Ok(usize::from(limit)),
            limit => Err(Refusal::bad_parameter(format!("limit: {limit} is not from 1 to {LIMIT_MAX}"))),
        }
    }

    /// The place behind which the page begins.
    ///
    /// # Errors
    /// 400 when the cursor is not one that this list gave.
    pub fn after<K: DeserializeOwned>(&self, list: &str) -> Answer<Option<K>> {
        let Some(cursor) = &self.cursor else { return Ok(None) };
        let bytes = URL_SAFE_NO_PAD.decode(cursor).unwrap_or_default();
        match serde_json::from_slice::<(String, K)>(&bytes) {
            Ok((of, place)) if of == list => Ok(Some(place)),
            _ => Err(Refusal::bad_parameter("cursor: it is no `next` that a page of this list gave")
                .way_out("leave it out to begin at the beginning")),
        }
    }
}

/// The cursor of a place in a list.
#[must_use]
pub fn cursor(list: &str, place: &impl Serialize) -> String {
    URL_SAFE_NO_PAD.encode(serde_json::to_vec(&(list, place)).expect("a place is JSON"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(cursor: Option<String>, limit: Option<u16>) -> Part {
        Part { cursor, limit }
    }

    #[test]
    fn pages_hold_everything_once_whatever_comes_and_goes_meanwhile() {
        let names = |all: &[&str]| all.iter().map(|name| (*name).to_owned()).collect::<Vec<String>>();
        let first = part(None, Some(2)).of("names", names(&["d", "a", "c"]), String::clone).unwrap();
        assert_eq!(first.items, names(&["a", "c"]));
        let rest = part(first.next.clone(), Some(2));
        // The last that was told is gone, and another came before it.
        let second = rest.of("names", names(&["b", "d", "e"]), String::clone).unwrap();
        assert_eq!(second, Page { items: names(&["d", "e"]), next: None });
        assert_eq!(part(None, None).of("names", names(&[]), String::clone).unwrap().next, None);
    }

    #[test]
    fn a_cursor_is_for_its_own_list_and_a_limit_has_a_limit() {
        let of_names = Some(cursor("names", &"a"));
        assert!(part(of_names.clone(), None).after::<String>("names").is_ok());
        assert!(part(of_names, None).after::<String>("others").is_err());
        for bad in ["", "a", "!", "WyJuYW1lcyIsMV0"] {
            assert!(part(Some(bad.to_owned()), None).after::<String>("names").is_err(), "{bad}");
        }
        assert_eq!(part(None, None).limit().unwrap(), 100);
        assert!(part(None, Some(0)).limit().is_err() && part(None, Some(501)).limit().is_err());
    }
}
