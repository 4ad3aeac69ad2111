//! Formats of event streams.

use serde_json::json;

/// Format of the events of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamFormat {
    /// Chunks of chat and text completions, then `[DONE]`.
    Chat,
    /// Typed events of a response.
    Responses,
    /// Events of a message, in Anthropic's format.
    Messages,
    /// Typed events without an agreed last one: the end of the body is the end of the stream.
    Plain,
}

/// An error for the client of a stream that has begun.
#[derive(Debug, Clone, Copy)]
pub struct StreamError {
    /// OpenAI's `type`.
    pub kind: &'static str,
    /// OpenAI's `code`.
    pub code: &'static str,
    /// Cause, for people.
    pub message: &'static str,
}

impl StreamFormat {
    /// The event that reports an error, as clients of the format expect it.
    #[must_use]
    pub fn error_event(self, error: StreamError) -> String {
        let StreamError { kind, code, message } = error;
        match self {
            Self::Messages => {
                let error = json!({"type": "error", "error": {"type": "api_error", "message": message}});
                format!("event: error\ndata: {error}\n\n")
            }
            Self::Responses => {
                let error = json!({"type": "error", "code": code, "message": message, "param": null});
                format!("event: error\ndata: {error}\n\n")
            }
            Self::Chat | Self::Plain => {
                let error = json!({"error": {"message": message, "type": kind, "param": null, "code": code}});
                format!("data: {error}\n\n")
            }
        }
    }
}
