//! Looks over hyper's shoulder at the bytes of a connection, for what hyper mends in silence: a head that says both
//! `Content-Length` and `Transfer-Encoding` (it drops the first) and lines that end without a carriage return. Both are
//! how requests are smuggled past one reader to another; they are refused, not mended.
//!
//! It decides nothing else: hyper parses, and what goes on to a service is written anew from what hyper understood.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What was found, shared with whoever answers the requests of the connection.
#[derive(Default)]
pub(super) struct Found {
    /// The number of the first bad head, from 1.
    bad: AtomicU64,
    /// Whether the connection is no HTTP any more.
    off: AtomicBool,
}

/// A connection whose incoming bytes are looked at.
pub(super) struct Watched<S> {
    stream: S,
    watch: Watch,
    found: Arc<Found>,
}

impl Found {
    /// Whether the head of that request (from 1) must be refused.
    pub(super) fn is_bad(&self, request: u64) -> bool {
        self.bad.load(Ordering::Acquire) == request
    }

    /// What follows is a tunnel.
    pub(super) fn stop_looking(&self) {
        self.off.store(true, Ordering::Release);
    }
}

impl<S> Watched<S> {
    pub(super) fn new(stream: S) -> (Watched<S>, Arc<Found>) {
        let found = Arc::new(Found::default());
        (Watched { stream, watch: Watch::default(), found: Arc::clone(&found) }, found)
    }
}

/// Where in the stream of requests it is.
#[derive(Default)]
struct Watch {
    at: At,
    line: Line,
    head: Head,
    heads: u64,
}

#[derive(Default, Clone, Copy)]
enum At {
    /// In a head, its lines included.
    #[default]
    Head,
    /// In a body, or a chunk with the line end behind it.
    Skip {
        left: u64,
        then: Then,
    },
    ChunkSize,
    Trailers,
    /// Something that hyper refuses: it closes the connection.
    Lost,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Then {
    Head,
    ChunkSize,
}

/// The beginning of the line that is being read, and how it ends. Only the beginning matters: a name, a length.
#[derive(Default)]
struct Line {
    start: Vec<u8>,
    length: usize,
    last: u8,
}

#[derive(Default)]
struct Head {
    begun: bool,
    length: Option<u64>,
    has_length: bool,
    has_encoding: bool,
    bare_line_end: bool,
}

/// Enough for `transfer-encoding:` and for `content-length:` with twenty digits.
const LINE_START_BYTES: usize = 64;

impl Watch {
    /// Takes the next bytes; calls back with the number of each head that is bad.
    fn feed(&mut self, mut bytes: &[u8], mut bad: impl FnMut(u64)) {
        while !bytes.is_empty() {
            if let At::Lost = self.at {
                return;
            }
            if let At::Skip { left, then } = self.at {
                let skipped = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
                bytes = &bytes[skipped..];
                let left = left - skipped as u64;
                self.at = match (left, then) {
                    (0, Then::Head) => At::Head,
                    (0, Then::ChunkSize) => At::ChunkSize,
                    (left, then) => At::Skip { left, then },
                };
                continue;
            }
            let (line, rest) = match bytes.iter().position(|byte| *byte == b'\n') {
                Some(end) => (&bytes[..end], Some(&bytes[end + 1..])),
                None => (bytes, None),
            };
            self.line.push(line);
            let Some(rest) = rest else { return };
            bytes = rest;
            self.end_of_line(&mut bad);
            self.line.clear();
        }
    }

    fn end_of_line(&mut self, bad: &mut impl FnMut(u64)) {
        match self.at {
            At::Head if self.line.is_empty() && !self.head.begun => {}
            At::Head if self.line.is_empty() => {
                self.head.bare_line_end |= self.line.last != b'\r';
                self.heads += 1;
                let head = std::mem::take(&mut self.head);
                if head.bare_line_end || (head.has_length && head.has_encoding) {
                    bad(self.heads);
                }
                self.at = match (head.has_encoding, head.has_length, head.length) {
                    (true, ..) => At::ChunkSize,
                    (false, false, _) | (false, true, Some(0)) => At::Head,
                    (false, true, Some(left)) => At::Skip { left, then: Then::Head },
                    (false, true, None) => At::Lost,
                };
            }
            At::Head => {
                self.head.bare_line_end |= self.line.last != b'\r';
                self.head.take(&self.line.start);
            }
            At::ChunkSize => {
                self.at = match chunk_size(&self.line.start) {
                    Some(0) => At::Trailers,
                    Some(size) => At::Skip { left: size.saturating_add(2), then: Then::ChunkSize },
                    None => At::Lost,
                };
            }
            At::Trailers if self.line.is_empty() => self.at = At::Head,
            At::Trailers => {}
            At::Skip { .. } | At::Lost => unreachable!("no lines are read there"),
        }
    }
}

impl Line {
    fn push(&mut self, bytes: &[u8]) {
        let room = LINE_START_BYTES - self.start.len();
        self.start.extend_from_slice(&bytes[..room.min(bytes.len())]);
        self.length += bytes.len();
        self.last = bytes.last().copied().unwrap_or(self.last);
    }

    fn is_empty(&self) -> bool {
        self.length == 0 || (self.length == 1 && self.last == b'\r')
    }

    fn clear(&mut self) {
        self.start.clear();
        self.length = 0;
        self.last = 0;
    }
}

impl Head {
    /// Takes one line: the request line first, which has no name before a colon that matters here.
    fn take(&mut self, line: &[u8]) {
        if !self.begun {
            self.begun = true;
            return;
        }
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { return };
        let (name, value) = (&line[..colon], &line[colon + 1..]);
        if name.eq_ignore_ascii_case(b"transfer-encoding") {
            self.has_encoding = true;
        } else if name.eq_ignore_ascii_case(b"content-length") {
            let text = std::str::from_utf8(value.trim_ascii()).unwrap_or_default();
            self.has_length = true;
            self.length = text.parse().ok();
        }
    }
}

fn chunk_size(line: &[u8]) -> Option<u64> {
    let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
    u64::from_str_radix(std::str::from_utf8(&line[..digits]).ok()?, 16).ok()
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<std::io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        let read = Pin::new(&mut this.stream).poll_read(cx, buffer);
        if !this.found.off.load(Ordering::Acquire) {
            let found = &this.found;
            this.watch.feed(&buffer.filled()[before..], |head| {
                // Only the first counts: the connection ends with its answer.
                let _ = found.bad.compare_exchange(0, head, Ordering::AcqRel, Ordering::Acquire);
            });
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[std::io::IoSlice<'_>],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The numbers of bad heads, whatever pieces the bytes arrive in.
    fn bad(bytes: &str) -> Vec<u64> {
        let pieces = |size: usize| {
            let (mut watch, mut found) = (Watch::default(), Vec::new());
            bytes.as_bytes().chunks(size).for_each(|piece| watch.feed(piece, |head| found.push(head)));
            found
        };
        let whole = pieces(usize::MAX);
        for size in [1, 2, 3, 7, 16] {
            assert_eq!(pieces(size), whole, "in pieces of {size}");
        }
        whole
    }

    #[test]
    fn both_lengths_are_seen_in_either_order_and_after_other_requests() {
        let get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
        let post = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n\n\r\n\r\n";
        let chunked = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5;x=\"y\"\r\nab\r\nc\r\n0\r\nContent-Length: 3\r\nT: x\r\n\r\n";
        assert_eq!(bad(get), [0_u64; 0]);
        assert_eq!(bad(&format!("\r\n{get}{post}{chunked}{get}")), [0_u64; 0]);
        for both in [
            "POST / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
            "POST / HTTP/1.1\r\nTRANSFER-ENCODING: chunked\r\nX: y\r\ncontent-length: 5\r\n\r\n",
            "POST / HTTP/1.1\nHost: a\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: a\n\r\n",
            "POST / HTTP/1.1\r\nHost: a\r\n\n",
        ] {
            assert_eq!(bad(both), [1], "{both:?}");
            assert_eq!(bad(&format!("{get}{post}{chunked}{both}")), [4], "{both:?}");
        }
    }

    #[test]
    fn a_body_that_looks_like_a_head_is_none() {
        let evil = "GET / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n";
        let post = format!("POST / HTTP/1.1\r\nContent-Length: {}\r\n\r\n{evil}", evil.len());
        assert_eq!(bad(&post), [0_u64; 0]);
        let chunk =
            format!("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{evil}\r\n0\r\n\r\n", evil.len());
        assert_eq!(bad(&chunk), [0_u64; 0]);
    }
}
