//! Label values: closed sets, and names that were admitted.

use std::cmp::Ordering;
use std::sync::Arc;

/// Longest label value in bytes.
const MAX_BYTES: usize = 128;

/// Model of a request before its name is admitted.
pub(super) const UNKNOWN: Label = Label::Static("unknown");
/// Model of a request once the cap on models is reached.
pub(super) const OTHER: Label = Label::Static("other");

/// A label value, bounded in length and free of control characters.
#[derive(Debug, Clone)]
pub enum Label {
    /// A word of a closed set.
    Static(&'static str),
    /// An admitted name.
    Shared(Arc<str>),
}

impl Label {
    /// A name as a label value: control characters dropped, at most 128 bytes, cut on a character boundary.
    #[must_use]
    pub fn of_name(name: &str) -> Self {
        let clean: String = name.chars().filter(|c| !c.is_control()).collect();
        let mut end = clean.len().min(MAX_BYTES);
        while !clean.is_char_boundary(end) {
            end -= 1;
        }
        Self::Shared(Arc::from(&clean[..end]))
    }

    /// The value.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Static(text) => text,
            Self::Shared(text) => text,
        }
    }
}

impl PartialEq for Label {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Label {}

impl PartialOrd for Label {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Label {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_str().cmp(other.as_str())
    }
}

/// A closed set of label values: an enum whose variants index arrays of handles.
macro_rules! label_set {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[$variant_doc])* $variant),+
        }

        impl $name {
            /// Every value.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];
            /// How many there are.
            pub const COUNT: usize = Self::ALL.len();

            /// The value in the exposition.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text),+
                }
            }
        }

        impl From<$name> for Label {
            fn from(value: $name) -> Self {
                Self::Static(value.as_str())
            }
        }
    };
}

label_set! {
    /// The operation of a model call.
    Endpoint {
        /// Chat completions.
        ChatCompletions = "/chat/completions",
        /// Text completions.
        Completions = "/completions",
        /// Embeddings.
        Embeddings = "/embeddings",
        /// Responses.
        Responses = "/responses",
    }
}

label_set! {
    /// Whether a caller asked for a stream.
    Stream {
        /// It did not.
        No = "false",
        /// It did.
        Yes = "true",
        /// The body is not read yet.
        Unknown = "unknown",
    }
}

impl From<bool> for Stream {
    fn from(stream: bool) -> Self {
        if stream { Self::Yes } else { Self::No }
    }
}

label_set! {
    /// How a dispatch ended, in one word.
    StatusType {
        /// A complete answer with a status below 400.
        Success = "success",
        /// Anything else that is not the caller's leaving.
        Error = "error",
        /// The caller left.
        Cancelled = "cancelled",
    }
}

label_set! {
    /// How an authenticated model call ended for its caller.
    Answer {
        /// Complete, at the first attempt.
        Ok = "ok",
        /// Complete, after a retry of the same target.
        OkAfterRetry = "ok_after_retry",
        /// Complete, from a later target of the route.
        OkAfterFallback = "ok_after_fallback",
        /// The request was refused for what it said.
        CallerError = "caller_error",
        /// The provider asked to slow down.
        RateLimited = "rate_limited",
        /// The provider failed.
        UpstreamError = "upstream_error",
        /// Aurora could not serve it.
        GatewayError = "gateway_error",
        /// A stream or body that broke after its headers.
        BrokenStream = "broken_stream",
        /// The caller left.
        Cancelled = "cancelled",
    }
}

label_set! {
    /// A phase of a model call.
    Phase {
        /// Head to parsed body.
        Decode = "decode",
        /// Resolution and splice.
        Prepare = "prepare",
        /// To upstream headers.
        ProviderDispatch = "provider_dispatch",
        /// Upstream headers to the last byte.
        ResponseWrite = "response_write",
        /// Head to the last byte.
        Total = "total",
    }
}

label_set! {
    /// How an HTTP exchange ended on the wire.
    HttpOutcome {
        /// The response was complete.
        Ok = "ok",
        /// The response broke off on our side.
        Broken = "broken",
        /// The caller left.
        Cancelled = "cancelled",
    }
}

label_set! {
    /// How far an answer had come when its caller left.
    DisconnectStage {
        /// Nothing was sent yet.
        BeforeHeaders = "before_headers",
        /// Headers, but no token of a stream.
        BeforeFirstToken = "before_first_token",
        /// Part of the answer.
        MidStream = "mid_stream",
    }
}

label_set! {
    /// What a refused credential was meant to open.
    Surface {
        /// The API.
        Api = "api",
        /// The metrics endpoint.
        Metrics = "metrics",
    }
}

label_set! {
    /// Why a credential was refused.
    AuthFailure {
        /// There was none.
        Missing = "missing",
        /// It was not of a form that can hold a key.
        Malformed = "malformed",
        /// It was another key.
        Invalid = "invalid",
    }
}

label_set! {
    /// A kind of token; kinds do not overlap.
    TokenKind {
        /// Input that no cache served.
        InputUncached = "uncached",
        /// Input read from the provider's cache.
        InputCacheRead = "cache_read",
        /// Input written to the provider's cache.
        InputCacheWrite = "cache_write",
        /// Audio input.
        InputAudio = "audio",
        /// Text output.
        OutputText = "text",
        /// Reasoning output.
        OutputReasoning = "reasoning",
        /// Audio output.
        OutputAudio = "audio",
    }
}

impl TokenKind {
    /// `input` or `output`.
    #[must_use]
    pub const fn direction(self) -> &'static str {
        match self {
            Self::InputUncached | Self::InputCacheRead | Self::InputCacheWrite | Self::InputAudio => "input",
            Self::OutputText | Self::OutputReasoning | Self::OutputAudio => "output",
        }
    }
}

/// Tokens of one answer by [`TokenKind`].
pub type Tokens = [u64; TokenKind::COUNT];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_bounded_and_clean() {
        assert_eq!(Label::of_name("gpt-4o\n\u{7}mini").as_str(), "gpt-4omini");
        assert_eq!(Label::of_name(&"é".repeat(100)).as_str(), "é".repeat(64));
        assert_eq!(Label::of_name(&format!("x{}", "é".repeat(100))).as_str(), format!("x{}", "é".repeat(63)));
    }
}
