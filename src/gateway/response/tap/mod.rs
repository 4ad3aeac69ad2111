//! Reads along with a stream of server-sent events, and touches none of its bytes: when the first token came, whether
//! the stream reached its end, and what it declares to have used. Where Aurora itself requested that declaration, the
//! event that makes it is withheld; nothing else is, and nothing else waits.
//! Our own, since it reads the relayed bytes in place; event-stream crates build a copy of each event.

mod events;
mod excerpt;
mod filled;
mod long;
mod repeated;
mod seen;
mod shapes;
mod withheld;

use std::ops::Range;

use bytes::{Bytes, BytesMut};

use crate::api::{Endpoint, StreamFormat, TokenKind};
use events::Event;
use excerpt::Excerpt;
use long::LongEvent;
use repeated::Repeated;
pub use seen::{Declared, Seen};
use withheld::Decision;

/// Most bytes of an unfinished event that are kept; a longer one is read as it passes.
pub const MAX_EVENT: usize = 64 << 10;

/// Up to this size an event that may have to be withheld is judged whenever more of it comes, beyond it only when its
/// size has doubled: one that comes byte by byte would otherwise take time that grows with the square of its size.
const JUDGED_AT_ONCE: usize = 1 << 10;

/// Reads the data of an event; false when it cannot be parsed.
fn read_data(format: StreamFormat, data: &str, seen: &mut Seen) -> bool {
    match format {
        StreamFormat::Chat => shapes::chat::read(data, seen),
        StreamFormat::Responses => shapes::responses::read(data, seen),
        StreamFormat::Messages => shapes::messages::read(data, seen),
        StreamFormat::Plain => shapes::plain::read(data, seen),
    }
}

/// See the module.
#[derive(Debug)]
pub struct Tap {
    format: StreamFormat,
    /// The event that only declares use is withheld from the client.
    withholds: bool,
    /// The part of an event that has come, while it is unfinished; of one over [`MAX_EVENT`] its last bytes.
    unfinished: Vec<u8>,
    /// The unfinished part has not been passed on.
    held: bool,
    /// Size of the held part at which it is judged again.
    judged_again_at: usize,
    /// The unfinished event, where it is over [`MAX_EVENT`].
    long: Option<LongEvent>,
    /// The last event was withheld up to its CR: the LF that may follow belongs to it.
    withheld_cr: bool,
    repeated: Repeated,
    seen: Seen,
}

/// Division of some bytes into events.
struct Cut {
    /// Events to be withheld.
    withheld: Vec<Range<usize>>,
    /// Start of the unfinished event.
    rest: usize,
}

impl Cut {
    /// Returns true if the last of these bytes is a CR that ends a withheld event.
    fn withholds_to_cr(&self, bytes: &[u8]) -> bool {
        self.withheld.last().is_some_and(|event| event.end == bytes.len()) && bytes.ends_with(b"\r")
    }
}

impl Tap {
    /// A tap of an endpoint's stream; it `withholds` the usage event of completions, where the client did not request
    /// it.
    #[must_use]
    pub fn new(endpoint: Endpoint, withholds: bool) -> Self {
        let format = endpoint.stream_format();
        Self {
            format,
            withholds: withholds && format == StreamFormat::Chat,
            unfinished: Vec::new(),
            held: false,
            judged_again_at: 0,
            long: None,
            withheld_cr: false,
            repeated: Repeated::new(),
            seen: Seen::default(),
        }
    }

    /// State of the stream as seen so far.
    #[must_use]
    pub fn seen(&self) -> &Seen {
        &self.seen
    }

    /// Returns true if the stream may end here. Where an event went unread, it may have been the last one: then the
    /// framing of the body decides.
    #[must_use]
    pub fn may_end(&self, is_framed: bool) -> bool {
        if self.seen.ended || self.format == StreamFormat::Plain {
            return true;
        }
        self.seen.unread && is_framed && !self.is_inside_event()
    }

    /// Returns true if the bytes so far end inside an event.
    #[must_use]
    pub fn is_inside_event(&self) -> bool {
        !self.unfinished.is_empty()
    }

    /// Returns true if bytes wait here until it is known what they are.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.held
    }

    /// The final declaration of use, once.
    pub fn declared(&mut self) -> Option<Declared> {
        let seen = &mut self.seen;
        if !seen.usage_is_new || !(seen.ended || seen.usage_is_final) {
            return None;
        }
        seen.usage_is_new = false;
        let tokens = seen.usage.as_ref()?.tokens()?;
        let unseen = if seen.reasoning { 0 } else { tokens[TokenKind::OutputReasoning as usize] };
        let output = crate::api::usage::totals(&tokens).1;
        let paced = (seen.first_token && seen.choices <= 1).then_some(output - unseen);
        Some(Declared { tokens, paced })
    }

    /// Reads the next bytes of the stream and returns those that go on to the client now.
    pub fn read(&mut self, bytes: &Bytes) -> Bytes {
        crate::panics::point("tap", bytes);
        if std::mem::take(&mut self.withheld_cr) && bytes.starts_with(b"\n") {
            return self.read(&bytes.slice(1..));
        }
        let before = self.unfinished.len();
        if before == 0 {
            let cut = self.cut(bytes, 0);
            let rest = &bytes[cut.rest..];
            self.hold(rest, true);
            self.withheld_cr = cut.withholds_to_cr(bytes);
            let passed = self.passed(bytes, bytes, 0, &cut);
            self.keep(rest);
            return passed;
        }
        let mut whole = std::mem::take(&mut self.unfinished);
        whole.extend_from_slice(bytes);
        let unsent = if self.held { 0 } else { before };
        let cut = self.cut(&whole, before);
        self.hold(&whole[cut.rest..], cut.rest > 0);
        self.withheld_cr = cut.withholds_to_cr(&whole);
        let passed = self.passed(bytes, &whole, unsent, &cut);
        whole.drain(..cut.rest);
        if self.long.is_some() || whole.len() > MAX_EVENT {
            self.keep(&whole);
        } else {
            self.unfinished = whole;
        }
        passed
    }

    /// No more bytes come. What is unfinished is read as if it were whole, since some providers leave out the blank
    /// line after their last event; what was held of it is returned.
    pub fn end(&mut self) -> Bytes {
        let before = self.unfinished.len();
        if before == 0 {
            return Bytes::new();
        }
        let mut whole = std::mem::take(&mut self.unfinished);
        whole.extend_from_slice(b"\n\n");
        let unread = self.seen.unread;
        let cut = self.cut(&whole, before);
        // That it was cut is why it cannot be read.
        self.seen.unread = unread;
        whole.truncate(before);
        let held = std::mem::take(&mut self.held) && cut.withheld.is_empty();
        if held { Bytes::from(whole) } else { Bytes::new() }
    }

    /// Reads every whole event; the first `seen` bytes are known to hold no end of one.
    fn cut(&mut self, bytes: &[u8], mut seen: usize) -> Cut {
        let mut cut = Cut { withheld: Vec::new(), rest: 0 };
        loop {
            let rest = &bytes[cut.rest..];
            let may_repeat = seen == 0 && self.long.is_none() && !self.seen.ended;
            if may_repeat && let Some(length) = self.repeated.length(rest) {
                self.seen.begin_event();
                cut.rest += length;
                continue;
            }
            let length = match self.long {
                Some(_) => events::end_of_event(rest, seen),
                None => events::end_of_piece(rest, seen),
            };
            if let Some(long) = &mut self.long {
                long.read(&rest[seen..length.unwrap_or(rest.len())]);
            }
            let Some(length) = length else { return cut };
            if length > MAX_EVENT && rest[0] != b':' {
                self.begin_long(&rest[..length]);
            }
            if self.read_piece(&rest[..length]) {
                cut.withheld.push(cut.rest..cut.rest + length);
            }
            cut.rest += length;
            seen = 0;
        }
    }

    /// Keeps the beginning of an event; of a long one enough to see the blank line that ends it, of a comment only that
    /// it is one.
    fn keep(&mut self, rest: &[u8]) {
        let rest = if rest.starts_with(b":") && self.long.is_none() { &rest[..1] } else { rest };
        if rest.len() > MAX_EVENT {
            self.begin_long(rest);
        }
        let from = if self.long.is_some() { rest.len().saturating_sub(3) } else { 0 };
        self.unfinished.clear();
        self.unfinished.extend_from_slice(&rest[from..]);
    }

    /// An event turns out to be too long to be kept.
    fn begin_long(&mut self, event: &[u8]) {
        if self.long.is_some() {
            return;
        }
        let mut long = LongEvent::default();
        long.read(event);
        self.long = Some(long);
    }

    /// Of `whole`, the bytes from `unsent` on that go to the client. The last of them came as `new`.
    fn passed(&self, new: &Bytes, whole: &[u8], unsent: usize, cut: &Cut) -> Bytes {
        let end = if self.held { cut.rest } else { whole.len() };
        let before = whole.len() - new.len();
        if cut.withheld.is_empty() && unsent >= before {
            return new.slice(unsent - before..end - before);
        }
        let mut passed = BytesMut::with_capacity(end.saturating_sub(unsent));
        let mut from = unsent;
        // An event whose beginning has passed passes whole.
        for withheld in cut.withheld.iter().filter(|event| event.start >= unsent) {
            passed.extend_from_slice(&whole[from..withheld.start]);
            from = withheld.end;
        }
        passed.extend_from_slice(&whole[from..end]);
        passed.freeze()
    }

    /// Decides whether the beginning of an event is held: of a new one, or of one of which more has come.
    fn hold(&mut self, rest: &[u8], is_new: bool) {
        if self.held && !is_new && rest.len() < self.judged_again_at.min(MAX_EVENT) {
            return;
        }
        self.held = (self.held || is_new) && self.may_be_withheld(rest);
        self.judged_again_at = if rest.len() < JUDGED_AT_ONCE { 0 } else { 2 * rest.len() };
    }

    /// Returns true if the beginning of an event must wait because it may turn out to be one that is withheld.
    fn may_be_withheld(&self, rest: &[u8]) -> bool {
        self.withholds
            && self.long.is_none()
            && (1..=MAX_EVENT).contains(&rest.len())
            && Decision::on(rest) != Decision::Passes
    }

    /// Reads a whole event, a comment or an empty line; true when it is to be withheld.
    fn read_piece(&mut self, piece: &[u8]) -> bool {
        if let Some(long) = self.long.take() {
            self.read_long(&long);
            return false;
        }
        let Some(event) = Event::of(piece) else { return false };
        self.seen.begin_event();
        if &*event.data == b"[DONE]" {
            self.seen.ended = true;
            return false;
        }
        self.seen.reported_error |= event.name == b"error";
        let is_read = match std::str::from_utf8(&event.data) {
            Ok(data) => read_data(self.format, data, &mut self.seen),
            Err(_) => false,
        };
        if !is_read {
            // NaN, Infinity or invalid UTF-8 somewhere: what matters can still be read.
            let mut excerpt = Excerpt::default();
            excerpt.read(&event.data);
            self.read_excerpt(&excerpt);
        } else if self.seen.is_amid_tokens() {
            self.repeated.keep(piece);
        }
        self.withholds && self.seen.no_choices && Decision::on(piece) == Decision::Withheld
    }

    fn read_long(&mut self, event: &LongEvent) {
        self.seen.begin_event();
        self.seen.reported_error |= event.is_named(b"error");
        self.seen.unread |= !self.read_excerpt(&event.excerpt);
    }

    /// Reads the excerpt of an event's data; false when there is none.
    fn read_excerpt(&mut self, excerpt: &Excerpt) -> bool {
        match excerpt.text() {
            Some(text) => read_data(self.format, &text, &mut self.seen),
            None => false,
        }
    }
}

#[cfg(test)]
mod tests;
