//! Decoding of compressed response bodies on their way. Requests accept identity only; some providers compress all the same.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use async_compression::tokio::bufread::{
    BrotliDecoder, DeflateDecoder, GzipDecoder, ZlibDecoder, ZstdDecoder,
};
use async_compression::zstd::DParameter;
use bytes::{Buf as _, Bytes};
use http::response::Parts;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use http_body::{Body, Frame, SizeHint};
use tokio::io::{AsyncBufRead, AsyncRead, ReadBuf};

use crate::providers::UpstreamBody;

/// Most bytes that are decoded at once.
const PIECE: usize = 16 << 10;
/// Largest window of zstd, as a power of two: 8 MiB, which is all that the content coding allows (RFC 9659).
const ZSTD_WINDOW: u32 = 23;
/// Most decoded bytes for each compressed one. Text compresses to a tenth, gzip at its best to a thousandth: what goes
/// beyond is made to exhaust its decoder.
const MAX_EXPANSION: u64 = 500;
/// Decoded size up to which any expansion is fine. Less than is held of JSON, so that a bomb is refused with 502.
const FREE_EXPANSION: u64 = 128 << 10;

/// A content coding that can be decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Coding {
    Gzip,
    /// With or without the frame of zlib: either is sent under this name.
    Deflate,
    Brotli,
    Zstd,
}

impl Coding {
    /// The one coding of a body; `None` for identity, several, and any other.
    fn of(headers: &HeaderMap) -> Option<Self> {
        let mut values = headers.get_all(header::CONTENT_ENCODING).iter().map(HeaderValue::to_str);
        let value = values.next()?.ok()?.trim();
        if values.next().is_some() {
            return None;
        }
        let codings = [
            ("gzip", Self::Gzip),
            ("x-gzip", Self::Gzip),
            ("deflate", Self::Deflate),
            ("br", Self::Brotli),
            ("zstd", Self::Zstd),
        ];
        for (name, coding) in codings {
            if value.eq_ignore_ascii_case(name) {
                return Some(coding);
            }
        }
        None
    }

    /// A decoder of what begins with this byte.
    fn decoder(self, source: Source, first: u8) -> Decoder {
        match self {
            Self::Gzip => {
                let mut decoder = GzipDecoder::new(source);
                decoder.multiple_members(true);
                Decoder::Gzip(decoder)
            }
            // The frame of zlib begins with its method, 8; so begins no deflated data.
            Self::Deflate if first & 0xf == 8 => Decoder::Zlib(ZlibDecoder::new(source)),
            Self::Deflate => Decoder::Deflate(DeflateDecoder::new(source)),
            Self::Brotli => Decoder::Brotli(BrotliDecoder::new(source)),
            Self::Zstd => {
                let window = DParameter::window_log_max(ZSTD_WINDOW);
                let mut decoder = ZstdDecoder::with_params(source, &[window]);
                decoder.multiple_members(true);
                Decoder::Zstd(decoder)
            }
        }
    }
}

/// A response's body as identity, with the headers that say so. A part of an encoded body cannot be decoded and stays
/// as it is, as does what has a coding that is not known.
pub(crate) fn decoded(head: &mut Parts, body: UpstreamBody) -> DecodedBody {
    let Some(coding) = Coding::of(&head.headers) else { return DecodedBody::Plain(body) };
    // The response to HEAD describes a body that does not come.
    if head.status == StatusCode::PARTIAL_CONTENT || body.is_end_stream() {
        return DecodedBody::Plain(body);
    }
    head.headers.remove(header::CONTENT_ENCODING);
    head.headers.remove(header::CONTENT_LENGTH);
    let source = Source { body, part: Bytes::new(), taken: 0, is_broken: false };
    let scratch = vec![0; PIECE].into();
    DecodedBody::Decoded(Box::new(Decoding { state: State::Begins(coding, source), scratch, size: 0 }))
}

/// A response's body without its content coding.
#[derive(Debug)]
pub(crate) enum DecodedBody {
    Plain(UpstreamBody),
    Decoded(Box<Decoding>),
}

/// Reason that a body does not go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BodyError {
    #[error("its connection broke in the middle of the response")]
    Broken,
    #[error("its compressed response cannot be decoded")]
    Invalid,
    #[error("its compressed response expands more than {MAX_EXPANSION}-fold")]
    Expands,
}

impl Body for DecodedBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match &mut *self {
            Self::Plain(body) => Pin::new(body).poll_frame(cx).map_err(|_| BodyError::Broken),
            Self::Decoded(decoded) => {
                let piece = ready!(decoded.poll_piece(cx)).transpose();
                Poll::Ready(piece).map_ok(Frame::data)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Plain(body) => body.is_end_stream(),
            Self::Decoded(decoded) => matches!(decoded.state, State::Over),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Plain(body) => body.size_hint(),
            Self::Decoded(_) => SizeHint::default(),
        }
    }
}

/// A body that is decoded as it comes. It waits for no more than its next bytes, and holds one piece of them.
#[derive(Debug)]
pub(crate) struct Decoding {
    state: State,
    scratch: Box<[u8]>,
    /// Bytes that were decoded.
    size: u64,
}

#[derive(Debug)]
enum State {
    /// No byte has come.
    Begins(Coding, Source),
    Goes(Decoder),
    Over,
}

impl Decoding {
    /// The next decoded bytes; `None` at their end.
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, BodyError>> {
        if let State::Begins(_, source) = &mut self.state {
            let first = ready!(Pin::new(&mut *source).poll_fill_buf(cx)).ok().and_then(|part| part.first());
            let (first, is_broken) = (first.copied(), source.is_broken);
            self.state = match (std::mem::replace(&mut self.state, State::Over), first) {
                (State::Begins(coding, source), Some(first)) => State::Goes(coding.decoder(source, first)),
                _ if is_broken => return Poll::Ready(Err(BodyError::Broken)),
                _ => State::Over,
            };
        }
        let State::Goes(decoder) = &mut self.state else { return Poll::Ready(Ok(None)) };
        let mut piece = ReadBuf::new(&mut self.scratch);
        let read = ready!(Pin::new(decoder.as_reader()).poll_read(cx, &mut piece));
        let (taken, is_broken) = (decoder.source().taken, decoder.source().is_broken);
        let piece = piece.filled();
        self.size += piece.len() as u64;
        let error = match read {
            Ok(()) if self.size > FREE_EXPANSION.max(taken.saturating_mul(MAX_EXPANSION)) => {
                BodyError::Expands
            }
            Ok(()) if !piece.is_empty() => return Poll::Ready(Ok(Some(Bytes::copy_from_slice(piece)))),
            Ok(()) if !is_broken => {
                self.state = State::Over;
                return Poll::Ready(Ok(None));
            }
            Ok(()) | Err(_) if is_broken => BodyError::Broken,
            Ok(()) | Err(_) => BodyError::Invalid,
        };
        self.state = State::Over;
        Poll::Ready(Err(error))
    }
}

#[derive(Debug)]
enum Decoder {
    Gzip(GzipDecoder<Source>),
    Zlib(ZlibDecoder<Source>),
    Deflate(DeflateDecoder<Source>),
    Brotli(BrotliDecoder<Source>),
    Zstd(ZstdDecoder<Source>),
}

impl Decoder {
    fn as_reader(&mut self) -> &mut (dyn AsyncRead + Unpin) {
        match self {
            Self::Gzip(decoder) => decoder,
            Self::Zlib(decoder) => decoder,
            Self::Deflate(decoder) => decoder,
            Self::Brotli(decoder) => decoder,
            Self::Zstd(decoder) => decoder,
        }
    }

    fn source(&self) -> &Source {
        match self {
            Self::Gzip(decoder) => decoder.get_ref(),
            Self::Zlib(decoder) => decoder.get_ref(),
            Self::Deflate(decoder) => decoder.get_ref(),
            Self::Brotli(decoder) => decoder.get_ref(),
            Self::Zstd(decoder) => decoder.get_ref(),
        }
    }
}

/// The compressed body, as a decoder reads it.
#[derive(Debug)]
struct Source {
    body: UpstreamBody,
    /// Bytes that have come and are not decoded yet.
    part: Bytes,
    /// Bytes that the decoder took.
    taken: u64,
    /// The connection broke. The decoder sees the end of the body, and so gives what it has.
    is_broken: bool,
}

impl AsyncBufRead for Source {
    fn poll_fill_buf(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        let this = self.get_mut();
        while this.part.is_empty() && !this.is_broken {
            match ready!(Pin::new(&mut this.body).poll_frame(cx)) {
                Some(Ok(frame)) => this.part = frame.into_data().unwrap_or_default(),
                Some(Err(_)) => this.is_broken = true,
                None => break,
            }
        }
        Poll::Ready(Ok(&this.part))
    }

    fn consume(mut self: Pin<&mut Self>, size: usize) {
        self.part.advance(size);
        self.taken += size as u64;
    }
}

impl AsyncRead for Source {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let part = ready!(self.as_mut().poll_fill_buf(cx))?;
        let size = part.len().min(into.remaining());
        into.put_slice(&part[..size]);
        self.consume(size);
        Poll::Ready(Ok(()))
    }
}
