//! Connecting to an upstream: name resolution, TCP, a proxy in between, TLS.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::Uri;
use http::header::HeaderValue;
use http::uri::Scheme;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::UpstreamError;
use super::connection::{Connection, Opened};
use super::dial::{self, Dialled};
use super::pool::Pool;
use super::resolver::{self, Resolver};
use super::transport::Transport;
use crate::providers::egress::{Egress, Proxies};
use crate::tls;

/// Longest head of a proxy's response to CONNECT.
const MAX_PROXY_HEAD: usize = 8 << 10;

/// Opens connections to upstreams.
pub(crate) struct Connector {
    tls: TlsConnector,
    proxies: Proxies,
    resolver: Resolver,
    /// Longest time for all steps together.
    timeout: Duration,
}

/// Reason why there is no connection.
struct Failure {
    error: io::Error,
    /// True if the connection to a proxy failed.
    of_proxy: bool,
}

impl Connector {
    pub(crate) fn new(egress: &Egress) -> Self {
        Self {
            tls: TlsConnector::from(Arc::clone(&egress.tls)),
            proxies: egress.proxies.clone(),
            resolver: egress.resolver.clone(),
            timeout: egress.connect_timeout(),
        }
    }

    /// A new connection to an upstream, which goes back to `pool` after use.
    pub(crate) async fn connect(
        &self,
        upstream: &Uri,
        pool: &Arc<Pool>,
    ) -> Result<Box<Connection>, UpstreamError> {
        match tokio::time::timeout(self.timeout, self.open(upstream)).await {
            Ok(Ok(opened)) => Connection::new(upstream, opened, pool).map_err(UpstreamError::Connect),
            Ok(Err(failure)) => Err(failure.explain()),
            Err(_) => Err(UpstreamError::ConnectTimeout(self.timeout)),
        }
    }

    async fn open(&self, upstream: &Uri) -> Result<Opened, Failure> {
        let is_secure = upstream.scheme() == Some(&Scheme::HTTPS);
        let proxy = self.proxies.intercept(upstream);
        let of_proxy = proxy.is_some();
        let (first, credential) = match &proxy {
            Some(proxy) => (proxy.uri(), proxy.basic_auth().cloned()),
            None => (upstream, None),
        };
        let dialled = self.dial(first).await.map_err(|error| Failure { error, of_proxy })?;
        let Dialled { mut socket, handshake } = dialled;
        if !is_secure {
            let transport = Transport::Plain(socket);
            return Ok(Opened { transport, handshake, proxy: of_proxy.then_some(credential) });
        }
        if of_proxy {
            let tunnelled = tunnel(&mut socket, upstream, credential.as_ref()).await;
            tunnelled.map_err(|error| Failure { error, of_proxy })?;
        }
        let encrypted = self.encrypt(socket, upstream).await;
        let transport = encrypted.map_err(|error| Failure { error, of_proxy: false })?;
        Ok(Opened { transport, handshake, proxy: None })
    }

    async fn dial(&self, to: &Uri) -> io::Result<Dialled> {
        let host = to.host().unwrap_or_default();
        let port = port(to);
        let found = self.resolver.resolve(host).await;
        if found.is_err() && dial::has_no_descriptor() {
            // The resolver of the C library reports another error.
            return Err(rustix::io::Errno::MFILE.into());
        }
        let addresses: Vec<SocketAddr> = found?.iter().map(|ip| SocketAddr::new(*ip, port)).collect();
        dial::dial(&addresses, self.timeout).await
    }

    async fn encrypt(&self, socket: TcpStream, upstream: &Uri) -> io::Result<Transport> {
        let host = resolver::without_brackets(upstream.host().unwrap_or_default());
        let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
        Ok(Transport::Tls(Box::new(self.tls.connect(name, socket).await?)))
    }
}

fn port(uri: &Uri) -> u16 {
    let implied = if uri.scheme() == Some(&Scheme::HTTPS) { 443 } else { 80 };
    uri.port_u16().unwrap_or(implied)
}

/// Requests a tunnel to an upstream from a proxy.
async fn tunnel(socket: &mut TcpStream, upstream: &Uri, credential: Option<&HeaderValue>) -> io::Result<()> {
    let to = format!("{}:{}", upstream.host().unwrap_or_default(), port(upstream));
    let mut request = format!("CONNECT {to} HTTP/1.1\r\nHost: {to}\r\n").into_bytes();
    if let Some(credential) = credential {
        request.extend_from_slice(b"Proxy-Authorization: ");
        request.extend_from_slice(credential.as_bytes());
        request.extend_from_slice(b"\r\n");
    }
    request.extend_from_slice(b"\r\n");
    socket.write_all(&request).await?;
    let mut head = Vec::with_capacity(512);
    while memchr::memmem::find(&head, b"\r\n\r\n").is_none() {
        if head.len() >= MAX_PROXY_HEAD {
            return Err(tunnel_error("proxy response headers too long"));
        }
        if socket.read_buf(&mut head).await? == 0 {
            return Err(tunnel_error("unexpected end of file"));
        }
    }
    match head.strip_prefix(b"HTTP/1.1 ").or_else(|| head.strip_prefix(b"HTTP/1.0 ")) {
        Some([b'2', _, _, b' ' | b'\r', ..]) => Ok(()),
        Some([b'4', b'0', b'7', ..]) => Err(tunnel_error("proxy authorization required")),
        _ => Err(tunnel_error("unsuccessful")),
    }
}

fn tunnel_error(reason: &str) -> io::Error {
    io::Error::other(format!("tunnel error: {reason}"))
}

impl Failure {
    fn explain(self) -> UpstreamError {
        let Self { error, of_proxy } = self;
        if dial::is_out_of_descriptors(&error) {
            return UpstreamError::OutOfDescriptors;
        }
        if let Some(reason) = tls::failure(&error) {
            return UpstreamError::Connect(reason);
        }
        let way = if of_proxy { "the proxy on the way: " } else { "" };
        UpstreamError::Connect(match error.kind() {
            io::ErrorKind::ConnectionRefused => format!("{way}connection refused"),
            _ => format!("{way}no connection: {}", tls::innermost(&error)),
        })
    }
}

impl std::fmt::Debug for Connector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connector").field("timeout", &self.timeout).finish_non_exhaustive()
    }
}
