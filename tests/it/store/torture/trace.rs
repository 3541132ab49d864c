//! The shim (`shim.c`): building it, starting a child under it, and reading what it wrote down.

use super::child::{Orders, command};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// How long a child may live: a hundred times what it needs.
const LIFE_SECONDS_MAX: Duration = Duration::from_secs(120);

/// One thing that the child did below its root.
#[derive(Debug)]
pub enum Act {
    Open {
        fd: u64,
        path: PathBuf,
        is_new: bool,
        is_emptied: bool,
    },
    Close {
        fd: u64,
    },
    Write {
        fd: u64,
        offset: usize,
        bytes: Vec<u8>,
    },
    Truncate {
        fd: u64,
        length: usize,
    },
    Sync {
        fd: u64,
    },
    Rename {
        from: PathBuf,
        to: PathBuf,
    },
    Unlink {
        path: PathBuf,
    },
    MakeFolder {
        path: PathBuf,
    },
    RemoveFolder {
        path: PathBuf,
    },
    /// It said something: what it acknowledged before is owed from here on.
    Said(String),
}

/// What the shim is told beside where to write.
#[derive(Default, Clone)]
pub struct Harm {
    /// Syncs to swallow: `data` (what a commit waits for), `folder`.
    pub drop: Option<&'static str>,
    /// What happens at which call: `17:kill`.
    pub at: Option<String>,
}

/// Builds the shim once. Whoever builds deployd has a C compiler: Rust links with it.
fn shim() -> &'static Path {
    static SHIM: OnceLock<PathBuf> = OnceLock::new();
    SHIM.get_or_init(|| {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/store/torture/shim.c");
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let beside = folder.join(format!("shim.{}.so", std::process::id()));
        let mut cc = Command::new("cc");
        cc.args(["-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-Werror", "-o"]).arg(&beside).arg(source);
        let built = cc.args(["-ldl", "-lpthread"]).output().expect("a C compiler named cc, as for linking Rust");
        assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
        let shim = folder.join("shim.so");
        std::fs::rename(&beside, &shim).unwrap();
        shim
    })
}

/// Runs a child under the shim to its end. Its store lies at `root/store`.
pub fn run(root: &Path, orders: Orders, harm: &Harm, trace: Option<&Path>) -> Output {
    let mut command = command(&root.join("store"), orders);
    command.env("LD_PRELOAD", shim()).env("SHIM_ROOT", root);
    if let Some(trace) = trace {
        command.env("SHIM_TRACE", trace);
    }
    if let Some(calls) = harm.drop {
        command.env("SHIM_DROP", calls);
    }
    if let Some(at) = &harm.at {
        command.env("SHIM_HARM", at);
    }
    output_in_time(command)
}

/// A child that hangs is worse than one that dies: nobody starts it again.
fn output_in_time(mut command: Command) -> Output {
    let mut child = command.spawn().unwrap();
    let began = Instant::now();
    // What it says fits into the pipes, so that nobody has to read meanwhile.
    while child.try_wait().unwrap().is_none() {
        if began.elapsed() > LIFE_SECONDS_MAX {
            child.kill().unwrap();
            let output = child.wait_with_output().unwrap();
            panic!("the child hangs: {} {}", text(&output.stdout), String::from_utf8_lossy(&output.stderr));
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    child.wait_with_output().unwrap()
}

/// Reads a trace.
pub fn read(trace: &Path) -> Vec<Act> {
    let bytes = std::fs::read(trace).unwrap();
    let mut rest = &bytes[..];
    let mut acts = Vec::new();
    while !rest.is_empty() {
        acts.push(act(&mut rest));
    }
    acts
}

fn act(rest: &mut &[u8]) -> Act {
    let mut number = || u64::from_ne_bytes(take(rest, 8).try_into().unwrap());
    let [kind, fd, offset, path_length, length] = [number(), number(), number(), number(), number()];
    let path = text(take(rest, path_length));
    let bytes = take(rest, length);
    let offset = usize::try_from(offset).unwrap();
    match kind {
        1 => Act::Open { fd, path: path.into(), is_new: bytes[0] != 0, is_emptied: bytes[1] != 0 },
        2 => Act::Close { fd },
        3 => Act::Write { fd, offset, bytes: bytes.to_vec() },
        4 => Act::Truncate { fd, length: offset },
        5 => Act::Sync { fd },
        6 => Act::Rename { from: path.into(), to: text(bytes).into() },
        7 => Act::Unlink { path: path.into() },
        8 => Act::MakeFolder { path: path.into() },
        9 => Act::RemoveFolder { path: path.into() },
        10 => Act::Said(text(bytes)),
        other => panic!("a record of kind {other}"),
    }
}

fn take<'a>(rest: &mut &'a [u8], count: u64) -> &'a [u8] {
    let (front, behind) = rest.split_at(usize::try_from(count).unwrap());
    *rest = behind;
    front
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}
