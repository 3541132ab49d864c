//! PostgreSQL's own programs on this machine, and the user that may run them.

use crate::contract::Failure;
use crate::model::Milliseconds;
use crate::state::{Why, WhyCode};
use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

/// Where packages put each major version, beside what PATH has.
const FOLDERS: [&str; 4] = ["/usr/lib/postgresql", "/usr/pgsql", "/opt/homebrew/opt", "/usr/local/opt"];

/// What is said to who waits for it already.
pub(super) const GOES_ON: &str = "; this goes on by itself then";

/// What tells whether a program's file is the one that was asked: its inode, size, and when either last changed.
type Stamp = (u64, u64, i64, i64);

/// The programs of one version.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Programs {
    folder: PathBuf,
    pub(super) major: i64,
    /// `15.18`.
    pub(super) version: String,
}

/// Whom a server runs as, where that is another than us.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct RunsAs {
    pub(super) user: u32,
    pub(super) group: u32,
}

impl Programs {
    pub(super) fn postgres(&self) -> PathBuf {
        self.folder.join("postgres")
    }

    pub(super) fn initdb(&self) -> PathBuf {
        self.folder.join("initdb")
    }
}

/// The programs of a major version, or the newest ones.
pub(super) fn find(search_path: &str, major: Option<i64>) -> Result<Programs, Failure> {
    let mut found: Vec<Programs> = folders(search_path).iter().filter_map(|folder| look(folder)).collect();
    found.sort_by_key(|programs| programs.major);
    let fitting = found.iter().rev().find(|programs| major.is_none_or(|major| programs.major == major));
    if let Some(programs) = fitting {
        return Ok(programs.clone());
    }
    let have: Vec<String> = found.iter().map(|programs| programs.major.to_string()).collect();
    let (text, package) = match (major, have.as_slice()) {
        (None, _) => (
            "PostgreSQL's server programs (initdb, postgres) are not on this machine".to_owned(),
            "postgresql".to_owned(),
        ),
        (Some(major), []) => (format!("PostgreSQL {major} is not on this machine"), format!("postgresql-{major}")),
        (Some(major), have) => (
            format!("PostgreSQL {major} is not on this machine; it has {}", have.join(", ")),
            format!("postgresql-{major}"),
        ),
    };
    // Tried again: whoever reads this installs it, and nothing else has to be said.
    Err(Failure::Retry {
        after: Milliseconds::seconds(10),
        why: Why::new(WhyCode::Missing, text).way_out(format!("{}{GOES_ON}", install(&package))),
    })
}

fn install(package: &str) -> String {
    let brew = package.replace("postgresql-", "postgresql@");
    format!("install it: apt-get install {package} (macOS: brew install {brew})")
}

fn folders(search_path: &str) -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> = search_path.split(':').filter(|part| !part.is_empty()).map(PathBuf::from).collect();
    for base in FOLDERS {
        let entries = std::fs::read_dir(base).into_iter().flatten().flatten();
        folders.extend(entries.map(|entry| entry.path().join("bin")));
    }
    folders.push(PathBuf::from("/usr/local/pgsql/bin"));
    // `initdb` may be a link to a folder that has its neighbours.
    let real = |folder: PathBuf| std::fs::canonicalize(folder.join("initdb")).ok()?.parent().map(Path::to_owned);
    let mut real: Vec<PathBuf> = folders.into_iter().filter_map(real).collect();
    real.sort();
    real.dedup();
    real
}

/// What a folder has. Asking a program takes ten milliseconds, so it is asked once for as long as its file stays the same.
fn look(folder: &Path) -> Option<Programs> {
    static KNOWN: Mutex<BTreeMap<PathBuf, (Stamp, Option<Programs>)>> = Mutex::new(BTreeMap::new());
    let file = std::fs::metadata(folder.join("postgres")).ok()?;
    let stamp = (file.ino(), file.size(), file.ctime(), file.ctime_nsec());
    let known = || KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((_, programs)) = known().get(folder).filter(|(of, _)| *of == stamp) {
        return programs.clone();
    }
    let programs = ask(folder);
    known().insert(folder.to_owned(), (stamp, programs.clone()));
    programs
}

fn ask(folder: &Path) -> Option<Programs> {
    let output = Command::new(folder.join("postgres")).arg("--version").env_clear().output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let version = text.split_whitespace().find(|word| word.starts_with(|c: char| c.is_ascii_digit()))?.to_owned();
    let digits: String = version.chars().take_while(char::is_ascii_digit).collect();
    Some(Programs { folder: folder.to_owned(), major: digits.parse().ok()?, version })
}

/// Nobody else, unless we are root: then `postgres` if there is one, else `nobody`.
pub(super) fn runs_as() -> Result<Option<RunsAs>, Failure> {
    if !rustix::process::geteuid().is_root() {
        return Ok(None);
    }
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let found = ["postgres", "nobody"].iter().find_map(|name| user(&users, name));
    found.map(Some).ok_or_else(|| Failure::Refused {
        why: Why::new(WhyCode::Missing, "PostgreSQL does not run as root, and there is no user `postgres` or `nobody`")
            .way_out("run deployd as another user"),
    })
}

fn user(users: &str, name: &str) -> Option<RunsAs> {
    let line = users.lines().find(|line| line.split(':').next() == Some(name))?;
    let fields: Vec<&str> = line.split(':').collect();
    Some(RunsAs { user: fields.get(2)?.parse().ok()?, group: fields.get(3)?.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_found() {
        let users = "root:x:0:0::/:/bin/sh\nnobody:x:65534:65533:n:/:/usr/sbin/nologin\n";
        assert_eq!(user(users, "nobody"), Some(RunsAs { user: 65534, group: 65533 }));
        assert_eq!(user(users, "postgres"), None);
    }

    #[test]
    fn what_is_missing_says_what_to_install() {
        let Err(Failure::Retry { why, .. }) = find("", Some(1)) else { panic!("there is no PostgreSQL 1") };
        assert!(why.way_out.unwrap().contains("apt-get install postgresql-1"));
    }
}
