//! A disk in memory that knows what was synced: acts of a trace go in, and at any moment the files that a power cut would
//! leave come out.
//!
//! Bytes of a file survive when the file was synced after they were written; names in a folder when the folder was. What
//! was not synced is lost ([`Cut::Strict`]), or part of it is there ([`Cut::Torn`]), or all names but no bytes are
//! ([`Cut::Names`], what a journal of names alone does).

use super::trace::Act;
use super::workload::Numbers;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What survives of what was not synced.
#[derive(Clone, Copy, Debug)]
pub enum Cut {
    /// Nothing.
    Strict,
    /// Names do, bytes do not.
    Names,
    /// Of the bytes, any sectors; of the names, those of the first acts, by this seed.
    Torn(u64),
}

/// The disk.
pub struct Disk {
    root: PathBuf,
    nodes: Vec<Node>,
    open: BTreeMap<u64, usize>,
}

enum Node {
    File { synced: Vec<u8>, pending: Vec<Change> },
    Folder { now: Names, synced: Names, pending: Vec<(String, Option<usize>)> },
}

type Names = BTreeMap<String, usize>;

enum Change {
    Write { offset: usize, bytes: Vec<u8> },
    Truncate(usize),
}

const SECTOR: usize = 512;

impl Disk {
    /// A disk that holds what lies in a folder, all of it synced.
    pub fn of(root: &Path) -> Disk {
        let root = root.canonicalize().unwrap();
        let mut disk = Disk { root: root.clone(), nodes: Vec::new(), open: BTreeMap::new() };
        disk.read(&root);
        disk
    }

    fn read(&mut self, path: &Path) -> usize {
        let id = self.add(empty_folder());
        let mut names = Names::new();
        for entry in std::fs::read_dir(path).unwrap() {
            let entry = entry.unwrap();
            let child = if entry.file_type().unwrap().is_dir() {
                self.read(&entry.path())
            } else {
                self.add(Node::File { synced: std::fs::read(entry.path()).unwrap(), pending: Vec::new() })
            };
            names.insert(entry.file_name().into_string().unwrap(), child);
        }
        self.nodes[id] = Node::Folder { synced: names.clone(), now: names, pending: Vec::new() };
        id
    }

    fn add(&mut self, node: Node) -> usize {
        self.nodes.push(node);
        self.nodes.len() - 1
    }

    /// Does what the child did.
    pub fn act(&mut self, act: &Act) {
        match act {
            Act::Open { fd, path, is_new, is_emptied } => self.open_file(*fd, path, *is_new, *is_emptied),
            Act::Close { fd } => drop(self.open.remove(fd)),
            Act::Write { fd, offset, bytes } => {
                self.change(*fd, Change::Write { offset: *offset, bytes: bytes.clone() });
            }
            Act::Truncate { fd, length } => self.change(*fd, Change::Truncate(*length)),
            Act::Sync { fd } => self.sync(self.open[fd]),
            Act::Rename { from, to } => {
                let id = self.find(from).expect("what is renamed is there");
                self.name(from, None);
                self.name(to, Some(id));
            }
            Act::Unlink { path } | Act::RemoveFolder { path } => self.name(path, None),
            Act::MakeFolder { path } => {
                let id = self.add(empty_folder());
                self.name(path, Some(id));
            }
            Act::Said(_) => {}
        }
    }

    /// The process is gone. What it had written is where it was, synced or not.
    pub fn die(&mut self) {
        self.open.clear();
    }

    fn open_file(&mut self, fd: u64, path: &Path, is_new: bool, is_emptied: bool) {
        let id = match self.find(path) {
            Some(id) => id,
            None => {
                assert!(is_new, "{} was there, but nobody made it", path.display());
                let id = self.add(Node::File { synced: Vec::new(), pending: Vec::new() });
                self.name(path, Some(id));
                id
            }
        };
        self.open.insert(fd, id);
        if is_emptied && !is_new {
            self.change(fd, Change::Truncate(0));
        }
    }

    fn change(&mut self, fd: u64, change: Change) {
        match &mut self.nodes[self.open[&fd]] {
            Node::File { pending, .. } => pending.push(change),
            Node::Folder { .. } => panic!("bytes of a folder"),
        }
    }

    fn sync(&mut self, id: usize) {
        match &mut self.nodes[id] {
            Node::File { synced, pending } => pending.drain(..).for_each(|change| change.apply(synced)),
            Node::Folder { now, synced, pending } => {
                synced.clone_from(now);
                pending.clear();
            }
        }
    }

    /// Lets a name stand for something, or for nothing any more.
    fn name(&mut self, path: &Path, id: Option<usize>) {
        let folder = self.find(path.parent().unwrap()).expect("a folder is made before what is in it");
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let Node::Folder { now, pending, .. } = &mut self.nodes[folder] else { panic!("a file as a folder") };
        match id {
            Some(id) => now.insert(name.clone(), id),
            None => now.remove(&name),
        };
        pending.push((name, id));
    }

    fn find(&self, path: &Path) -> Option<usize> {
        let below = path.strip_prefix(&self.root).expect("the shim tells only of the root");
        below.components().try_fold(0, |id, part| match &self.nodes[id] {
            Node::Folder { now, .. } => now.get(part.as_os_str().to_str().unwrap()).copied(),
            Node::File { .. } => None,
        })
    }

    /// Writes what a power cut at this moment would leave into an empty folder.
    pub fn cut(&self, cut: Cut, into: &Path) {
        self.write(0, cut, into);
    }

    fn write(&self, id: usize, cut: Cut, path: &Path) {
        match &self.nodes[id] {
            Node::File { synced, pending } => {
                let mut bytes = synced.clone();
                if let Cut::Torn(seed) = cut {
                    tear(&mut bytes, pending, &mut Numbers::of(seed, &[id as u64]));
                }
                std::fs::write(path, bytes).unwrap();
            }
            Node::Folder { now, synced, pending } => {
                if !path.exists() {
                    std::fs::create_dir(path).unwrap();
                }
                let mut names = synced.clone();
                match cut {
                    Cut::Strict => {}
                    Cut::Names => names.clone_from(now),
                    Cut::Torn(seed) => {
                        let survive = Numbers::of(seed, &[id as u64]).below(pending.len() as u64 + 1);
                        for (name, id) in &pending[..usize::try_from(survive).unwrap()] {
                            match id {
                                Some(id) => names.insert(name.clone(), *id),
                                None => names.remove(name),
                            };
                        }
                    }
                }
                names.iter().for_each(|(name, id)| self.write(*id, cut, &path.join(name)));
            }
        }
    }
}

fn empty_folder() -> Node {
    Node::Folder { now: Names::new(), synced: Names::new(), pending: Vec::new() }
}

impl Change {
    fn apply(self, to: &mut Vec<u8>) {
        match self {
            Change::Write { offset, bytes } => write_into(to, offset, &bytes),
            Change::Truncate(length) => to.resize(length, 0),
        }
    }
}

fn write_into(to: &mut Vec<u8>, offset: usize, bytes: &[u8]) {
    let end = offset + bytes.len();
    if to.len() < end {
        to.resize(end, 0);
    }
    to[offset..end].copy_from_slice(bytes);
}

/// Applies a part of what was not synced: a change whole, or not at all, or some of its sectors.
fn tear(bytes: &mut Vec<u8>, pending: &[Change], numbers: &mut Numbers) {
    for change in pending {
        match (numbers.below(3), change) {
            (0, _) => {}
            (1, Change::Write { offset, bytes: written }) => write_into(bytes, *offset, written),
            (_, Change::Write { offset, bytes: written }) => {
                // Sectors end where the disk has them, not where the write began.
                let mut at = 0;
                while at < written.len() {
                    let end = (at + SECTOR - (offset + at) % SECTOR).min(written.len());
                    if numbers.below(2) == 0 {
                        write_into(bytes, offset + at, &written[at..end]);
                    }
                    at = end;
                }
            }
            (_, Change::Truncate(length)) => bytes.resize(*length, 0),
        }
    }
}

#[test]
fn only_what_was_synced_survives() {
    let given = tempfile::tempdir().unwrap();
    let root = given.path().canonicalize().unwrap();
    let mut disk = Disk::of(&root);
    let open = |fd, name: &str| Act::Open { fd, path: root.join(name), is_new: true, is_emptied: false };
    let write = |fd, offset, bytes: &[u8]| Act::Write { fd, offset, bytes: bytes.to_vec() };
    let found = |disk: &Disk, cut| {
        let image = tempfile::tempdir().unwrap();
        disk.cut(cut, image.path());
        let read = |name: &str| std::fs::read(image.path().join(name)).ok();
        (read("a"), read("b"))
    };
    let folder = Act::Open { fd: 9, path: root.clone(), is_new: false, is_emptied: false };
    for act in [folder, open(1, "a"), write(1, 0, b"one"), Act::Sync { fd: 1 }, write(1, 3, b"two")] {
        disk.act(&act);
    }
    assert_eq!(found(&disk, Cut::Strict), (None, None), "its name was not synced");
    assert_eq!(found(&disk, Cut::Names), (Some(b"one".to_vec()), None));
    disk.act(&Act::Sync { fd: 9 });
    assert_eq!(found(&disk, Cut::Strict), (Some(b"one".to_vec()), None), "its last bytes were not");
    disk.act(&Act::Rename { from: root.join("a"), to: root.join("b") });
    assert_eq!(found(&disk, Cut::Strict), (Some(b"one".to_vec()), None));
    assert_eq!(found(&disk, Cut::Names), (None, Some(b"one".to_vec())));
    let mut torn: Vec<_> = (0..64).map(|seed| found(&disk, Cut::Torn(seed))).collect();
    torn.sort();
    torn.dedup();
    assert!(torn.contains(&(None, Some(b"onetwo".to_vec()))) && torn.contains(&(Some(b"one".to_vec()), None)));
    disk.act(&Act::Sync { fd: 1 });
    disk.act(&Act::Sync { fd: 9 });
    for cut in [Cut::Strict, Cut::Names, Cut::Torn(1)] {
        assert_eq!(found(&disk, cut), (None, Some(b"onetwo".to_vec())));
    }
}
