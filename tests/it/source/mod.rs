//! Folders as they are read, and contents as they are kept: against bad trees, writers, crashes and rot.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod contents;
mod copies;
mod crashes;
mod folder;
mod kills;
mod limits;
mod moves;
mod order;
mod rot;
mod sweeps;

use async_trait::async_trait;
use deployd::contract::{At, ContentListing, File, FilePath, Snapshot, Source, SourceFailure, Whole};
use deployd::model::Digest;
use deployd::source::{ContentsProblem, Disk, FolderContents, FolderOptions, FolderSource};
use futures::stream::BoxStream;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Long enough for the slowest machine: reaching it fails the test.
const PATIENCE: Duration = Duration::from_secs(60);

/// A folder of a developer.
struct Tree(TempDir);

impl Tree {
    fn new(files: &[(&str, &str)]) -> Tree {
        let tree = Tree(tempfile::tempdir().unwrap());
        // The folder inside is ours alone, whatever the system's folder for such things is.
        fs::create_dir(tree.root()).unwrap();
        fs::set_permissions(tree.root(), fs::Permissions::from_mode(0o755)).unwrap();
        files.iter().for_each(|(path, text)| tree.write(path, text));
        tree
    }

    fn root(&self) -> PathBuf {
        self.0.path().join("app")
    }

    fn at(&self, path: &str) -> PathBuf {
        self.root().join(path)
    }

    fn write(&self, path: &str, text: &str) {
        let at = self.at(path);
        fs::create_dir_all(at.parent().unwrap()).unwrap();
        fs::write(at, text).unwrap();
    }

    fn link(&self, path: &str, target: &str) {
        let at = self.at(path);
        fs::create_dir_all(at.parent().unwrap()).unwrap();
        std::os::unix::fs::symlink(target, at).unwrap();
    }

    fn mode(&self, path: &str, mode: u32) {
        fs::set_permissions(self.at(path), fs::Permissions::from_mode(mode)).unwrap();
    }

    fn source(&self) -> FolderSource {
        FolderSource::new(self.root(), FolderOptions::default())
    }

    /// The paths of a whole snapshot.
    fn paths(&self) -> Vec<String> {
        let snapshot = self.source().read_now().unwrap();
        assert_eq!(snapshot.whole, Whole::Whole);
        snapshot.files.keys().map(ToString::to_string).collect()
    }

    /// Why it is refused.
    fn refused(&self) -> String {
        match self.source().read_now() {
            Err(SourceFailure::Refused(why)) => why,
            other => panic!("{other:?}"),
        }
    }
}

fn path(text: &str) -> FilePath {
    FilePath::new(text).unwrap()
}

/// A source in memory, which counts what is read.
#[derive(Default)]
struct Memory {
    files: BTreeMap<FilePath, (Vec<u8>, bool)>,
    links: BTreeMap<FilePath, String>,
    read: Mutex<Vec<String>>,
}

impl Memory {
    fn new(files: &[(&str, &str)]) -> Memory {
        let files = files.iter().map(|(at, text)| (path(at), (text.as_bytes().to_vec(), false))).collect();
        Memory { files, ..Memory::default() }
    }

    fn executable(mut self, at: &str, text: &str) -> Memory {
        self.files.insert(path(at), (text.as_bytes().to_vec(), true));
        self
    }

    fn link(mut self, at: &str, target: &str) -> Memory {
        self.links.insert(path(at), target.to_owned());
        self
    }

    fn snapshot(&self) -> Snapshot {
        let regular = self.files.iter().map(|(path, (bytes, executable))| {
            let file = File::Regular { digest: Digest::of(bytes), size: bytes.len() as u64, executable: *executable };
            (path.clone(), file)
        });
        let links = self.links.iter().map(|(path, target)| (path.clone(), File::Link(target.clone())));
        Snapshot {
            pin: "1".to_owned(),
            files: regular.chain(links).collect(),
            whole: Whole::Whole,
            left_out: Default::default(),
        }
    }

    fn listing(&self) -> ContentListing {
        self.snapshot().files
    }

    /// The paths that were read since this was asked last.
    fn taken(&self) -> Vec<String> {
        std::mem::take(&mut self.read.lock().unwrap())
    }
}

#[async_trait]
impl Source for Memory {
    async fn read(&self, _: &At) -> Result<Snapshot, SourceFailure> {
        Ok(self.snapshot())
    }

    async fn bytes(&self, path: &FilePath, _: &File) -> Result<Vec<u8>, SourceFailure> {
        self.read.lock().unwrap().push(path.to_string());
        let file = self.files.get(path).ok_or_else(|| SourceFailure::Missing(path.to_string()))?;
        Ok(file.0.clone())
    }

    fn hints(&self) -> BoxStream<'static, ()> {
        Box::pin(futures::stream::empty())
    }
}

/// A folder in memory where there is one: what is tested there is what a process leaves, and syncs only take time.
fn memory_home() -> TempDir {
    tempfile::tempdir_in("/dev/shm").unwrap_or_else(|_| tempfile::tempdir().unwrap())
}

/// Opens contents again. Calls that were dropped, and children that were just started by other tests, may hold the
/// lock for a moment.
fn reopen(folder: &Path) -> FolderContents {
    let began = Instant::now();
    loop {
        match FolderContents::open(folder) {
            Ok(contents) => return contents,
            Err(ContentsProblem::InUse(_)) if began.elapsed() < PATIENCE => std::thread::yield_now(),
            Err(problem) => panic!("{problem:?}"),
        }
    }
}

/// The same on a given disk: the first failure that is not the lock's.
fn reopen_on(disk: &Disk, folder: &Path) -> Result<FolderContents, ContentsProblem> {
    let began = Instant::now();
    loop {
        match FolderContents::open_on(disk.clone(), folder) {
            Err(ContentsProblem::InUse(_)) if began.elapsed() < PATIENCE => std::thread::yield_now(),
            other => return other,
        }
    }
}

/// What a copy shows: each file's bytes and mode, each link's target, each folder's mode.
fn shown(folder: &Path) -> BTreeMap<String, String> {
    let mut shown = BTreeMap::new();
    show(folder, folder, &mut shown);
    shown
}

fn show(root: &Path, folder: &Path, shown: &mut BTreeMap<String, String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let at = entry.unwrap().path();
        let name = at.strip_prefix(root).unwrap().display().to_string();
        let metadata = at.symlink_metadata().unwrap();
        let mode = metadata.permissions().mode() & 0o7777;
        if metadata.is_symlink() {
            shown.insert(name, format!("-> {}", fs::read_link(&at).unwrap().display()));
        } else if metadata.is_dir() {
            shown.insert(name, format!("{mode:o}"));
            show(root, &at, shown);
        } else {
            shown.insert(name, format!("{mode:o} {}", String::from_utf8(fs::read(&at).unwrap()).unwrap()));
        }
    }
}

/// What a copy of these files must show.
fn expected(source: &Memory) -> BTreeMap<String, String> {
    let mut expected = BTreeMap::new();
    for (path, (bytes, executable)) in &source.files {
        let mode = if *executable { "555" } else { "444" };
        expected.insert(path.to_string(), format!("{mode} {}", String::from_utf8(bytes.clone()).unwrap()));
    }
    for (path, target) in &source.links {
        expected.insert(path.to_string(), format!("-> {target}"));
    }
    for path in source.files.keys().chain(source.links.keys()) {
        for folder in Path::new(path.as_str()).ancestors().skip(1).filter(|folder| *folder != Path::new("")) {
            expected.insert(folder.display().to_string(), "755".to_owned());
        }
    }
    expected
}

/// The names in a folder, sorted.
fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}
