//! Label values: closed sets, and names that were admitted.

use std::cmp::Ordering;
use std::sync::Arc;

use crate::api::closed_set;
pub use crate::api::{Direction, Endpoint, TokenKind, Tokens};

/// Longest label value in bytes.
const MAX_BYTES: usize = 128;

/// Model of a request before its name is admitted.
pub(crate) const UNKNOWN: Label = Label::Static(&"unknown");
/// Model of a request once the cap on models is reached.
pub(crate) const OTHER: Label = Label::Static(&"other");
/// Model of a request once the cap on unlisted models is reached: reads as [`UNKNOWN`], but has its own address.
pub(crate) const UNLISTED: Label = Label::Static(&UNLISTED_WORD);
static UNLISTED_WORD: &str = "unknown";

/// A label value, bounded in length and free of control characters.
#[derive(Debug, Clone)]
pub enum Label {
    /// A word of a closed set; by a thin pointer, since there are many labels.
    Static(&'static &'static str),
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

    /// The limit that replaced a name by this label; `None` where it is itself a name, or there was none.
    pub(crate) fn folded_by(&self) -> Option<Overflow> {
        match self {
            Self::Static(word) if std::ptr::eq(*word, &raw const UNLISTED_WORD) => {
                Some(Overflow::MaxUnlistedModels)
            }
            Self::Static(_) if *self == OTHER => Some(Overflow::MaxModels),
            Self::Static(_) | Self::Shared(_) => None,
        }
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

/// A closed set of words as label values.
macro_rules! into_label {
    ($name:ident) => {
        impl From<$name> for Label {
            fn from(value: $name) -> Self {
                Self::Static(&$name::WORDS[value as usize])
            }
        }
    };
}

/// A closed set of label values: an enum whose variants index arrays of handles.
macro_rules! label_set {
    ($(#[$doc:meta])* $name:ident { $($set:tt)+ }) => {
        closed_set! { $(#[$doc])* $name { $($set)+ } }
        into_label!($name);
    };
}

into_label!(Direction);
into_label!(Endpoint);
into_label!(TokenKind);

label_set! {
    /// Streaming, as the client requests it.
    Stream {
        /// No stream.
        No = "false",
        /// A stream.
        Yes = "true",
        /// Not known: the body is not read yet.
        Unknown = "unknown",
    }
}

impl From<bool> for Stream {
    fn from(stream: bool) -> Self {
        if stream { Self::Yes } else { Self::No }
    }
}

label_set! {
    /// Outcome of a dispatch in one word.
    StatusType {
        /// A complete response with a status below 400.
        Success = "success",
        /// Any other end but a disconnect of the client.
        Error = "error",
        /// The client disconnected.
        Cancelled = "cancelled",
    }
}

label_set! {
    /// End of an authenticated model call, for its client.
    CallOutcome {
        /// Complete, at the first attempt.
        Ok = "ok",
        /// Complete, after a retry of the same target.
        OkAfterRetry = "ok_after_retry",
        /// Complete, from a later target of the route.
        OkAfterFallback = "ok_after_fallback",
        /// The request was invalid.
        CallerError = "caller_error",
        /// The provider limited the rate.
        RateLimited = "rate_limited",
        /// The provider failed.
        UpstreamError = "upstream_error",
        /// Aurora could not serve it.
        GatewayError = "gateway_error",
        /// A stream or body that broke after its headers.
        BrokenStream = "broken_stream",
        /// The client disconnected.
        Cancelled = "cancelled",
    }
}

impl CallOutcome {
    /// The outcome once it is known how the transfer of the response ended.
    #[must_use]
    pub const fn after(self, transfer: HttpOutcome) -> Self {
        match transfer {
            HttpOutcome::Ok => self,
            HttpOutcome::Broken => Self::BrokenStream,
            HttpOutcome::Cancelled => Self::Cancelled,
        }
    }

    /// True for a complete and successful response.
    #[must_use]
    pub const fn is_fine(self) -> bool {
        matches!(self, Self::Ok | Self::OkAfterRetry | Self::OkAfterFallback)
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
    /// Outcome of an HTTP request on the wire.
    HttpOutcome {
        /// The response was complete.
        Ok = "ok",
        /// The response broke off on our side.
        Broken = "broken",
        /// The client disconnected.
        Cancelled = "cancelled",
    }
}

label_set! {
    /// Progress of a response when its client disconnected.
    DisconnectStage {
        /// Nothing was sent yet.
        BeforeHeaders = "before_headers",
        /// After the headers, before the first token of a stream.
        BeforeFirstToken = "before_first_token",
        /// After part of the response.
        MidStream = "mid_stream",
    }
}

label_set! {
    /// Reason to reject a request before dispatch.
    Rejection {
        /// Too many requests in flight or connections open.
        Concurrency = "concurrency",
        /// The gateway is shutting down.
        Draining = "draining",
        /// The body is over the limit.
        BodyTooLarge = "body_too_large",
        /// The request cannot be understood.
        InvalidRequest = "invalid_request",
        /// No provider has the model.
        ModelNotFound = "model_not_found",
        /// There is no provider.
        NoProvider = "no_provider",
    }
}

label_set! {
    /// Outcome of one attempt at a provider.
    Attempt {
        /// A complete response with a status below 400.
        Success = "success",
        /// Any other status from 400 to 499.
        ClientError = "client_error",
        /// 401 or 403: our credential.
        Unauthorized = "unauthorized",
        /// 402, or a 429 for lack of quota.
        Quota = "quota",
        /// 429 for too many requests.
        RateLimited = "rate_limited",
        /// A status from 500, or an invalid response.
        ServerError = "server_error",
        /// A timeout.
        Timeout = "timeout",
        /// No connection.
        ConnectError = "connect_error",
        /// The client disconnected.
        Cancelled = "cancelled",
        /// Not made: the circuit breaker is open.
        BreakerOpen = "breaker_open",
    }
}

impl Attempt {
    /// Outcome of an attempt by its final status.
    #[must_use]
    pub const fn of_status(status: u16) -> Self {
        match status {
            0..400 => Self::Success,
            401 | 403 => Self::Unauthorized,
            402 => Self::Quota,
            429 => Self::RateLimited,
            400..500 => Self::ClientError,
            _ => Self::ServerError,
        }
    }
}

label_set! {
    /// Outcome of a stream.
    StreamOutcome {
        /// At its end.
        Completed = "completed",
        /// The client disconnected.
        ClientDisconnect = "client_disconnect",
        /// The provider reported an error inside it.
        UpstreamError = "upstream_error",
        /// It broke off.
        UpstreamTruncated = "upstream_truncated",
        /// The provider sent nothing for too long.
        Timeout = "timeout",
        /// The gateway stopped, or met a defect of its own.
        Shutdown = "shutdown",
    }
}

label_set! {
    /// Source of the token counts of a response.
    UsageSource {
        /// The provider declared them, by itself or on the client's request.
        Native = "native",
        /// The provider declared them because Aurora requested it.
        Injected = "injected",
        /// None declared.
        Missing = "missing",
    }
}

label_set! {
    /// Reason for a response without a cost.
    Unpriced {
        /// Its model has none in the configuration.
        NoPrice = "no_price",
        /// Its tokens are not known.
        NoUsage = "no_usage",
    }
}

label_set! {
    /// Reason for a retry of the same target.
    RetryReason {
        /// No connection, or one that broke before a response.
        ConnectError = "connect_error",
        /// 429.
        RateLimited = "rate_limited",
        /// 502, 503 or 504.
        ServerError = "server_error",
        /// Another error, with `x-should-retry: true`.
        Requested = "requested",
    }
}

label_set! {
    /// State of a circuit breaker.
    BreakerState {
        /// Requests pass.
        Closed = "closed",
        /// No request passes.
        Open = "open",
        /// One request at a time passes, as a probe.
        HalfOpen = "half_open",
    }
}

label_set! {
    /// Limit for which an observation counts under `other`, or under `unknown` although its name has earned a label.
    Overflow {
        /// `metrics.max_models` pairs have a label value of their own.
        MaxModels = "max_models",
        /// The family has `metrics.max_series` label sets.
        MaxSeries = "max_series",
        /// `metrics.max_unlisted_models` names of the provider have a label value although they are unlisted.
        MaxUnlistedModels = "max_unlisted_models",
    }
}

label_set! {
    /// Format of an exposition.
    Format {
        /// Prometheus' text format, 0.0.4.
        Text = "text",
        /// OpenMetrics, 1.0.0.
        OpenMetrics = "openmetrics",
    }
}

label_set! {
    /// State of an open client connection.
    ConnectionState {
        /// A request is in flight.
        Active = "active",
        /// It waits for the next request.
        Idle = "idle",
    }
}

label_set! {
    /// A request method.
    HttpMethod {
        /// GET
        Get = "GET",
        /// HEAD
        Head = "HEAD",
        /// POST
        Post = "POST",
        /// PUT
        Put = "PUT",
        /// PATCH
        Patch = "PATCH",
        /// DELETE
        Delete = "DELETE",
        /// OPTIONS
        Options = "OPTIONS",
        /// Any other method.
        Other = "other",
    }
}

impl HttpMethod {
    /// The method of a request line.
    #[must_use]
    pub fn of(method: &str) -> Self {
        let known = Self::ALL.iter().find(|known| known.as_str() == method);
        known.copied().unwrap_or(Self::Other)
    }
}

label_set! {
    /// First digit of a response status.
    StatusClass {
        /// 2xx.
        Success = "2xx",
        /// 3xx.
        Redirect = "3xx",
        /// 4xx, 499 included.
        ClientError = "4xx",
        /// 5xx.
        ServerError = "5xx",
    }
}

impl StatusClass {
    /// The class of a status.
    #[must_use]
    pub const fn of(status: u16) -> Self {
        match status {
            0..300 => Self::Success,
            300..400 => Self::Redirect,
            400..500 => Self::ClientError,
            _ => Self::ServerError,
        }
    }
}

label_set! {
    /// Part of the server that a refused credential was for.
    Surface {
        /// The API.
        Api = "api",
        /// The metrics endpoint.
        Metrics = "metrics",
    }
}

label_set! {
    /// Reason for refusing a credential.
    AuthFailure {
        /// No credential.
        Missing = "missing",
        /// Not in a form that can contain a key.
        Malformed = "malformed",
        /// Another key.
        Invalid = "invalid",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_takes_two_machine_words() {
        assert_eq!(size_of::<Label>(), 16);
    }

    #[test]
    fn names_are_bounded_and_clean() {
        assert_eq!(Label::of_name("gpt-4o\n\u{7}mini").as_str(), "gpt-4omini");
        assert_eq!(Label::of_name(&"é".repeat(100)).as_str(), "é".repeat(64));
        assert_eq!(Label::of_name(&format!("x{}", "é".repeat(100))).as_str(), format!("x{}", "é".repeat(63)));
    }
}
