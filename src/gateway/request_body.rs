//! Reads a request's body: bounded in size and time.

use std::error::Error;
use std::io::{self, ErrorKind};
use std::time::Duration;

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http::header::CONTENT_LENGTH;
use http::{HeaderMap, StatusCode};
use http_body::Body as _;
use http_body_util::BodyExt as _;

use super::error::GatewayError;

/// The whole body, or the refusal that names the limit.
pub(super) async fn read(
    headers: &HeaderMap,
    body: Body,
    size_limit: usize,
    time_limit: Duration,
) -> Result<Bytes, GatewayError> {
    let declared = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if declared.is_some_and(|length| length > size_limit as u64) {
        return Err(too_large(size_limit));
    }
    match tokio::time::timeout(time_limit, collect(body, size_limit)).await {
        Ok(body) => body,
        Err(_) => {
            let message = format!("The body was not complete within {time_limit:?} (server.timeouts.body).");
            Err(refused(StatusCode::REQUEST_TIMEOUT, message, "body_timeout"))
        }
    }
}

async fn collect(mut body: Body, size_limit: usize) -> Result<Bytes, GatewayError> {
    let mut first = Bytes::new();
    let mut whole = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| unreadable(&error))?;
        let Ok(bytes) = frame.into_data() else { continue };
        if first.len() + whole.len() + bytes.len() > size_limit {
            return Err(too_large(size_limit));
        }
        if first.is_empty() && whole.is_empty() {
            first = bytes;
            if body.is_end_stream() {
                return Ok(first);
            }
        } else {
            whole.extend_from_slice(&std::mem::take(&mut first));
            whole.extend_from_slice(&bytes);
        }
    }
    Ok(if whole.is_empty() { first } else { whole.freeze() })
}

/// The refusal of a body that is compressed or otherwise encoded.
pub(super) fn encoded() -> GatewayError {
    let message = "The body is encoded; send it as it is, without Content-Encoding.";
    refused(StatusCode::UNSUPPORTED_MEDIA_TYPE, message.into(), "unsupported_encoding")
}

/// Chunks that are none are the request's fault; without them the connection broke.
fn unreadable(error: &axum::Error) -> GatewayError {
    let mut cause: Option<&(dyn Error + 'static)> = error.source();
    while let Some(current) = cause {
        let kind = current.downcast_ref::<io::Error>().map(io::Error::kind);
        if let Some(ErrorKind::InvalidInput | ErrorKind::InvalidData) = kind {
            return GatewayError::invalid("The body's chunks are malformed.", None, "malformed_body");
        }
        cause = current.source();
    }
    GatewayError::CallerLeft
}

fn too_large(limit: usize) -> GatewayError {
    let message =
        format!("The body is over the limit of {limit} bytes (server.body_size_limit, BODY_SIZE_LIMIT).");
    refused(StatusCode::PAYLOAD_TOO_LARGE, message, "body_too_large")
}

fn refused(status: StatusCode, message: String, code: &'static str) -> GatewayError {
    GatewayError::Refused { status, message: message.into(), param: None, code }
}
