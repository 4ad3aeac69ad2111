//! The body of a request to a provider: parts that share the bytes of the client's body and are never joined.

use std::io::IoSlice;
use std::ops::Range;

use bytes::{Buf, Bytes};

/// Most parts of a body: two replaced values and the parts before, between and after them.
const MAX_PARTS: usize = 5;

/// Up to [`MAX_PARTS`] slices, sent one after the other. A clone shares them.
#[derive(Debug, Clone, Default)]
pub struct RequestBody {
    parts: [Bytes; MAX_PARTS],
}

impl RequestBody {
    /// `body` with two ranges of it replaced. They are in their order and do not overlap.
    #[must_use]
    pub fn replaced(mut body: Bytes, first: (Range<usize>, Bytes), second: (Range<usize>, Bytes)) -> Self {
        let last = body.split_off(second.0.end);
        body.truncate(second.0.start);
        let middle = body.split_off(first.0.end);
        body.truncate(first.0.start);
        Self { parts: [body, first.1, middle, second.1, last] }
    }
}

impl From<Bytes> for RequestBody {
    fn from(body: Bytes) -> Self {
        let mut parts = <[Bytes; MAX_PARTS]>::default();
        parts[0] = body;
        Self { parts }
    }
}

/// The bytes that are still to be sent.
impl Buf for RequestBody {
    fn remaining(&self) -> usize {
        self.parts.iter().map(Bytes::len).sum()
    }

    fn chunk(&self) -> &[u8] {
        self.parts.iter().find(|part| !part.is_empty()).map_or(&[], Bytes::as_ref)
    }

    fn chunks_vectored<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let parts = self.parts.iter().filter(|part| !part.is_empty());
        let mut count = 0;
        for (slice, part) in slices.iter_mut().zip(parts) {
            *slice = IoSlice::new(part);
            count += 1;
        }
        count
    }

    fn advance(&mut self, mut count: usize) {
        for part in &mut self.parts {
            let sent = count.min(part.len());
            count -= sent;
            // Nothing of a part that is sent is kept: an empty slice would still hold the whole body.
            if sent == part.len() {
                *part = Bytes::new();
            } else {
                part.advance(sent);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_sent_in_their_order() {
        let body = Bytes::from_static(b"0123456789");
        let (first, second) = (Bytes::from_static(b"first"), Bytes::from_static(b"second"));
        let mut body = RequestBody::replaced(body, (1..2, first), (8..8, second));
        let mut slices = [IoSlice::new(&[]); MAX_PARTS];
        assert_eq!(body.chunks_vectored(&mut slices), 5);
        assert_eq!(slices.map(|part| part.to_vec()).concat(), b"0first234567second89");
        for (sent, rest) in [(0, "0first234567second89"), (3, "rst234567second89"), (9, "second89"), (8, "")]
        {
            body.advance(sent);
            assert_eq!((body.remaining(), body.chunk().is_empty()), (rest.len(), rest.is_empty()));
            assert_eq!(body.clone().copy_to_bytes(rest.len()), rest);
        }
        assert_eq!(RequestBody::default().remaining(), 0);
    }
}
