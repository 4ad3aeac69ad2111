//! The end of a body (RFC 9112, 6.3), and the body's bytes up to there.

use bytes::{Bytes, BytesMut};

use super::Malformed;
use super::chunks::Chunks;

/// Place in a body, and how its end is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framing {
    /// So many bytes are to come.
    Length(u64),
    Chunked(Chunks),
    /// The body ends with its connection.
    UntilClose,
}

impl Framing {
    /// No body.
    pub(crate) const EMPTY: Self = Self::Length(0);

    /// Returns true if all of the body was taken.
    pub(crate) fn is_at_end(self) -> bool {
        matches!(self, Self::Length(0) | Self::Chunked(Chunks::End))
    }

    /// The bytes that are still to come, where their number is known.
    pub(crate) fn remaining(self) -> Option<u64> {
        match self {
            Self::Length(remaining) => Some(remaining),
            Self::Chunked(Chunks::End) => Some(0),
            Self::Chunked(_) | Self::UntilClose => None,
        }
    }

    /// So many bytes were read past the buffer, into their place.
    pub(crate) fn took(&mut self, count: usize) {
        if let Self::Length(remaining) = self {
            *remaining -= count as u64;
        }
    }

    /// Takes all of the body that is in the buffer.
    pub(crate) fn take(&mut self, buffer: &mut BytesMut) -> Result<Bytes, Malformed> {
        match self {
            Self::Length(remaining) => {
                let here = usize::try_from(*remaining).unwrap_or(usize::MAX).min(buffer.len());
                *remaining -= here as u64;
                Ok(buffer.split_to(here).freeze())
            }
            Self::Chunked(chunks) => chunks.take(buffer),
            Self::UntilClose => Ok(buffer.split().freeze()),
        }
    }
}
