//! The body of a request to a provider: parts that share the bytes of the client's body and are never joined.

use std::convert::Infallible;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

/// Most parts of a body: two replaced values and the parts before, between and after them.
const MAX_PARTS: usize = 5;

/// Longest piece that the connection gets at once: one that cannot write several buffers together copies each of them.
const PIECE: usize = 256 << 10;

/// Up to [`MAX_PARTS`] slices, sent one after the other. A clone shares them.
#[derive(Debug, Clone, Default)]
pub struct RequestBody {
    parts: [Bytes; MAX_PARTS],
}

impl RequestBody {
    /// `body` with two ranges of it replaced. They are in their order and do not overlap.
    #[must_use]
    pub fn replaced(
        mut body: Bytes,
        first: (std::ops::Range<usize>, Bytes),
        second: (std::ops::Range<usize>, Bytes),
    ) -> Self {
        let last = body.split_off(second.0.end);
        body.truncate(second.0.start);
        let middle = body.split_off(first.0.end);
        body.truncate(first.0.start);
        Self { parts: [body, first.1, middle, second.1, last] }
    }

    fn len(&self) -> usize {
        self.parts.iter().map(Bytes::len).sum()
    }
}

impl From<Bytes> for RequestBody {
    fn from(body: Bytes) -> Self {
        let mut parts = <[Bytes; MAX_PARTS]>::default();
        parts[0] = body;
        Self { parts }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let Some(part) = self.parts.iter_mut().find(|part| !part.is_empty()) else {
            return Poll::Ready(None);
        };
        let piece = if part.len() > PIECE { part.split_to(PIECE) } else { mem::take(part) };
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.parts.iter().all(Bytes::is_empty)
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.len() as u64)
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;

    use super::*;

    #[tokio::test]
    async fn parts_are_sent_in_their_order_and_in_pieces() {
        let body = Bytes::from(vec![b'x'; 3 * PIECE]);
        let (first, second) = (Bytes::from_static(b"first"), Bytes::from_static(b"second"));
        let mut body = RequestBody::replaced(body, (1..2, first), (2 * PIECE..2 * PIECE, second));
        let expected = ["x", "first", &"x".repeat(2 * PIECE - 2), "second", &"x".repeat(PIECE)].concat();
        assert_eq!(body.size_hint().exact(), Some(expected.len() as u64));
        let mut sent = Vec::new();
        while let Some(Ok(frame)) = body.frame().await {
            let piece = frame.into_data().unwrap();
            assert!((1..=PIECE).contains(&piece.len()));
            sent.extend_from_slice(&piece);
        }
        assert!(sent == expected.as_bytes());
        assert!(body.is_end_stream() && RequestBody::default().is_end_stream());
    }
}
