//! Transfer codings of a request (RFC 9112, 6.1): none, or `chunked` once. More can be read in several ways, so that a
//! proxy in front and the gateway would take different bytes for the next request.

use http::HeaderMap;
use http::header::TRANSFER_ENCODING;

use crate::gateway::http::error::GatewayError;

/// Returns true if there is one way to find the end of the body.
pub(crate) fn is_plain(headers: &HeaderMap) -> bool {
    let mut values = headers.get_all(TRANSFER_ENCODING).iter();
    match (values.next(), values.next()) {
        (None, _) => true,
        (Some(coding), None) => coding.as_bytes().trim_ascii().eq_ignore_ascii_case(b"chunked"),
        (Some(_), Some(_)) => false,
    }
}

/// Refuses a request whose body has other codings; its connection has to be closed.
pub(crate) fn check(headers: &HeaderMap) -> Result<(), GatewayError> {
    if is_plain(headers) {
        return Ok(());
    }
    let message = "Transfer-Encoding must be `chunked`, once, or left out.";
    Err(GatewayError::invalid(message, None, "invalid_transfer_encoding"))
}
