//! Where symbolic links of a listing lead, as the system would follow them in a copy: part by part, each link from the
//! folder it lies in. Comparing texts would not do: `b/../x` leads elsewhere when `b` is a link.

use super::source::{File, FilePath};
use std::collections::{BTreeMap, VecDeque};
use std::fmt;

/// How many links are followed for one path, as on Linux.
const LINKS_MAX: u32 = 40;

/// Where a path leads that is no regular file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Stray {
    /// Out of the listing, or to a whole path: what it names here is not what it would name in a copy.
    Outside,
    /// From link to link without an end.
    Circle,
    /// To nothing that is in the listing.
    Nothing,
    /// To a folder.
    Folder(String),
}

/// The regular file that a path leads to.
///
/// # Errors
/// [`Stray`] tells where it leads instead.
pub fn follow(listing: &BTreeMap<FilePath, File>, path: &FilePath) -> Result<FilePath, Stray> {
    let mut ahead: VecDeque<String> = parts(path.as_str()).collect();
    let mut at: Vec<String> = Vec::new();
    let mut links = 0;
    while let Some(part) = ahead.pop_front() {
        match part.as_str() {
            "" | "." => continue,
            ".." => {
                at.pop().ok_or(Stray::Outside)?;
                continue;
            }
            _ => at.push(part),
        }
        if let Some(File::Link(target)) = listing.get(at.join("/").as_str()) {
            links += 1;
            if links > LINKS_MAX {
                return Err(Stray::Circle);
            }
            if target.starts_with('/') {
                return Err(Stray::Outside);
            }
            at.pop();
            for part in parts(target).collect::<Vec<_>>().into_iter().rev() {
                ahead.push_front(part);
            }
        }
    }
    found(listing, &at.join("/"))
}

fn found(listing: &BTreeMap<FilePath, File>, path: &str) -> Result<FilePath, Stray> {
    if let Some((path, _)) = listing.get_key_value(path) {
        return Ok(path.clone());
    }
    let beneath = if path.is_empty() { String::new() } else { format!("{path}/") };
    let next =
        listing.range::<str, _>((std::ops::Bound::Included(beneath.as_str()), std::ops::Bound::Unbounded)).next();
    match next {
        Some((first, _)) if first.as_str().starts_with(&beneath) => Err(Stray::Folder(path.to_owned())),
        _ => Err(Stray::Nothing),
    }
}

fn parts(path: &str) -> impl Iterator<Item = String> {
    path.split('/').map(str::to_owned)
}

impl fmt::Display for Stray {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Stray::Outside => f.write_str("it leads out of its folder"),
            Stray::Circle => f.write_str("it leads in a circle"),
            Stray::Nothing => f.write_str("it leads to nothing"),
            Stray::Folder(_) => f.write_str("it leads to a folder"),
        }
    }
}

impl std::error::Error for Stray {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Digest;

    fn listing(links: &[(&str, &str)]) -> BTreeMap<FilePath, File> {
        let file = || File::Regular { digest: Digest::of(""), size: 0, executable: false };
        let files = ["app.py", "lib/deep/x.py"].map(|path| (FilePath::new(path).unwrap(), file()));
        let links = links.iter().map(|(at, to)| (FilePath::new(at).unwrap(), File::Link((*to).to_owned())));
        files.into_iter().chain(links).collect()
    }

    fn lead(links: &[(&str, &str)], path: &str) -> Result<String, Stray> {
        follow(&listing(links), &FilePath::new(path).unwrap()).map(|path| path.to_string())
    }

    #[test]
    fn links_lead_where_the_system_leads() {
        let good = |links: &[(&str, &str)], path| lead(links, path).unwrap();
        assert_eq!(good(&[], "app.py"), "app.py");
        assert_eq!(good(&[("run", "./app.py")], "run"), "app.py");
        assert_eq!(good(&[("lib/up", "../app.py")], "lib/up"), "app.py");
        assert_eq!(good(&[("d", "lib/deep"), ("x", "d/x.py")], "x"), "lib/deep/x.py");
        assert_eq!(good(&[("d", "lib/deep")], "d/x.py"), "lib/deep/x.py");
        // After a link, `..` is the folder above where it leads, not above where it lies.
        assert_eq!(good(&[("d", "lib/deep"), ("x", "d/../../app.py")], "x"), "app.py");
    }

    #[test]
    fn strays_are_told_apart() {
        assert_eq!(lead(&[("x", "../etc/passwd")], "x"), Err(Stray::Outside));
        assert_eq!(lead(&[("x", "/etc/passwd")], "x"), Err(Stray::Outside));
        // As text it stays inside; as a path it does not.
        assert_eq!(lead(&[("lib/deep/top", "../.."), ("x", "lib/deep/top/../y")], "x"), Err(Stray::Outside));
        assert_eq!(lead(&[("a", "b"), ("b", "a")], "a"), Err(Stray::Circle));
        assert_eq!(lead(&[("a", "a")], "a"), Err(Stray::Circle));
        assert_eq!(lead(&[("a", "gone")], "a"), Err(Stray::Nothing));
        assert_eq!(lead(&[("a", "lib")], "a"), Err(Stray::Folder("lib".to_owned())));
        assert_eq!(lead(&[("lib/top", "..")], "lib/top"), Err(Stray::Folder(String::new())));
    }
}
