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
    let limits = Limits { timeout, max_size: MAX_SIZE };
    let not_ready = |why: &str| Err(format!("not ready: {url}: {why}"));
    let response = match fetch(&target.url, &HeaderMap::new(), limits).await {
        Ok(response) => response,
        Err(failure) => return not_ready(&judge::unreachable(target, &failure).message),
    };
    let body = response.body.ok().and_then(|body| serde_json::from_slice::<serde_json::Value>(&body).ok());
    let is_ok = body.is_some_and(|body| body["status"] == "ok");
    match response.status {
        StatusCode::OK if is_ok => Ok(format!("ready: {url}")),
        StatusCode::OK => {
            not_ready("200 OK, but not a response of Aurora; is another program listening there?")
        }
        status @ StatusCode::SERVICE_UNAVAILABLE => not_ready(&format!("{status}: draining")),
        status => not_ready(&format!("{status}; is another program listening there?")),
    }
}
