//! An asynchronous client of a running instance, for tests whose upstream runs in the same runtime.

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::header::{AUTHORIZATION, CONNECTION, CONTENT_TYPE};
use hyper::{Request, StatusCode};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

/// A whole response.
pub(crate) struct Response {
    pub(crate) status: StatusCode,
    pub(crate) body: String,
}

/// GETs without a body, POSTs with one. Its connection closes, so that no shutdown waits for it.
pub(crate) async fn call(url: &str, key: Option<&str>, body: Option<Value>) -> Response {
    let mut request = Request::builder().uri(url).header(CONTENT_TYPE, "application/json");
    request = request.header(CONNECTION, "close");
    if let Some(key) = key {
        request = request.header(AUTHORIZATION, format!("Bearer {key}"));
    }
    if body.is_some() {
        request = request.method("POST");
    }
    let body = Full::<Bytes>::from(body.map(|body| body.to_string()).unwrap_or_default());
    let client = Client::builder(TokioExecutor::new()).build_http();
    let response = client.request(request.body(body).expect("a request")).await.expect("a response");
    let status = response.status();
    let body = response.into_body().collect().await.expect("a whole body").to_bytes();
    Response { status, body: String::from_utf8(body.to_vec()).expect("UTF-8") }
}
