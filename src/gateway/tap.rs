//! Reads along with a stream of server-sent events without touching or delaying a byte: when the first token came,
//! whether the stream reached its end, and what it declares to have used.

use memchr::memchr;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::usage;
use crate::metrics::{Endpoint, Tokens};

/// Most bytes of an unfinished event that are kept; a longer event passes unread.
const MAX_EVENT: usize = 64 << 10;

/// What a stream has shown so far.
#[derive(Debug)]
pub(super) struct Tap {
    endpoint: Endpoint,
    /// The part of an event that has come, while it is unfinished.
    unfinished: Vec<u8>,
    /// The unfinished event is over [`MAX_EVENT`].
    too_long: bool,
    /// An event with content, reasoning or a tool call has come.
    pub(super) first_token: bool,
    /// The last event of a whole stream has come.
    pub(super) ended: bool,
    /// The upstream itself reported an error inside the stream.
    pub(super) reported_error: bool,
    /// The last declaration of use.
    pub(super) tokens: Option<Tokens>,
}

#[derive(Deserialize)]
struct Chunk<'a> {
    #[serde(borrow)]
    choices: Option<Vec<Choice<'a>>>,
    #[serde(borrow)]
    usage: Option<&'a RawValue>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Choice<'a> {
    #[serde(borrow)]
    delta: Option<Delta<'a>>,
    #[serde(borrow)]
    text: Option<&'a RawValue>,
    #[serde(borrow)]
    finish_reason: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Delta<'a> {
    #[serde(borrow)]
    content: Option<&'a RawValue>,
    #[serde(borrow)]
    reasoning_content: Option<&'a RawValue>,
    #[serde(borrow)]
    reasoning: Option<&'a RawValue>,
    #[serde(borrow)]
    refusal: Option<&'a RawValue>,
    #[serde(borrow)]
    tool_calls: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct ResponsesEvent<'a> {
    #[serde(borrow)]
    r#type: Option<std::borrow::Cow<'a, str>>,
    #[serde(borrow)]
    delta: Option<&'a RawValue>,
    #[serde(borrow)]
    response: Option<ResponseObject<'a>>,
}

#[derive(Deserialize)]
struct ResponseObject<'a> {
    #[serde(borrow)]
    usage: Option<&'a RawValue>,
}

impl Tap {
    pub(super) fn new(endpoint: Endpoint) -> Self {
        Self {
            endpoint,
            unfinished: Vec::new(),
            too_long: false,
            first_token: false,
            ended: false,
            reported_error: false,
            tokens: None,
        }
    }

    /// Whether the bytes so far end inside an event.
    pub(super) fn is_inside_event(&self) -> bool {
        self.too_long || !self.unfinished.is_empty()
    }

    /// Reads the next bytes of the stream.
    pub(super) fn read(&mut self, bytes: &[u8]) {
        if self.unfinished.is_empty() && !self.too_long {
            let rest = self.read_events(bytes);
            self.keep(rest);
            return;
        }
        let mut joined = std::mem::take(&mut self.unfinished);
        joined.extend_from_slice(bytes);
        let rest = self.read_events(&joined);
        self.keep(rest);
    }

    fn keep(&mut self, rest: &[u8]) {
        if rest.len() > MAX_EVENT {
            if !self.too_long {
                self.too_long = true;
                self.ended |= self.endpoint == Endpoint::Responses && begins_last_response_event(rest);
            }
            // Enough to see the blank line that ends the event.
            self.unfinished = rest[rest.len() - 3..].to_vec();
        } else {
            self.unfinished = rest.to_vec();
        }
    }

    /// Reads every whole event and returns what is left.
    fn read_events<'a>(&mut self, mut bytes: &'a [u8]) -> &'a [u8] {
        while let Some((event, rest)) = split_event(bytes) {
            if self.too_long {
                self.too_long = false;
            } else {
                self.read_event(event);
            }
            bytes = rest;
        }
        bytes
    }

    fn read_event(&mut self, event: &[u8]) {
        let mut data: Option<std::borrow::Cow<[u8]>> = None;
        for line in event.split(|byte| *byte == b'\n') {
            let Some(value) = line.strip_prefix(b"data:") else { continue };
            let value = value.strip_prefix(b" ").unwrap_or(value);
            let value = value.strip_suffix(b"\r").unwrap_or(value);
            match &mut data {
                None => data = Some(value.into()),
                Some(data) => {
                    data.to_mut().push(b'\n');
                    data.to_mut().extend_from_slice(value);
                }
            }
        }
        match data.as_deref() {
            None => {}
            Some(b"[DONE]") => self.ended = true,
            Some(data) if self.endpoint == Endpoint::Responses => self.read_responses_event(data),
            Some(data) => self.read_chunk(data),
        }
    }

    fn read_chunk(&mut self, data: &[u8]) {
        let Ok(chunk) = serde_json::from_slice::<Chunk>(data) else { return };
        for choice in chunk.choices.iter().flatten() {
            self.first_token |= choice.has_token();
            self.ended |= is_filled(choice.finish_reason);
        }
        self.reported_error |= chunk.error.is_some();
        self.used(chunk.usage);
    }

    fn read_responses_event(&mut self, data: &[u8]) {
        let Ok(event) = serde_json::from_slice::<ResponsesEvent>(data) else { return };
        match event.r#type.as_deref() {
            Some("response.completed" | "response.incomplete" | "response.failed") => self.ended = true,
            Some("error") => self.reported_error = true,
            Some(kind) if kind.starts_with("response.") && kind.ends_with(".delta") => {
                self.first_token |= is_filled(event.delta);
            }
            _ => {}
        }
        self.used(event.response.and_then(|response| response.usage));
    }

    fn used(&mut self, usage: Option<&RawValue>) {
        if let Some(tokens) = usage.and_then(usage::tokens) {
            self.tokens = Some(tokens);
        }
    }
}

impl Choice<'_> {
    fn has_token(&self) -> bool {
        let delta = self.delta.as_ref().is_some_and(|delta| {
            [delta.content, delta.reasoning_content, delta.reasoning, delta.refusal, delta.tool_calls]
                .into_iter()
                .any(is_filled)
        });
        delta || is_filled(self.text)
    }
}

/// The last event of a response carries all of it and may be too long to be read: its name says what it is.
fn begins_last_response_event(event: &[u8]) -> bool {
    let start = &event[..event.len().min(128)];
    [
        "response.completed\"",
        "response.completed\n",
        "response.completed\r",
        "response.incomplete",
        "response.failed",
    ]
    .iter()
    .any(|name| memchr::memmem::find(start, name.as_bytes()).is_some())
}

/// Whether a member says anything.
fn is_filled(value: Option<&RawValue>) -> bool {
    value.is_some_and(|value| !matches!(value.get(), "null" | "\"\"" | "[]" | "{}"))
}

/// The first event, without the blank line that ends it, and what follows.
fn split_event(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut from = 0;
    while let Some(offset) = memchr(b'\n', &bytes[from..]) {
        let next = from + offset + 1;
        match bytes.get(next..)? {
            [b'\n', rest @ ..] | [b'\r', b'\n', rest @ ..] => return Some((&bytes[..next - 1], rest)),
            _ => from = next,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHAT: &str = "data: {\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":\"\"},\"finish_reason\":null}]}\n\n\
        : keep-alive\n\n\
        data: {\"choices\":[{\"delta\":{\"content\":\"Hi\"},\"finish_reason\":null}],\"usage\":null}\r\n\r\n\
        data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n\
        data: {\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":2,\"total_tokens\":5}}\n\n\
        data: [DONE]\n\n";

    fn seen(tap: &Tap) -> (bool, bool, Option<(u64, u64)>) {
        (tap.first_token, tap.ended, tap.tokens.as_ref().map(usage::totals))
    }

    #[test]
    fn any_split_of_the_bytes_reads_the_same() {
        for size in 1..CHAT.len() {
            let mut tap = Tap::new(Endpoint::ChatCompletions);
            for part in CHAT.as_bytes().chunks(size) {
                tap.read(part);
            }
            assert_eq!(seen(&tap), (true, true, Some((3, 2))), "in parts of {size}");
            assert!(!tap.is_inside_event());
        }
    }

    #[test]
    fn the_first_token_is_the_first_content() {
        let mut tap = Tap::new(Endpoint::ChatCompletions);
        let mut events = CHAT.split_inclusive("\n\n");
        tap.read(events.next().unwrap().as_bytes());
        tap.read(events.next().unwrap().as_bytes());
        assert_eq!(seen(&tap), (false, false, None));
        tap.read(events.next().unwrap().as_bytes());
        assert_eq!(seen(&tap), (true, true, None));
    }

    #[test]
    fn responses_end_with_their_own_event() {
        let mut tap = Tap::new(Endpoint::Responses);
        tap.read(b"event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"delta\":\"H\"}\n\n");
        assert_eq!(seen(&tap), (true, false, None));
        tap.read(b"data: {\"type\":\"response.completed\",\"response\":{\"usage\":{\"input_tokens\":1,\"output_tokens\":2}}}\n\n");
        assert_eq!(seen(&tap), (true, true, Some((1, 2))));
    }

    #[test]
    fn a_response_over_the_limit_ends_its_stream() {
        let mut tap = Tap::new(Endpoint::Responses);
        let event = format!(
            "event: response.completed\ndata: {{\"type\":\"response.completed\",\"response\":\"{}\"}}\n\n",
            "x".repeat(2 * MAX_EVENT)
        );
        let (start, end) = event.as_bytes().split_at(MAX_EVENT + 1);
        tap.read(start);
        tap.read(end);
        assert_eq!(seen(&tap), (false, true, None));
        assert!(!tap.is_inside_event());
    }

    #[test]
    fn an_event_over_the_limit_passes_unread_and_the_next_is_read() {
        let mut tap = Tap::new(Endpoint::ChatCompletions);
        tap.read(b"data: {\"choices\":[{\"delta\":{\"content\":\"");
        for _ in 0..100 {
            tap.read(&[b'x'; 1024]);
        }
        assert!(tap.unfinished.len() <= MAX_EVENT);
        tap.read(b"\"}}]}\n");
        tap.read(b"\n");
        assert_eq!(seen(&tap), (false, false, None));
        tap.read(b"data: [DONE]\n\n");
        assert_eq!(seen(&tap), (false, true, None));
    }
}
