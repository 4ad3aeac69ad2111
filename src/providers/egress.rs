//! The way to upstreams: whom TLS trusts, and the proxies in between.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::{HeaderValue, Uri};
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::client::legacy::connect::{Connected, Connection, HttpConnector};
use hyper_util::client::proxy::matcher::Matcher;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tower::{BoxError, Service};
use url::Url;

use crate::config::{self, Config};
use crate::tls::{self, TlsError};

/// How upstreams are reached. Clients that were made of the same one are alike.
#[derive(Debug)]
pub struct Egress {
    pub(super) tls: rustls::ClientConfig,
    pub(super) proxies: Proxies,
    facts: Facts,
}

/// What an egress follows from.
#[derive(PartialEq)]
struct Facts {
    connect_timeout: Duration,
    proxies: [Option<String>; 2],
    no_proxy: String,
    over_tls: bool,
    authorities: Option<Vec<u8>>,
}

impl fmt::Debug for Facts {
    /// A proxy's URL may hold a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Facts").field("connect_timeout", &self.connect_timeout).finish_non_exhaustive()
    }
}

/// Why there is no way to upstreams.
#[derive(Debug, thiserror::Error)]
pub enum EgressError {
    /// The file of `http.ca_file`.
    #[error("http.ca_file {0}: it cannot be read")]
    Authorities(PathBuf, #[source] io::Error),
    /// TLS.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

impl Egress {
    /// The way that a configuration describes; `previous` itself where it describes the same.
    ///
    /// # Errors
    /// When TLS is needed and trusts nobody, or the additional certificates cannot be read.
    pub fn new(config: &Config, previous: Option<&Arc<Self>>) -> Result<Arc<Self>, EgressError> {
        let facts = Facts::of(config)?;
        if let Some(previous) = previous.filter(|previous| previous.facts == facts) {
            return Ok(Arc::clone(previous));
        }
        // Trust is read only where a provider is called over TLS.
        let tls = if facts.over_tls {
            tls::client_config(facts.authorities.as_deref())?
        } else {
            tls::client_config_without_roots()?
        };
        Ok(Arc::new(Self { tls, proxies: Proxies::new(&facts), facts }))
    }

    /// Longest time that TCP, a proxy and TLS may take together.
    #[must_use]
    pub fn connect_timeout(&self) -> Duration {
        self.facts.connect_timeout
    }

    /// A client for the background, which goes the same way.
    pub(super) fn background_client(&self, timeout: Duration) -> reqwest::Result<reqwest::Client> {
        let mut client = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .pool_max_idle_per_host(0)
            .timeout(timeout)
            .tls_backend_preconfigured(self.tls.clone());
        let [http, https] = &self.facts.proxies;
        let direct = || reqwest::NoProxy::from_string(&self.facts.no_proxy);
        if let Some(http) = http {
            client = client.proxy(reqwest::Proxy::http(http)?.no_proxy(direct()));
        }
        if let Some(https) = https {
            client = client.proxy(reqwest::Proxy::https(https)?.no_proxy(direct()));
        }
        client.build()
    }
}

impl Facts {
    fn of(config: &Config) -> Result<Self, EgressError> {
        let (http, proxy) = (&config.http, &config.http.proxy);
        let no_proxy = proxy.no_proxy.join(",");
        // The matchers below know `*` for names, not for addresses.
        let none = no_proxy.split(',').any(|entry| entry.trim() == "*");
        let url = |proxy: &Option<Url>| proxy.as_ref().filter(|_| !none).map(ToString::to_string);
        let read = |file: &PathBuf| {
            config::read_regular(file, u64::MAX)
                .map_err(|source| EgressError::Authorities(file.clone(), source))
        };
        Ok(Self {
            connect_timeout: http.connect_timeout,
            proxies: [&proxy.http, &proxy.https].map(url),
            no_proxy,
            over_tls: config.providers.iter().any(|provider| provider.base_url.scheme() == "https"),
            authorities: http.ca_file.as_ref().map(read).transpose()?,
        })
    }
}

/// Which upstreams are called by way of which proxy. As curl does it, loopback is no exception of its own.
#[derive(Debug, Clone)]
pub(super) struct Proxies(Option<Arc<Matcher>>);

impl Proxies {
    fn new(facts: &Facts) -> Self {
        let [http, https] = facts.proxies.clone();
        if http.is_none() && https.is_none() {
            return Self(None);
        }
        let (http, https) = (http.unwrap_or_default(), https.unwrap_or_default());
        let matcher = Matcher::builder().http(http).https(https).no(facts.no_proxy.clone());
        Self(Some(Arc::new(matcher.build())))
    }

    /// The credential of the proxy that sees a request to this upstream, which it does without TLS only.
    pub(super) fn credential(&self, upstream: &Uri) -> Option<HeaderValue> {
        let matcher = self.0.as_ref().filter(|_| upstream.scheme_str() == Some("http"))?;
        matcher.intercept(upstream)?.basic_auth().cloned()
    }
}

/// Opens TCP connections: to an upstream, or to the proxy on the way to it.
#[derive(Clone)]
pub(super) struct Dialler {
    tcp: HttpConnector,
    proxies: Proxies,
}

/// A connection to an upstream or to a proxy.
#[derive(Debug)]
pub(super) struct Wire {
    socket: TokioIo<TcpStream>,
    /// It ends at a proxy that wants to be told the whole address.
    to_proxy: bool,
}

/// A proxy did not let us through.
#[derive(Debug, thiserror::Error)]
#[error("the proxy gave no way")]
pub(super) struct NoWay(#[source] BoxError);

impl Dialler {
    pub(super) fn new(proxies: Proxies) -> Self {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        Self { tcp, proxies }
    }
}

impl Service<Uri> for Dialler {
    type Response = Wire;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Wire, BoxError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.tcp.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, upstream: Uri) -> Self::Future {
        let Some(proxy) = self.proxies.0.as_ref().and_then(|proxies| proxies.intercept(&upstream)) else {
            let dialled = self.tcp.call(upstream);
            return Box::pin(async { Ok(Wire { socket: dialled.await?, to_proxy: false }) });
        };
        if upstream.scheme_str() == Some("https") {
            let mut tunnel = Tunnel::new(proxy.uri().clone(), self.tcp.clone());
            if let Some(credential) = proxy.basic_auth() {
                tunnel = tunnel.with_auth(credential.clone());
            }
            let opened = tunnel.call(upstream);
            return Box::pin(async {
                let socket = opened.await.map_err(|error| NoWay(error.into()))?;
                Ok(Wire { socket, to_proxy: false })
            });
        }
        let dialled = self.tcp.call(proxy.uri().clone());
        Box::pin(async {
            let socket = dialled.await.map_err(|error| NoWay(error.into()))?;
            Ok(Wire { socket, to_proxy: true })
        })
    }
}

impl Connection for Wire {
    fn connected(&self) -> Connected {
        self.socket.connected().proxy(self.to_proxy)
    }
}

impl Read for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_read(cx, buffer)
    }
}

impl Write for Wire {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write_vectored(cx, parts)
    }
}
