//! Upstreams with TLS, as every real provider does: what is trusted, and what a client reads when it is not.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose,
    date_time_ymd,
};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::support::async_client::call;
use crate::support::aurora::{Aurora, Setup};

pub(crate) const COMPLETION: &str = r#"{"id":"chatcmpl-1","object":"chat.completion","created":1,"model":"tls-model","choices":[{"index":0,"message":{"role":"assistant","content":"Hi"},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}}"#;
pub(crate) const STREAM: &str = "data: \
                      {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hi\"},\"finish_reason\":null}]}\n\n\
                      data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n\
                      data: [DONE]\n\n";
const MODELS: &str = r#"{"object":"list","data":[{"id":"tls-model","object":"model"}]}"#;

pub(crate) type Authority = CertifiedIssuer<'static, KeyPair>;

pub(crate) fn authority(name: &str) -> Authority {
    let mut params = CertificateParams::new([]).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    Authority::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// The certificate of the upstream's own address.
pub(crate) fn certificate() -> CertificateParams {
    CertificateParams::new(["127.0.0.1".to_owned()]).unwrap()
}

/// An OpenAI-shaped upstream behind a certificate that `issuer` signs. It has a thread of its own, for the tests wait.
pub(crate) fn upstream(certificate: &CertificateParams, issuer: &Authority) -> SocketAddr {
    let key = KeyPair::generate().unwrap();
    let chain = vec![certificate.signed_by(&key, issuer).unwrap().der().clone()];
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_no_client_auth().with_single_cert(chain, key).unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    std::thread::spawn(move || runtime.block_on(serve(listener, TlsAcceptor::from(Arc::new(config)))));
    address
}

async fn serve(listener: std::net::TcpListener, acceptor: TlsAcceptor) {
    let listener = TcpListener::from_std(listener).unwrap();
    while let Ok((socket, _)) = listener.accept().await {
        let acceptor = acceptor.clone();
        tokio::spawn(async move {
            // A client that refuses the certificate ends the handshake.
            let Ok(socket) = acceptor.accept(socket).await else { return };
            let connection = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(socket), service_fn(response));
            // How a client disconnects is its own business.
            drop(connection.await);
        });
    }
}

async fn response(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let is_ours = head.headers.get(AUTHORIZATION).is_some_and(|key| key == "Bearer sk-upstream");
    let body = body.collect().await.unwrap().to_bytes();
    let sent = serde_json::from_slice::<Value>(&body).unwrap_or_default();
    let (status, kind, text) = match head.uri.path() {
        _ if !is_ours => (StatusCode::UNAUTHORIZED, "application/json", "{}"),
        "/v1/models" => (StatusCode::OK, "application/json", MODELS),
        "/v1/chat/completions" if sent["stream"] == true => (StatusCode::OK, "text/event-stream", STREAM),
        "/v1/chat/completions" => (StatusCode::OK, "application/json", COMPLETION),
        _ => (StatusCode::NOT_FOUND, "application/json", "{}"),
    };
    Ok(Response::builder().status(status).header(CONTENT_TYPE, kind).body(text.into()).unwrap())
}

/// An instance whose only provider is `upstream`; it trusts `trusted` only.
fn aurora(upstream: SocketAddr, trusted: &Authority, models: &str) -> Aurora {
    let yaml = format!(
        "http:\n  connect_timeout: 400ms\nresilience:\n  retry: {{max_retries: 0}}\nproviders:\n  secure:\n    \
         type: openai_compatible\n    \
         api_key: sk-upstream\n    base_url: https://{upstream}/v1\n    {models}\n"
    );
    let setup = Setup::new().yaml(&yaml).file("trusted.pem", &trusted.as_ref().pem());
    setup.variable("SSL_CERT_FILE", "trusted.pem").variable("LOG_LEVEL", "debug").start()
}

fn chat(stream: bool) -> Option<Value> {
    let messages = json!([{"role": "user", "content": "Hi"}]);
    Some(json!({"model": "tls-model", "stream": stream, "messages": messages}))
}

pub(crate) async fn chat_through(aurora: &Aurora, stream: bool) -> (StatusCode, String) {
    let response = call(&aurora.url("/v1/chat/completions"), None, chat(stream)).await;
    (response.status, response.body)
}

pub(crate) const LISTED: &str = "models: [tls-model]";

#[tokio::test]
async fn chat_and_stream_pass_when_the_authority_is_trusted() {
    let trusted = authority("Trusted");
    let aurora = aurora(upstream(&certificate(), &trusted), &trusted, LISTED);
    assert_eq!(chat_through(&aurora, false).await, (StatusCode::OK, COMPLETION.to_owned()));
    assert_eq!(chat_through(&aurora, true).await, (StatusCode::OK, STREAM.to_owned()));
}

#[tokio::test]
async fn an_untrusted_certificate_is_a_502_with_its_reason() {
    let trusted = authority("Trusted");
    let mut expired = certificate();
    (expired.not_before, expired.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2020, 2, 1));
    let mut early = certificate();
    early.not_before = date_time_ymd(4000, 1, 1);
    let elsewhere = CertificateParams::new(["elsewhere.example".to_owned()]).unwrap();
    let (stranger, namesake) = (authority("Stranger"), authority("Trusted"));
    let cases = [
        (certificate(), &stranger, "certificate signed by an unknown authority"),
        (certificate(), &namesake, "certificate signature does not match the key of its trusted issuer"),
        (expired, &trusted, "certificate has expired"),
        (early, &trusted, "certificate is not valid yet"),
        (elsewhere, &trusted, "certificate is not valid for the host name"),
    ];
    for (certificate, issuer, why) in cases {
        let aurora = aurora(upstream(&certificate, issuer), &trusted, LISTED);
        let envelope = format!(
            r#"{{"error":{{"message":"provider `secure`: TLS failed: {why}","type":"upstream_error","param":null,"code":"upstream_unreachable"}}}}"#
        );
        for stream in [false, true] {
            assert_eq!(chat_through(&aurora, stream).await, (StatusCode::BAD_GATEWAY, envelope.clone()));
        }
    }
}

#[tokio::test]
async fn a_hanging_handshake_ends_at_the_connect_timeout() {
    // Connections wait in its queue and are never accepted.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let aurora = aurora(listener.local_addr().unwrap(), &authority("Trusted"), LISTED);
    let sent = Instant::now();
    let answered = chat_through(&aurora, false).await;
    let took = sent.elapsed();
    let envelope = r#"{"error":{"message":"provider `secure`: no connection within 400ms","type":"upstream_error","param":null,"code":"upstream_timeout"}}"#;
    assert_eq!(answered, (StatusCode::GATEWAY_TIMEOUT, envelope.to_owned()));
    let (least, most) = (Duration::from_millis(400), Duration::from_millis(900));
    assert!((least..most).contains(&took), "it took {took:?}");
}

#[tokio::test]
async fn models_are_discovered_over_tls() {
    let trusted = authority("Trusted");
    let aurora = aurora(upstream(&certificate(), &trusted), &trusted, "");
    assert_eq!(aurora.line("models discovered")["models"], 1);
    let models = call(&aurora.url("/v1/models"), None, None).await;
    let model = |id| format!(r#"{{"id":"{id}","object":"model","created":0,"owned_by":"secure"}}"#);
    let list =
        format!(r#"{{"object":"list","data":[{},{}]}}"#, model("tls-model"), model("secure/tls-model"));
    assert_eq!((models.status, models.body), (StatusCode::OK, list));
}

#[tokio::test]
async fn discovery_logs_why_an_untrusted_upstream_has_no_models() {
    let aurora = aurora(upstream(&certificate(), &authority("Stranger")), &authority("Trusted"), "");
    let line = aurora.line("models could not be discovered");
    assert_eq!(line["retry_in_s"], 60);
    assert_eq!(line["error"], "TLS failed: certificate signed by an unknown authority");
}
