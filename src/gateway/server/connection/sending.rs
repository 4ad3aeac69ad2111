//! A response on its way to the client: what there is of it is written at once, small parts joined.

use std::cell::Cell;
use std::io::{self, IoSlice};
use std::task::{Context, Poll};

use bytes::{Buf as _, Bytes};
use http::Response;

use super::response_head::{BodyEnd, Exchange};
use crate::gateway::response::recorded_body::RecordedBody;

/// Size up to which a part of the body is joined with what is before it: to copy 1 KB takes 20 ns, to write two parts of it
/// instead of one 200 ns more.
const JOINED: usize = 2 << 10;
/// Size of joined parts from which they are written before more is joined.
const MOST_JOINED: usize = 16 << 10;

thread_local! {
    /// A buffer for joined parts. One for all connections of a worker stays in the processor's cache.
    static BUFFER: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// See the module.
#[derive(Debug)]
pub(super) struct Sending {
    body: RecordedBody,
    end: BodyEnd,
    /// The head and small parts of the body, of which so many bytes are written.
    joined: Vec<u8>,
    written: usize,
    /// A part of the body that is not joined.
    part: Bytes,
    /// What ends that part.
    part_end: &'static [u8],
    progress: Progress,
    /// The kernel takes no more for now.
    is_blocked: bool,
}

/// Progress of the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Progress {
    /// More of it may be there.
    Some,
    /// More of it is waited for.
    Waits,
    /// All of it was taken.
    Ended,
    /// It broke: the client must not take it for whole.
    Broken,
}

impl Sending {
    /// Begins with the head.
    pub(super) fn new(response: Response<RecordedBody>, exchange: Exchange) -> Self {
        let mut joined = BUFFER.take();
        let end = exchange.body_end(response.status(), response.body().size());
        exchange.write_head(&response, end, &mut joined);
        Self {
            body: response.into_body(),
            end,
            joined,
            written: 0,
            part: Bytes::new(),
            part_end: &[],
            progress: Progress::Some,
            is_blocked: false,
        }
    }

    /// Takes what there is of the body, up to a part that is not joined; nothing while the client does not read.
    pub(super) fn gather(&mut self, cx: &mut Context<'_>) -> Progress {
        if matches!(self.progress, Progress::Ended | Progress::Broken) {
            return self.progress;
        }
        self.progress = Progress::Some;
        if self.is_blocked {
            return self.progress;
        }
        while self.progress == Progress::Some {
            if self.body.is_at_end() {
                self.complete();
                break;
            }
            if self.joined.len() >= MOST_JOINED || !self.part.is_empty() {
                break;
            }
            match self.body.poll_bytes(cx) {
                Poll::Pending => self.progress = Progress::Waits,
                Poll::Ready(Some(Ok(bytes))) => self.take(bytes),
                Poll::Ready(Some(Err(_))) => self.progress = Progress::Broken,
                Poll::Ready(None) => self.complete(),
            }
        }
        self.progress
    }

    /// Takes bytes of the body.
    fn take(&mut self, bytes: Bytes) {
        match &mut self.end {
            BodyEnd::Empty => return,
            BodyEnd::Length(remaining) => match remaining.checked_sub(bytes.len() as u64) {
                Some(rest) => *remaining = rest,
                None => {
                    self.progress = Progress::Broken;
                    return;
                }
            },
            BodyEnd::Chunked => {
                if bytes.is_empty() {
                    return;
                }
                write_chunk_size(&mut self.joined, bytes.len());
                self.part_end = b"\r\n";
            }
            BodyEnd::Close => {}
        }
        if bytes.len() > JOINED {
            self.part = bytes;
        } else {
            self.joined.extend_from_slice(&bytes);
            self.joined.extend_from_slice(std::mem::take(&mut self.part_end));
        }
    }

    /// The body is at its end: what says so follows.
    fn complete(&mut self) {
        self.body.end_dispatch();
        self.progress = match self.end {
            BodyEnd::Length(1..) => Progress::Broken,
            BodyEnd::Chunked if self.part.is_empty() => {
                self.joined.extend_from_slice(b"0\r\n\r\n");
                Progress::Ended
            }
            BodyEnd::Chunked => {
                self.part_end = b"\r\n0\r\n\r\n";
                Progress::Ended
            }
            BodyEnd::Empty | BodyEnd::Length(0) | BodyEnd::Close => Progress::Ended,
        };
    }

    /// Returns true if there is something to write behind what is joined.
    fn has_part(&self) -> bool {
        !self.part.is_empty() || !self.part_end.is_empty()
    }

    /// Returns true if all that was taken is written.
    pub(super) fn is_written(&mut self) -> bool {
        let is_written = self.written == self.joined.len() && !self.has_part();
        if is_written && self.written > 0 {
            self.joined.clear();
            self.written = 0;
        }
        is_written
    }

    /// Hands what is to be written to a function that returns how much of it was.
    pub(super) fn write(
        &mut self,
        write: impl FnOnce(&[IoSlice<'_>]) -> Poll<io::Result<usize>>,
    ) -> Poll<io::Result<()>> {
        let joined = IoSlice::new(&self.joined[self.written..]);
        let written = if self.has_part() {
            write(&[joined, IoSlice::new(&self.part), IoSlice::new(self.part_end)])
        } else {
            write(&[joined])
        };
        self.is_blocked = written.is_pending();
        written.map_ok(|count| self.advance(count))
    }

    fn advance(&mut self, mut count: usize) {
        let of_joined = count.min(self.joined.len() - self.written);
        self.written += of_joined;
        count -= of_joined;
        let of_part = count.min(self.part.len());
        self.part.advance(of_part);
        self.part_end = &self.part_end[count - of_part..];
    }

    /// All of it was accepted by the kernel.
    pub(super) fn sent(mut self) {
        self.joined.clear();
        BUFFER.set(self.joined);
        self.body.sent();
    }
}

/// Writes the line before a chunk's data.
fn write_chunk_size(into: &mut Vec<u8>, size: usize) {
    let digits = (usize::BITS - size.leading_zeros()).div_ceil(4);
    for place in (0..digits).rev() {
        into.push(b"0123456789abcdef"[size >> (4 * place) & 15]);
    }
    into.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use http::{HeaderValue, Method, Version};

    use super::*;
    use crate::gateway::response::recorded_body::ResponseBody;

    /// What is written of a response by a kernel that takes so many bytes at a time, and nothing at every second attempt.
    fn written(body: &'static [u8], exchange: Exchange, end: Option<BodyEnd>, most: usize) -> String {
        let body = RecordedBody::new(ResponseBody::Full(Bytes::from_static(body)), None);
        let mut response = Response::new(body);
        response.headers_mut().insert("date", HeaderValue::from_static("now"));
        let mut sending = Sending::new(response, exchange);
        sending.end = end.unwrap_or(sending.end);
        let mut cx = Context::from_waker(std::task::Waker::noop());
        let (mut bytes, mut takes) = (Vec::new(), false);
        loop {
            let progress = sending.gather(&mut cx);
            while !sending.is_written() {
                takes = !takes;
                let step = sending.write(|parts| {
                    if !takes {
                        return Poll::Pending;
                    }
                    let all: Vec<u8> = parts.iter().flat_map(|part| part.iter().copied()).collect();
                    bytes.extend_from_slice(&all[..all.len().min(most)]);
                    Poll::Ready(Ok(all.len().min(most)))
                });
                if step.is_pending() {
                    break;
                }
            }
            match progress {
                Progress::Ended if sending.is_written() => break,
                Progress::Broken => panic!("it is whole"),
                _ => {}
            }
        }
        sending.sent();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn a_response_is_the_same_however_little_the_kernel_takes() {
        static LARGE: [u8; JOINED + 1] = [b'x'; JOINED + 1];
        let exchange = Exchange::new(Version::HTTP_11, &Method::GET);
        let to_head = Exchange::new(Version::HTTP_11, &Method::HEAD);
        let (large, size) = (String::from_utf8(LARGE.to_vec()).unwrap(), LARGE.len());
        for most in [1, 7, 100, 1 << 20] {
            for (body, exchange, end, expected) in [
                (&b""[..], exchange, None, "content-length: 0\r\n\r\n".to_owned()),
                (b"small", exchange, None, "content-length: 5\r\n\r\nsmall".to_owned()),
                (b"left out", to_head, None, "\r\n".to_owned()),
                (&LARGE, exchange, None, format!("content-length: {size}\r\n\r\n{large}")),
                (
                    b"small",
                    exchange,
                    Some(BodyEnd::Chunked),
                    "content-length: 5\r\n\r\n5\r\nsmall\r\n0\r\n\r\n".to_owned(),
                ),
                (
                    &LARGE,
                    exchange,
                    Some(BodyEnd::Chunked),
                    format!("content-length: {size}\r\n\r\n{size:x}\r\n{large}\r\n0\r\n\r\n"),
                ),
            ] {
                let expected = format!("HTTP/1.1 200 OK\r\ndate: now\r\n{expected}");
                assert_eq!(written(body, exchange, end, most), expected, "{most} at a time");
            }
        }
    }

    #[test]
    fn sizes_of_chunks_are_hexadecimal() {
        for size in [1, 9, 10, 15, 16, 255, 256, 65_535, 1 << 20, usize::MAX] {
            let mut line = Vec::new();
            write_chunk_size(&mut line, size);
            assert_eq!(String::from_utf8(line).unwrap(), format!("{size:x}\r\n"));
        }
    }
}
