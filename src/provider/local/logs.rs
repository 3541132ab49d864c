//! A keeper's log as lines of the contract.

use crate::contract::{Failure, LogFrom, LogLine, LogStream};
use crate::keeper::{self, Follow, Stream};
use crate::model::{Identity, Wall};
use futures::StreamExt;
use std::path::PathBuf;
use std::time::Duration;

/// Lines of one page.
const PAGE: usize = 1000;
/// How long one wait for more lines takes: also how long a reader that went away is noticed late.
const PATIENCE: Duration = Duration::from_secs(1);

pub(super) fn read(folder: PathBuf, identity: Identity, from: &LogFrom) -> Result<LogStream, Failure> {
    let page = keeper::tail(&folder, from.tail as usize).map_err(|error| super::room::keeper_failed(&error))?;
    let lines = page.lines.iter().map(|line| line_of(line, &identity)).collect::<Vec<_>>();
    let first = futures::stream::iter(lines);
    if !from.follow {
        return Ok(first.boxed());
    }
    let follow = Follow::new(&folder, page.next);
    let more = futures::stream::unfold(Some((follow, identity)), |following| async move {
        let (mut follow, identity) = following?;
        let waited = tokio::task::spawn_blocking(move || {
            let page = follow.next(PAGE, PATIENCE);
            (page, follow)
        });
        let (page, follow) = waited.await.ok()?;
        let lines = page.ok()?.lines.iter().map(|line| line_of(line, &identity)).collect::<Vec<_>>();
        Some((futures::stream::iter(lines), Some((follow, identity))))
    });
    Ok(first.chain(more.flatten()).boxed())
}

fn line_of(line: &keeper::LogLine, identity: &Identity) -> LogLine {
    let at = line.time.parse::<jiff::Timestamp>().map_or(0, |time| time.as_millisecond());
    LogLine {
        at: Wall(u64::try_from(at).unwrap_or_default()),
        identity: identity.clone(),
        is_error: line.stream != Stream::Out,
        text: line.text.clone(),
    }
}
