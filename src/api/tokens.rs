//! Kinds of tokens. They do not overlap: every token counts under exactly one.

use super::closed_set;

closed_set! {
    /// Direction of tokens.
    Direction {
        /// To the model.
        Input = "input",
        /// From the model.
        Output = "output",
    }
}

closed_set! {
    /// A kind of token.
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
        self.side().as_str()
    }

    /// The side it is on.
    #[must_use]
    pub const fn side(self) -> Direction {
        match self {
            Self::InputUncached | Self::InputCacheRead | Self::InputCacheWrite | Self::InputAudio => {
                Direction::Input
            }
            Self::OutputText | Self::OutputReasoning | Self::OutputAudio => Direction::Output,
        }
    }
}

/// Tokens of one response by [`TokenKind`].
pub type Tokens = [u64; TokenKind::COUNT];
