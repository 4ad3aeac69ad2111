//! Fields that JSON bodies and forms have in common: the requested model, and the refusals of fields.

use std::borrow::Cow;

use crate::gateway::http::error::GatewayError;

/// The requested model, and true if the body names it: the model that the path names, whatever the body says, or else
/// the one that is `written` in the body, where that is text.
pub(super) fn requested_model<E>(
    named: Option<&str>,
    written: Option<Result<Cow<'_, str>, E>>,
) -> Result<(String, bool), GatewayError> {
    match (named, written) {
        (Some(named), written) => {
            let is_in_body = matches!(written, Some(Ok(written)) if written == named);
            Ok((named.to_owned(), is_in_body))
        }
        (None, Some(Ok(written))) => Ok((written.into_owned(), true)),
        (None, Some(Err(_))) => {
            Err(GatewayError::invalid("`model` must be a string.", Some("model"), "invalid_model"))
        }
        (None, None) => {
            let message = "`model` is missing: name the model to use.";
            Err(GatewayError::invalid(message, Some("model"), "missing_model"))
        }
    }
}

/// 400 about a `stream` that is no boolean.
pub(super) fn invalid_stream() -> GatewayError {
    GatewayError::invalid("`stream` must be true or false.", Some("stream"), "invalid_stream")
}

/// 400 about a field that the body has twice; `place` is the kind of body.
pub(super) fn duplicate(field: &'static str, place: &str) -> GatewayError {
    let message = format!("Duplicate field `{field}` in the {place}; send it once.");
    GatewayError::invalid(message, Some(field), "duplicate_member")
}
