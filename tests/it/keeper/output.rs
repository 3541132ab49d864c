//! Output: every line once, with its time and stream; bounded on disk and in memory, whatever is written.

use super::*;
use deployd::keeper::{LogLine, Stream, read_log, tail};
use deployd::model::Bytes;

fn all(kept: &Kept) -> Vec<LogLine> {
    read_log(&kept.folder(), LogPlace::default(), usize::MAX).unwrap().lines
}

fn texts(lines: &[LogLine], stream: Stream) -> Vec<&str> {
    lines.iter().filter(|line| line.stream == stream).map(|line| line.text.as_str()).collect()
}

fn log_files(kept: &Kept) -> Vec<u64> {
    let files = fs::read_dir(kept.folder().join("log")).unwrap().flatten();
    files.map(|file| file.metadata().unwrap().len()).collect()
}

#[test]
fn lines_have_their_time_and_stream() {
    let kept = Kept::started(&script("echo out; echo err >&2; printf 'no end'"));
    kept.ended();
    let lines = all(&kept);
    assert_eq!(texts(&lines, Stream::Out), ["out", "no end"]);
    assert_eq!(texts(&lines, Stream::Err), ["err"]);
    assert_eq!(texts(&lines, Stream::Keeper), ["ended with code 0"]);
    let times: Vec<jiff::Timestamp> = lines.iter().map(|line| line.time.parse().unwrap()).collect();
    assert!(times.is_sorted());
    let age = jiff::Timestamp::now().duration_since(times[0]);
    assert!(age.as_secs() < 60, "{age:?}");
}

#[test]
fn long_lines_are_cut_and_any_bytes_are_taken() {
    let text = r"head -c 100000 /dev/zero | tr '\0' x; printf '\n\377\000 odd \033[31m\n'; head -c 100000 /dev/urandom | tr -d '\n'";
    let spec = script(text);
    let kept = Kept::started(&Spec { log: LogLimits { line: Bytes(1_000), ..spec.log }, ..spec });
    by_itself(&kept.last_run(), &Exit::Code(0));
    let lines = all(&kept);
    let out = texts(&lines, Stream::Out);
    assert_eq!(out[0], format!("{} … 99000 bytes cut", "x".repeat(1_000)));
    assert_eq!(out[1], "\u{fffd}\0 odd \u{1b}[31m");
    assert!(out[2].ends_with(" bytes cut"));
    assert_eq!(out.len(), 3);
}

#[test]
fn files_are_rotated_and_the_oldest_go() {
    let spec = script("i=0; while [ $i -lt 3000 ]; do echo line $i; i=$((i+1)); done");
    let log = LogLimits { file_size: Bytes(8 << 10), files: 3, ..spec.log };
    let kept = Kept::started(&Spec { log, ..spec });
    kept.ended();
    let sizes = log_files(&kept);
    assert!(sizes.len() == 3 && sizes.iter().all(|&size| size <= (8 << 10) + 100), "{sizes:?}");
    let page = read_log(&kept.folder(), LogPlace::default(), usize::MAX).unwrap();
    assert!(page.lost, "the first lines were rotated away");
    let out = texts(&page.lines, Stream::Out);
    let first: usize = out[0].strip_prefix("line ").unwrap().parse().unwrap();
    let expected: Vec<_> = (first..3000).map(|number| format!("line {number}")).collect();
    assert_eq!(out, expected);
    // In small pages it is the same, and nothing is lost from a place that is still there.
    let mut pages = Vec::new();
    let mut place = LogPlace { file: page.next.file - 2, offset: 0 };
    loop {
        let page = read_log(&kept.folder(), place, 7).unwrap();
        assert!(!page.lost && page.lines.len() <= 7);
        if page.lines.is_empty() {
            break;
        }
        place = page.next;
        pages.extend(page.lines);
    }
    assert_eq!(pages, page.lines);
    assert_eq!(place, page.next);
    for count in [0, 1, 5, 400, 1_000_000] {
        let tail = tail(&kept.folder(), count).unwrap();
        let expected = &page.lines[page.lines.len() - count.min(page.lines.len())..];
        assert_eq!((&tail.lines[..], tail.next), (expected, page.next));
    }
}

#[test]
fn a_reader_along_with_the_writer_misses_nothing() {
    let spec = script("i=0; while [ $i -lt 2000 ]; do echo line $i; i=$((i+1)); done");
    let log = LogLimits { file_size: Bytes(16 << 10), files: 100, ..spec.log };
    let kept = Kept::with(&Spec { log, ..spec });
    let mut follow = Follow::new(&kept.folder(), LogPlace::default());
    assert_eq!(follow.next(100, Duration::ZERO).unwrap().lines, []);
    kept.start().unwrap();
    let mut lines = Vec::new();
    until("the last line", || {
        let page = follow.next(10, Duration::from_millis(100)).unwrap();
        assert!(!page.lost);
        lines.extend(page.lines);
        lines.last().is_some_and(|line| line.stream == Stream::Keeper).then_some(())
    });
    let expected: Vec<_> = (0..2000).map(|number| format!("line {number}")).collect();
    assert_eq!(texts(&lines, Stream::Out), expected);
}

#[test]
fn a_flood_is_bounded_and_stalls_nobody() {
    let spec = script("yes 'a flood'");
    let log = LogLimits { file_size: Bytes(64 << 10), files: 2, rate: Bytes(1 << 20), ..spec.log };
    let kept = Kept::started(&Spec { log, ..spec.clone() });
    // More than fits into its files was written.
    until("it was rotated", || read_log(&kept.folder(), LogPlace::default(), 1).unwrap().lost.then_some(()));
    let sizes = log_files(&kept);
    assert!(sizes.len() <= 2 && sizes.iter().sum::<u64>() <= 2 * ((64 << 10) + 100), "{sizes:?}");
    // Another is not stalled, and the flood itself can still be stopped.
    by_itself(&Kept::started(&script("echo unharmed")).last_run(), &Exit::Code(0));
    let status = fs::read_to_string(format!("/proc/{}/status", kept.running().keeper.pid)).unwrap();
    let memory = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
    let memory: u64 = memory.trim().strip_suffix(" kB").unwrap().parse().unwrap();
    assert!(memory < 8 << 10, "the keeper holds {memory} KiB");
    let run = kept.stop(Stop::Gracefully).last.unwrap();
    assert_eq!(run.exit, Exit::Signal(15));
    assert_eq!(run.lines.last().unwrap(), "a flood");
}

#[test]
fn without_a_place_for_its_log_it_does_not_start() {
    let kept = Kept::with(&script("exit 6"));
    let log = kept.folder().join("log");
    fs::write(&log, "in the way").unwrap();
    let error = kept.start().unwrap_err();
    assert!(matches!(error, deployd::keeper::StartError::Failed(_)), "{error:?}");
    assert_eq!(kept.find(), Found::NotStarted);
    fs::remove_file(&log).unwrap();
    kept.start().unwrap();
    by_itself(&kept.last_run(), &Exit::Code(6));
}
