//! The readiness check behind `aurora health`.

use std::time::Duration;

use reqwest::StatusCode;
use reqwest::header::HeaderMap;

use super::fetch::{Limits, fetch};
use super::judge;
use super::target::{Target, shown};

/// Far more than a readiness response has.
const MAX_SIZE: usize = 64 * 1024;

/// Requests the readiness route of the target, without a credential. Returns one line for the user.
///
/// # Errors
/// One line with the reason.
pub async fn ready(target: &Target, timeout: Duration) -> Result<String, String> {
    let url = shown(&target.url);
    match check(target, timeout).await {
        Ok(()) => Ok(format!("ready: {url}")),
        Err(reason) => Err(format!("not ready: {url}: {reason}")),
    }
}

async fn check(target: &Target, timeout: Duration) -> Result<(), String> {
    let limits = Limits { timeout, max_size: MAX_SIZE };
    let response = match fetch(&target.url, &HeaderMap::new(), limits).await {
        Ok(response) => response,
        Err(failure) => return Err(judge::unreachable(target, &failure).message),
    };
    match response.status {
        StatusCode::OK if response.body.is_ok_and(|body| is_ready(&body)) => Ok(()),
        StatusCode::OK => {
            Err("200 OK, but not a response of Aurora; is another program listening there?".to_owned())
        }
        status @ StatusCode::SERVICE_UNAVAILABLE => Err(format!("{status}: draining")),
        status => Err(format!("{status}; is another program listening there?")),
    }
}

fn is_ready(body: &[u8]) -> bool {
    match serde_json::from_slice::<serde_json::Value>(body) {
        Ok(body) => body["status"] == "ok",
        Err(_) => false,
    }
}
