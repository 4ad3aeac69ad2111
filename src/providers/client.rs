//! The pooled HTTP client of one worker, and what can go wrong before an upstream's status line.

use std::io;
use std::time::Duration;

use http::header::PROXY_AUTHORIZATION;
use http::{Extensions, Request, Response, Uri};
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnectorBuilder, MaybeHttpsStream};
use hyper_util::client::legacy;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tower::timeout::Timeout;
use tower::timeout::error::Elapsed;
use tower::util::BoxCloneSyncService;
use tower::{BoxError, ServiceExt as _};

use super::egress::{Dialler, Egress, NoWay, Proxies, Wire};
use super::request_body::RequestBody;
use super::watched::{History, Watched};
use crate::tls;

/// An idle upstream connection is closed after this time: below the 60 s that common servers and load balancers
/// keep theirs (nginx: 75 s, AWS load balancers: 60 s), so that we rarely meet one that is just being closed.
const IDLE: Duration = Duration::from_secs(50);

/// Most bytes of an answer that wait for a slow caller, and the largest head of one.
const MAX_HELD: usize = 64 << 10;

/// Opens connections, a proxy's part and the TLS handshake included, within a time limit.
type Connector = BoxCloneSyncService<Uri, TokioIo<Watched<MaybeHttpsStream<Wire>>>, BoxError>;

/// Calls upstreams; its connections belong to one worker.
#[derive(Debug, Clone)]
pub struct Client {
    inner: legacy::Client<Connector, RequestBody>,
    proxies: Proxies,
    connect_timeout: Duration,
}

/// Why there was no answer. The text is for the caller: it names no address and no key.
#[derive(Debug, thiserror::Error)]
pub enum UpstreamError {
    /// No connection within `http.connect_timeout`.
    #[error("no connection within {0:?}")]
    ConnectTimeout(Duration),
    /// No connection.
    #[error("{0}")]
    Connect(String),
    /// The connection had served before and was closed by the time of this request: another one may do.
    #[error("{BROKEN}")]
    Stale(#[source] legacy::Error),
    /// The connection broke, or what came was no head of an answer.
    #[error("{BROKEN}")]
    Broken(#[source] legacy::Error),
}

const BROKEN: &str = "the connection broke before an answer";

impl Client {
    /// A client with an empty pool.
    #[must_use]
    pub fn new(egress: &Egress) -> Self {
        let connect_timeout = egress.connect_timeout();
        let https = HttpsConnectorBuilder::new().with_tls_config(egress.tls.clone());
        let https = https.https_or_http().enable_http1().wrap_connector(Dialler::new(egress.proxies.clone()));
        let timed = Timeout::new(https, connect_timeout).map_response(Watched::new);
        let inner = legacy::Client::builder(TokioExecutor::new())
            .http1_max_buf_size(MAX_HELD)
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .build(Connector::new(timed));
        Self { inner, proxies: egress.proxies.clone(), connect_timeout }
    }

    /// Sends a request and waits for the answer's headers. Dropping the future gives the call up.
    ///
    /// # Errors
    /// When no status line arrived.
    pub async fn send(&self, mut request: Request<RequestBody>) -> Result<Response<Incoming>, UpstreamError> {
        if let Some(credential) = self.proxies.credential(request.uri()) {
            request.headers_mut().insert(PROXY_AUTHORIZATION, credential);
        }
        self.inner.request(request).await.map_err(|error| self.explain(error))
    }

    fn explain(&self, error: legacy::Error) -> UpstreamError {
        if !error.is_connect() {
            return broken(error);
        }
        let mut way = "";
        for cause in tls::causes(&error) {
            if cause.is::<Elapsed>() {
                return UpstreamError::ConnectTimeout(self.connect_timeout);
            }
            if cause.is::<NoWay>() {
                way = "the proxy on the way: ";
            }
            let kind = cause.downcast_ref::<io::Error>().map(io::Error::kind);
            if kind == Some(io::ErrorKind::ConnectionRefused) {
                return UpstreamError::Connect(format!("{way}connection refused"));
            }
        }
        let reason = tls::failure(&error);
        UpstreamError::Connect(
            reason.unwrap_or_else(|| format!("{way}no connection: {}", tls::innermost(&error))),
        )
    }
}

/// How far an exchange had come whose connection broke.
fn broken(error: legacy::Error) -> UpstreamError {
    let mut extras = Extensions::new();
    if let Some(connected) = error.connect_info() {
        connected.get_extras(&mut extras);
    }
    match extras.get::<History>() {
        Some(history) if history.is_stale() => UpstreamError::Stale(error),
        _ => UpstreamError::Broken(error),
    }
}
