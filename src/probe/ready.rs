//! Whether a server says it is ready.

use std::time::Duration;

use reqwest::StatusCode;
use reqwest::header::HeaderMap;

use super::fetch::{Limits, fetch};
use super::judge;
use super::target::{Target, shown};

/// Far more than a readiness answer has.
const MAX_SIZE: usize = 64 * 1024;

/// Asks the target's readiness route, without a credential; one line either way.
///
/// # Errors
/// The line that says why it is not ready.
pub async fn ready(target: &Target, timeout: Duration) -> Result<String, String> {
    let url = shown(&target.url);
    let limits = Limits { timeout, max_size: MAX_SIZE };
    let not_ready = |why: &str| Err(format!("not ready: {url}: {why}"));
    let answer = match fetch(&target.url, &HeaderMap::new(), limits).await {
        Ok(answer) => answer,
        Err(failure) => return not_ready(&judge::unreachable(target, &failure).message),
    };
    let said = answer.body.ok().and_then(|body| serde_json::from_slice::<serde_json::Value>(&body).ok());
    let is_ok = said.is_some_and(|said| said["status"] == "ok");
    match answer.status {
        StatusCode::OK if is_ok => Ok(format!("ready: {url}")),
        StatusCode::OK => not_ready("200 OK, but not Aurora's answer; does another program listen there?"),
        status @ StatusCode::SERVICE_UNAVAILABLE => not_ready(&format!("{status}: it is draining")),
        status => not_ready(&format!("{status}; does another program listen there?")),
    }
}
