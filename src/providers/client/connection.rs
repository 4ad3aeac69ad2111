//! One connection to an upstream: a request goes out, its response comes in, and then it is idle again.

use std::error::Error;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::FutureExt as _;
use http::header::{HOST, HeaderValue, PROXY_AUTHORIZATION};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{Request, Response, Uri};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;

use super::UpstreamError;
use super::pool::Pool;
use super::stream::{Flood, History, Progress, UpstreamStream};
use crate::providers::request_body::RequestBody;
use crate::tls;

/// Most bytes of a response that wait for a slow client, and the largest head of one.
const MAX_HELD: usize = 64 << 10;

/// Limits of the time after a request in which a close must have crossed it: one round trip, as the TCP handshake
/// measured it, but at least what a close may be seen late on a busy machine (up to 30 ms were measured with all cores
/// taken), and at most what a handshake takes around the world rather than what one with a lost packet takes (1 s).
const CROSSED_WITHIN: [Duration; 2] = [Duration::from_millis(50), Duration::from_millis(300)];

/// See the module.
#[derive(Debug)]
pub struct Connection {
    sender: SendRequest<RequestBody>,
    history: Arc<History>,
    crossed_within: Duration,
    is_reused: bool,
    upstream: (bool, Authority),
    host: HeaderValue,
    /// `Some` where it ends at a proxy, which gets absolute addresses and its credential, if it has one.
    proxy: Option<Option<HeaderValue>>,
    pool: Weak<Pool>,
}

/// Parts of a connection.
pub(crate) struct Opened {
    pub(crate) stream: UpstreamStream,
    /// Time that the TCP handshake took.
    pub(crate) handshake: Duration,
    pub(crate) proxy: Option<Option<HeaderValue>>,
}

impl Connection {
    /// Starts HTTP on an open connection; a task of its own reads and writes.
    pub(crate) async fn new(upstream: &Uri, opened: Opened, pool: &Arc<Pool>) -> Result<Box<Self>, String> {
        let is_secure = upstream.scheme() == Some(&Scheme::HTTPS);
        let authority = upstream.authority().ok_or("its address has no host")?.clone();
        let host = host(is_secure, &authority).ok_or("its host is no header value")?;
        let history = opened.stream.history();
        let mut http = http1::Builder::new();
        http.max_buf_size(MAX_HELD);
        let (sender, driver) =
            http.handshake(TokioIo::new(opened.stream)).await.map_err(|error| error.to_string())?;
        tokio::spawn(async move {
            // The request that was under way reports the error.
            drop(driver.await);
        });
        let [least, most] = CROSSED_WITHIN;
        Ok(Box::new(Self {
            sender,
            history,
            crossed_within: opened.handshake.clamp(least, most),
            is_reused: false,
            upstream: (is_secure, authority),
            host,
            proxy: opened.proxy,
            pool: Arc::downgrade(pool),
        }))
    }

    /// Returns true if it waits for a request.
    pub(crate) fn is_ready(&self) -> bool {
        self.sender.is_ready()
    }

    /// True with TLS, and the authority of the upstream.
    pub(crate) fn upstream(&self) -> (bool, &Authority) {
        (self.upstream.0, &self.upstream.1)
    }

    /// Sends a request and waits for the response's headers. Dropping the future closes the connection.
    ///
    /// # Errors
    /// When no status line arrived.
    pub fn send(
        mut self: Box<Self>,
        mut request: Request<RequestBody>,
    ) -> impl Future<Output = Result<Response<UpstreamBody>, UpstreamError>> {
        self.address(&mut request);
        self.history.begin(self.is_reused);
        let begun = self.is_reused.then(Instant::now);
        // Mapped, not awaited: an async block would hold the request twice, and every future around it would be larger.
        self.sender.try_send_request(request).map(move |sent| match sent {
            Ok(response) => Ok(response.map(|incoming| UpstreamBody::new(incoming, self))),
            Err(error) => Err(self.explain(error.into_error(), begun)),
        })
    }

    /// Adds what follows from the connection: the form of the address, the host, a proxy's credential.
    fn address(&self, request: &mut Request<RequestBody>) {
        if let Some(credential) = &self.proxy {
            if let Some(credential) = credential {
                request.headers_mut().append(PROXY_AUTHORIZATION, credential.clone());
            }
        } else {
            let root = PathAndQuery::from_static("/");
            *request.uri_mut() = request.uri().path_and_query().cloned().unwrap_or(root).into();
        }
        request.headers_mut().insert(HOST, self.host.clone());
    }

    /// Classifies the failure of a request by its progress. `begun` is the time at which a reused connection got it.
    fn explain(&self, error: hyper::Error, begun: Option<Instant>) -> UpstreamError {
        if tls::causes(&error).any(<dyn Error>::is::<Flood>) {
            return UpstreamError::Informational;
        }
        match (self.history.progress(), begun) {
            (Progress::Unsent, Some(_)) => UpstreamError::Unsent(error),
            (Progress::Unsent, None) => {
                UpstreamError::Connect("the connection was closed before the request was sent".into())
            }
            (Progress::Written, Some(begun)) if begun.elapsed() <= self.crossed_within => {
                UpstreamError::Crossed(error)
            }
            _ => UpstreamError::Broken(error),
        }
    }

    /// Returns the connection to its pool after a response, unless it ends.
    fn release(mut self: Box<Self>) {
        if self.is_ready()
            && let Some(pool) = self.pool.upgrade()
        {
            self.is_reused = true;
            pool.put(self);
        }
    }
}

/// The Host header of an upstream: without credentials, and without the port that its scheme implies.
fn host(is_secure: bool, authority: &Authority) -> Option<HeaderValue> {
    let implied = if is_secure { 443 } else { 80 };
    match authority.port_u16() {
        Some(port) if port != implied => HeaderValue::try_from(format!("{}:{port}", authority.host())).ok(),
        _ => HeaderValue::from_str(authority.host()).ok(),
    }
}

/// The body of an upstream's response. Read to its end, its connection can be used again; dropped before, it closes.
#[derive(Debug)]
pub struct UpstreamBody {
    incoming: Incoming,
    connection: Option<Box<Connection>>,
}

impl UpstreamBody {
    fn new(incoming: Incoming, connection: Box<Connection>) -> Self {
        let mut body = Self { incoming, connection: Some(connection) };
        body.release_at_end();
        body
    }

    fn release_at_end(&mut self) {
        if self.incoming.is_end_stream()
            && let Some(connection) = self.connection.take()
        {
            connection.release();
        }
    }
}

impl Body for UpstreamBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = ready!(Pin::new(&mut self.incoming).poll_frame(cx));
        match &frame {
            Some(Ok(_)) => self.release_at_end(),
            Some(Err(_)) => self.connection = None,
            None => {
                if let Some(connection) = self.connection.take() {
                    connection.release();
                }
            }
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}
