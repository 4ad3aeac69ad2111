//! Stream error events: the last event of a stream that breaks.

use crate::api::Endpoint;
use crate::api::stream_format::StreamError;
use crate::metrics::StreamOutcome;

/// Reason that a body did not reach its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Break {
    /// The upstream's connection broke.
    Upstream,
    /// The upstream ended a stream that was not at its end.
    Truncated,
    /// The upstream's compressed body cannot be decoded, or expands too much.
    Undecodable,
    /// The upstream fell silent.
    Silent,
    /// The grace period of our shutdown is over.
    Shutdown,
}

impl Break {
    /// As the metrics count it.
    pub(crate) const fn outcome(self) -> StreamOutcome {
        match self {
            Self::Upstream | Self::Truncated => StreamOutcome::UpstreamTruncated,
            Self::Undecodable => StreamOutcome::UpstreamError,
            Self::Silent => StreamOutcome::Timeout,
            Self::Shutdown => StreamOutcome::Shutdown,
        }
    }

    pub(crate) const fn message(self) -> &'static str {
        match self {
            Self::Upstream => "the provider's connection broke in the middle of the response",
            Self::Truncated => "the provider ended the stream before the response was complete",
            Self::Undecodable => "the provider's compressed response cannot be decoded",
            Self::Silent => "the provider stopped sending in the middle of the response",
            Self::Shutdown => "the gateway is shutting down; send the request again",
        }
    }

    pub(crate) const fn code(self) -> &'static str {
        match self {
            Self::Upstream | Self::Undecodable => "upstream_error",
            Self::Truncated => "upstream_truncated",
            Self::Silent => "upstream_timeout",
            Self::Shutdown => "shutting_down",
        }
    }

    pub(crate) const fn kind(self) -> &'static str {
        match self {
            Self::Shutdown => "server_error",
            Self::Upstream | Self::Truncated | Self::Undecodable | Self::Silent => "upstream_error",
        }
    }

    /// The event that the client gets, in the format of the endpoint's streams.
    pub(crate) fn event(self, endpoint: Endpoint) -> String {
        let error = StreamError { kind: self.kind(), code: self.code(), message: self.message() };
        endpoint.stream_format().error_event(error)
    }
}
