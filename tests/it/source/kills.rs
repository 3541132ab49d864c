//! `kill -9` of a real process that keeps, copies and sweeps, at moments that nobody chose.
//!
//! The child is this test binary, started for [`the_work_goes_on_where_it_ended`] with a folder in its environment. It
//! says on standard output what it was told to be kept; what it keeps is a pure function of a number.

use super::{Memory, expected, memory_home, names, reopen, shown};
use deployd::contract::{Contents as _, content_digest};
use deployd::source::FolderContents;
use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

const FOLDER: &str = "SOURCE_KILLS_FOLDER";
const FIRST: &str = "SOURCE_KILLS_FIRST";
/// How many contents a sweep of the child leaves.
const NAMED: u64 = 5;

/// What is kept as the content of a number: files of its own, and one that it shares with its neighbours.
fn source(number: u64) -> Memory {
    let own: Vec<_> = (0..number % 4 + 1).map(|at| (format!("d{at}/own"), format!("{at} of {number}"))).collect();
    let shared = format!("shared by {}", number / 3);
    let mut files: Vec<_> = own.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    files.push(("shared", &shared));
    Memory::new(&files).link("run", "d0/own")
}

#[test]
fn the_work_goes_on_where_it_ended() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    if let Some(home) = std::env::var_os(FOLDER) {
        let first = std::env::var(FIRST).unwrap().parse().unwrap();
        runtime.block_on(work(Path::new(&home), first..u64::MAX, say));
        return;
    }
    let home = memory_home();
    std::fs::create_dir(home.path().join("copies")).unwrap();
    for lives in [0..8, 8..20] {
        runtime.block_on(work(home.path(), lives.clone(), |_| {}));
        runtime.block_on(verify(home.path(), lives.end - 1));
    }
}

fn say(number: u64) {
    let mut out = std::io::stdout();
    out.write_all(format!("kept {number}\n").as_bytes()).and_then(|()| out.flush()).unwrap();
}

async fn work(home: &Path, numbers: std::ops::Range<u64>, says: impl Fn(u64)) {
    let contents = reopen(&home.join("contents"));
    for number in numbers {
        let source = source(number);
        let content = contents.keep(&source.snapshot(), &source, "").await.unwrap();
        says(number);
        let into = home.join("copies").join(number.to_string());
        if !into.exists() {
            contents.materialise(content, &into).await.unwrap();
        }
        if number % 3 == 0 {
            let named = (number.saturating_sub(NAMED - 1)..=number)
                .map(|number| content_digest(&self::source(number).listing(), ""))
                .collect();
            contents.sweep(&named, Duration::ZERO).await.unwrap();
        }
    }
}

/// Everything that is there is whole, and the last contents that were said to be kept are there.
async fn verify(home: &Path, last: u64) {
    let contents = reopen(&home.join("contents"));
    for number in last.saturating_sub(NAMED - 1)..=last {
        whole(&contents, home, number).await;
    }
    let listed = names(&home.join("contents/listings"));
    assert!(!listed.is_empty());
    let known: BTreeSet<_> =
        (0..=last + 1).map(|number| content_digest(&source(number).listing(), "").to_string()).collect();
    for (number, content) in (0..=last + 1).map(|number| (number, content_digest(&source(number).listing(), ""))) {
        if listed.contains(&content.to_string()) {
            whole(&contents, home, number).await;
        }
    }
    assert!(listed.iter().all(|name| known.contains(name)), "{listed:?}");
    for name in names(&home.join("copies")) {
        // What was being made has another name.
        if let Ok(number) = name.parse() {
            assert_eq!(shown(&home.join("copies").join(&name)), expected(&source(number)), "{name}");
        }
    }
}

async fn whole(contents: &FolderContents, home: &Path, number: u64) {
    let source = source(number);
    let content = content_digest(&source.listing(), "");
    assert_eq!(contents.listing(content).await.unwrap(), source.listing(), "{number}");
    let into = home.join("verified");
    contents.materialise(content, &into).await.unwrap();
    assert_eq!(shown(&into), expected(&source), "{number}");
    std::fs::remove_dir_all(into).unwrap();
}

#[test]
fn killed_at_any_moment() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let home = memory_home();
    std::fs::create_dir(home.path().join("copies")).unwrap();
    let mut next = 0;
    for kill in 0_u64..24 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "source::kills::the_work_goes_on_where_it_ended", "--nocapture", "--test-threads=1"])
            .env(FOLDER, home.path())
            .env(FIRST, next.to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        let mut heard = String::new();
        // The test's own heading comes first. Then so many contents, and a part of the next.
        while heard.matches("kept ").count() < usize::try_from(kill % 5).unwrap() + 1 {
            assert_ne!(lines.read_line(&mut heard).unwrap(), 0, "the child ended by itself: {heard}");
        }
        let spins = kill * 7919 % 24 * 20_000;
        (0..spins).for_each(|_| std::hint::spin_loop());
        child.kill().unwrap();
        lines.read_to_string(&mut heard).unwrap();
        child.wait().unwrap();
        let last = heard.lines().filter_map(|line| line.split_once("kept ")?.1.parse::<u64>().ok()).max().unwrap();
        runtime.block_on(verify(home.path(), last));
        next = last + 1;
    }
}
