//! One run: started, attended, ended, until nothing of it is left.

use super::client::Answer;
use super::keep::{Keeper, wall};
use super::log::{Lines, Stream};
use super::look::Look;
use super::pace::Allowance;
use super::process::ProcessId;
use super::shim::{self, Begun};
use super::stamp::stamp;
use super::state::{EndedFor, Exit, Phase, Run};
use super::{Ask, Stop, tree};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal, WaitOptions, WaitStatus, wait};
use std::io::{PipeReader, Read as _};
use std::os::fd::{AsFd as _, BorrowedFd};
use std::time::{Duration, Instant, SystemTime};

/// A run that is not over.
struct Live {
    /// The process itself, until it was waited for.
    first: Option<Pid>,
    /// The number of its group.
    group: Option<Pid>,
    exit: Option<Exit>,
    /// Whether anything below us may be left.
    left: bool,
    pipes: [Pipe; 2],
    word: Option<PipeReader>,
    output: u64,
    allowance: Allowance,
    time_over: Option<Instant>,
    look: Look,
    ending: Option<Ending>,
    stopped: bool,
}

/// One of its output pipes.
struct Pipe {
    reader: Option<PipeReader>,
    stream: Stream,
    lines: Lines,
}

/// A run that is being ended.
struct Ending {
    why: Option<EndedFor>,
    kill_at: Instant,
    kills: u32,
    /// Whether its group was asked, in one stroke.
    group_asked: bool,
}

/// How much is read at once. A pipe holds 64 KiB; with less in hand a keeper is smaller and listens more often.
const PIECE: usize = 16 << 10;

impl Keeper {
    /// Runs it once. Returns when nothing of it is left: how it ended, and whether that was asked for.
    pub(super) fn run(&mut self) -> (Run, bool) {
        let started = wall();
        self.state.started = Some(started);
        let begun = match shim::begin(&self.spec, &self.environment) {
            Ok(begun) => begun,
            Err(error) => {
                let exit = Exit::CouldNotStart(format!("cannot begin a process: {error}"));
                return (Run { started, ended: wall(), exit, ended_for: None, lines: Vec::new() }, false);
            }
        };
        self.state.service = ProcessId::of(begun.child.id()).ok().flatten();
        let inodes = [&begun.out, &begun.err].map(|pipe| rustix::fs::fstat(pipe).map(|pipe| pipe.st_ino));
        self.state.pipes = inodes.into_iter().flatten().collect();
        let mut live = Live::new(begun, self);
        while live.left {
            self.attend(&mut live);
        }
        self.drain(&mut live);
        let exit = live.exit.unwrap_or_else(|| Exit::CouldNotStart("its end was lost".to_owned()));
        let ended_for = live.ending.and_then(|ending| ending.why);
        (Run { started, ended: wall(), exit, ended_for, lines: self.last.take() }, live.stopped)
    }

    /// One turn: what time asks for, then waiting, then what was heard.
    fn attend(&mut self, live: &mut Live) {
        let now = Instant::now();
        self.mind_limits(live, now);
        self.mind_ending(live, now);
        let may_read = live.allowance.left(now) > 0;
        let mut until = live.next_moment();
        if !may_read {
            let again = live.allowance.again_at();
            until = Some(until.map_or(again, |until| until.min(again)));
        }
        let others = live.descriptors(may_read);
        let Ok(ready) = self.ears.wait(&others, until) else {
            // Out of memory, at worst: nothing is lost by waiting a little without listening.
            std::thread::sleep(Duration::from_millis(10));
            return;
        };
        for (pipe, ready) in [0, 1].into_iter().zip(&ready) {
            if *ready {
                self.read(live, pipe);
            }
        }
        self.ears.children_heard();
        self.wait_for_children(live);
        if ready[2] || live.first.is_none() {
            self.hear_word(live);
        }
        let asked = self.ears.stop_asked();
        if let Some(how) = asked.or_else(|| self.ears.is_forgotten().then_some(Stop::Gracefully)) {
            live.stopped = true;
            self.end(live, Some(EndedFor::Stop), how);
        }
    }

    fn mind_limits(&mut self, live: &mut Live, now: Instant) {
        if live.time_over.take_if(|over| *over <= now).is_some() {
            self.end(live, Some(EndedFor::Time), Stop::Gracefully);
        }
        if self.spec.limits.output.is_some_and(|most| live.output > most.0) {
            self.end(live, Some(EndedFor::Output), Stop::AtOnce);
        }
        if let Some(why) = live.look.take(now, &self.spec.directory) {
            self.end(live, Some(why), Stop::AtOnce);
        }
    }

    /// Ends everything of a run: the first reason counts, the shortest grace too.
    fn end(&mut self, live: &mut Live, why: Option<EndedFor>, how: Stop) {
        let now = Instant::now();
        let kill_at = match how {
            Stop::Gracefully => now + self.spec.grace.duration(),
            Stop::AtOnce => now,
        };
        if let Some(ending) = &mut live.ending {
            ending.kill_at = ending.kill_at.min(kill_at);
            return;
        }
        live.ending =
            Some(Ending { why, kill_at, kills: 0, group_asked: how == Stop::Gracefully && live.first.is_some() });
        if how == Stop::Gracefully {
            match live.first {
                Some(first) => tree::signal_group(first, signal_of(self.spec.ask)),
                None => self.ask_those_left(live),
            }
        }
        self.tell(Phase::Ending);
    }

    /// Asks what is left once the first process has ended, by SIGTERM: who had that with the group is not asked twice,
    /// for many take the second as "at once". Who left the group is mostly somebody's who ends it himself, so it was
    /// not asked before.
    fn ask_those_left(&mut self, live: &Live) {
        let group_asked = live.ending.as_ref().is_some_and(|ending| ending.group_asked);
        let had_it = live.group.filter(|_| group_asked && self.spec.ask == Ask::Terminate);
        if let Err(error) = tree::signal_others(had_it, Signal::TERM) {
            self.log.note(&format!("cannot ask all of it to end: {error}"));
        }
    }

    /// Kills what grace has not ended, again and again: what could not be killed, or was just born, has another turn.
    fn mind_ending(&mut self, live: &mut Live, now: Instant) {
        const PAUSE_FIRST: Duration = Duration::from_millis(5);
        const PAUSE_DOUBLINGS_MOST: u32 = 8;
        let first = live.first;
        let Some(ending) = live.ending.as_mut().filter(|ending| ending.kill_at <= now) else { return };
        if let Err(error) = tree::kill_all(first)
            && ending.kills == 0
        {
            self.log.note(&format!("cannot kill all of it: {error}"));
        }
        ending.kill_at = now + PAUSE_FIRST * 2_u32.pow(ending.kills.min(PAUSE_DOUBLINGS_MOST));
        ending.kills = ending.kills.saturating_add(1);
    }

    /// Waits for every child that ended. When the first process ends by itself, what it started is to end, too.
    fn wait_for_children(&mut self, live: &mut Live) {
        let had_first = live.first.is_some();
        loop {
            match wait(WaitOptions::NOHANG) {
                Ok(Some((pid, status))) if Some(pid) == live.first => {
                    live.first = None;
                    live.exit.get_or_insert(exit_of(status));
                }
                Ok(Some(_)) | Err(rustix::io::Errno::INTR) => {}
                Ok(None) => break,
                // No child at all is left, and orphans would be ours.
                Err(_) => {
                    live.left = false;
                    break;
                }
            }
        }
        let just_ended = had_first && live.first.is_none();
        match &live.ending {
            None if live.left && live.first.is_none() => self.end(live, None, Stop::Gracefully),
            Some(ending) if live.left && just_ended && ending.kills == 0 => self.ask_those_left(live),
            _ => {}
        }
    }

    /// The shim's last word: nothing, if it became the service.
    fn hear_word(&mut self, live: &mut Live) {
        let Some(mut word) = live.word.take() else { return };
        let mut why = String::new();
        // The shim writes once and ends: this does not block.
        let _ = word.read_to_string(&mut why);
        if !why.is_empty() {
            live.exit = Some(Exit::CouldNotStart(why));
            return;
        }
        if live.ending.is_none() && live.exit.is_none() {
            self.tell(Phase::Running);
        }
        // Without its start time it cannot be named; whoever started it looks for itself.
        self.answer(&self.state.service.clone().map_or(Answer::Already, Answer::Started));
    }

    /// Reads one piece of one pipe into the log.
    fn read(&mut self, live: &mut Live, pipe: usize) {
        let pipe = &mut live.pipes[pipe];
        let Some(reader) = &mut pipe.reader else { return };
        let mut piece = [0; PIECE];
        let before = self.log.written();
        let (log, last, stream) = (&mut self.log, &mut self.last, pipe.stream);
        let time = stamp(SystemTime::now());
        let mut keep = |line: &[u8], cut| {
            log.line(&time, stream, line, cut);
            last.push(line);
        };
        match reader.read(&mut piece) {
            Ok(0) => {
                pipe.lines.finish(&mut keep);
                pipe.reader = None;
            }
            Ok(length) => {
                pipe.lines.feed(&piece[..length], &mut keep);
                live.output += length as u64;
                // Beside what it costs on disk: one endless line costs nothing there.
                live.allowance.spend(length as u64);
            }
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(_) => pipe.reader = None,
        }
        self.log.flush();
        live.allowance.spend(self.log.written() - before);
    }

    /// What is still in the pipes when nothing of the run is left. They are at their end, unless a stranger holds one.
    fn drain(&mut self, live: &mut Live) {
        for pipe in [0, 1] {
            while live.pipes[pipe].reader.as_ref().is_some_and(|reader| is_ready(reader.as_fd())) {
                self.read(live, pipe);
            }
            let Pipe { lines, stream, .. } = &mut live.pipes[pipe];
            let time = stamp(SystemTime::now());
            lines.finish(|line, cut| {
                self.log.line(&time, *stream, line, cut);
                self.last.push(line);
            });
        }
        self.log.flush();
        self.hear_word(live);
    }
}

impl Live {
    fn new(begun: Begun, keeper: &Keeper) -> Live {
        let now = Instant::now();
        let lines = || Lines::new(usize::try_from(keeper.spec.log.line.0).unwrap_or(usize::MAX));
        let pipe = |reader, stream| Pipe { reader: Some(reader), stream, lines: lines() };
        let first = i32::try_from(begun.child.id()).ok().and_then(Pid::from_raw);
        Live {
            first,
            group: first,
            exit: None,
            left: true,
            pipes: [pipe(begun.out, Stream::Out), pipe(begun.err, Stream::Err)],
            word: Some(begun.word),
            output: 0,
            allowance: Allowance::new(keeper.spec.log.rate.0, now),
            time_over: keeper.spec.limits.time.and_then(|time| now.checked_add(time.duration())),
            look: Look::new(keeper.spec.limits, now),
            ending: None,
            stopped: false,
        }
    }

    /// The next moment that asks for something.
    fn next_moment(&self) -> Option<Instant> {
        let kill_at = self.ending.as_ref().map(|ending| ending.kill_at);
        [self.time_over, self.look.next(), kill_at].into_iter().flatten().min()
    }

    fn descriptors(&self, may_read: bool) -> [Option<BorrowedFd<'_>>; 3] {
        let [out, err] = self.pipes.each_ref().map(|pipe| pipe.reader.as_ref().filter(|_| may_read));
        [out, err, self.word.as_ref()].map(|reader| reader.map(PipeReader::as_fd))
    }
}

fn signal_of(ask: Ask) -> Signal {
    match ask {
        Ask::Terminate => Signal::TERM,
        Ask::Interrupt => Signal::INT,
        Ask::Quit => Signal::QUIT,
    }
}

fn exit_of(status: WaitStatus) -> Exit {
    match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => Exit::Code(code),
        (_, signal) => Exit::Signal(signal.unwrap_or(0)),
    }
}

/// Whether reading would not block.
fn is_ready(fd: BorrowedFd<'_>) -> bool {
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    poll(&mut [PollFd::from_borrowed_fd(fd, PollFlags::IN)], Some(&now)).is_ok_and(|ready| ready > 0)
}
