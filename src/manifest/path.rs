//! `RelativePath`: a path that a manifest names, which may not leave its source (T13).

use std::fmt;

/// A path relative to the manifest, without `.`, empty parts and a `/` at its end; `..` only in front.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct RelativePath {
    /// How many folders it goes up first.
    pub up: u32,
    /// The names from there on.
    pub names: Vec<String>,
}

/// Why a text is not such a path.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NotARelativePath {
    /// It begins with `/` or `~`, or is a Windows path.
    Absolute,
    /// It has a NUL, a control character or a `\`.
    BadCharacter,
    /// It reaches into `.git`.
    Git,
    /// It goes up out of the repository.
    Leaves,
}

impl RelativePath {
    /// Reads a path of a manifest that lies `depth` folders below the root of its source.
    ///
    /// # Errors
    /// [`NotARelativePath`] says what is wrong.
    pub fn read(text: &str, depth: u32) -> Result<RelativePath, NotARelativePath> {
        let drive = text.as_bytes().get(1) == Some(&b':') && text.as_bytes()[0].is_ascii_alphabetic();
        if text.starts_with(['/', '~']) || drive {
            return Err(NotARelativePath::Absolute);
        }
        if text.contains(|c: char| c.is_control() || c == '\\') {
            return Err(NotARelativePath::BadCharacter);
        }
        let mut path = RelativePath::default();
        for name in text.split('/') {
            match name {
                "" | "." => {}
                ".." if path.names.pop().is_none() => path.up += 1,
                ".." => {}
                name if name.eq_ignore_ascii_case(".git") => return Err(NotARelativePath::Git),
                name => path.names.push(name.to_owned()),
            }
        }
        if path.up > depth { Err(NotARelativePath::Leaves) } else { Ok(path) }
    }

    /// The path from the root of the source, for a manifest in that folder.
    #[must_use]
    pub fn from_root(&self, folder: &[String]) -> Vec<String> {
        let kept = folder.len().saturating_sub(self.up as usize);
        folder[..kept].iter().chain(&self.names).cloned().collect()
    }
}

impl fmt::Display for RelativePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.up == 0 && self.names.is_empty() {
            return f.write_str(".");
        }
        let up = std::iter::repeat_n("..", self.up as usize);
        let names: Vec<&str> = up.chain(self.names.iter().map(String::as_str)).collect();
        f.write_str(&names.join("/"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t13_paths_stay_inside() {
        let show = |text, depth| RelativePath::read(text, depth).map(|path| path.to_string());
        assert_eq!(show(".", 0), Ok(".".to_owned()));
        assert_eq!(show("./a//b/", 0), Ok("a/b".to_owned()));
        assert_eq!(show("a/../b", 0), Ok("b".to_owned()));
        assert_eq!(show("../shared", 1), Ok("../shared".to_owned()));
        assert_eq!(show("../shared", 0), Err(NotARelativePath::Leaves));
        assert_eq!(show("a/../../x", 0), Err(NotARelativePath::Leaves));
        for absolute in ["/etc/passwd", "~/x", "C:/x"] {
            assert_eq!(show(absolute, 5), Err(NotARelativePath::Absolute));
        }
        assert_eq!(show("a/.GIT/hooks", 0), Err(NotARelativePath::Git));
        assert_eq!(show("a\0b", 0), Err(NotARelativePath::BadCharacter));
        let up = RelativePath::read("../x", 2).unwrap();
        assert_eq!(up.from_root(&["a".into(), "b".into()]), ["a", "x"]);
    }
}
