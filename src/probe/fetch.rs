//! One GET, bounded in time and size, without redirects and proxies.

use std::error::Error;
use std::io::{self, Read};
use std::net::SocketAddr;
use std::time::Duration;

use flate2::read::MultiGzDecoder;
use reqwest::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName, LOCATION};
use reqwest::{Client, Response, StatusCode};
use tokio::time::{Instant, timeout_at};
use url::{Host, Url};

use crate::tls::{causes, client_config, client_config_without_roots, innermost, words};

/// Bounds of one fetch.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// From the name's resolution to the last byte.
    pub(crate) timeout: Duration,
    /// Bytes of the body, as received and as decompressed.
    pub(crate) max_size: usize,
}

/// Reasons for the lack of a response.
#[derive(Debug)]
pub(crate) enum Unreachable {
    /// The name has no address; the system's message.
    Dns(String),
    /// Nothing listens at the address.
    Refused,
    /// No response in time.
    Timeout(Duration),
    /// The TLS handshake failed, or could not be tried.
    Tls(String),
    /// The response is not HTTP.
    NotHttp,
    /// The connection failed in another way; the innermost cause.
    Broken(String),
}

/// Reasons for an incomplete body.
#[derive(Debug)]
pub(crate) enum BodyFault {
    /// The timeout passed.
    Timeout(Duration),
    /// The connection ended too early; the innermost cause.
    Cut(String),
    /// It is larger than the limit, in bytes.
    TooLarge(usize),
    /// Its encoding was not requested.
    Encoding(String),
    /// Declared as gzip but invalid.
    Gzip(String),
}

/// A response, complete or not.
#[derive(Debug)]
pub(crate) struct Fetched {
    pub(crate) status: StatusCode,
    pub(crate) content_type: Option<String>,
    pub(crate) encoding: Option<String>,
    pub(crate) location: Option<String>,
    /// From the start to the head.
    pub(crate) first_byte: Duration,
    /// From the start to the last byte.
    pub(crate) total: Duration,
    /// Bytes of the body as received.
    pub(crate) received: usize,
    /// The body, decompressed.
    pub(crate) body: Result<Vec<u8>, BodyFault>,
}

/// Requests `url` once, for the text format of Prometheus and gzip.
pub(crate) async fn fetch(url: &Url, headers: &HeaderMap, limits: Limits) -> Result<Fetched, Unreachable> {
    let start = Instant::now();
    let deadline = start + limits.timeout;
    let late = |_elapsed| Unreachable::Timeout(limits.timeout);
    let addresses = timeout_at(deadline, resolve(url)).await.map_err(late)??;
    let request = client(url, &addresses)?
        .get(url.clone())
        .header("accept", "text/plain;version=0.0.4;q=1,*/*;q=0.1")
        .header("accept-encoding", "gzip")
        .headers(headers.clone());
    let mut response = match timeout_at(deadline, request.send()).await.map_err(late)? {
        Ok(response) => response,
        Err(error) => return Err(explain(&error)),
    };
    let first_byte = start.elapsed();
    let mut body = Vec::new();
    let receiving = timeout_at(deadline, receive(&mut response, &mut body, limits.max_size)).await;
    let total = start.elapsed();
    let received = body.len();
    let encoding = header(&response, CONTENT_ENCODING);
    let body = match receiving {
        Ok(Ok(())) => decode(body, encoding.as_deref(), limits.max_size),
        Ok(Err(fault)) => Err(fault),
        Err(_elapsed) => Err(BodyFault::Timeout(limits.timeout)),
    };
    Ok(Fetched {
        status: response.status(),
        content_type: header(&response, CONTENT_TYPE),
        location: header(&response, LOCATION),
        body,
        encoding,
        first_byte,
        total,
        received,
    })
}

/// Addresses of the host. Resolved here and not in the client, to distinguish a failed resolution from other failures.
async fn resolve(url: &Url) -> Result<Vec<SocketAddr>, Unreachable> {
    let port = url.port_or_known_default().unwrap_or_default();
    match url.host() {
        Some(Host::Ipv4(address)) => Ok(vec![SocketAddr::new(address.into(), port)]),
        Some(Host::Ipv6(address)) => Ok(vec![SocketAddr::new(address.into(), port)]),
        Some(Host::Domain(name)) => match tokio::net::lookup_host((name, port)).await {
            Ok(addresses) => Ok(addresses.collect()),
            Err(error) => Err(Unreachable::Dns(error.to_string())),
        },
        None => Err(Unreachable::Dns("the URL names no host".to_owned())),
    }
}

fn client(url: &Url, addresses: &[SocketAddr]) -> Result<Client, Unreachable> {
    let config = match url.scheme() {
        "https" => client_config(None),
        _ => client_config_without_roots(),
    };
    let config = config.map_err(|error| tls_failure(&error))?;
    Client::builder()
        .http1_only()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .pool_max_idle_per_host(0)
        .user_agent(concat!("aurora/", env!("CARGO_PKG_VERSION")))
        .tls_backend_preconfigured(config)
        .resolve_to_addrs(url.host_str().unwrap_or_default(), addresses)
        .build()
        .map_err(|error| tls_failure(&error))
}

fn tls_failure(error: &(dyn Error + 'static)) -> Unreachable {
    Unreachable::Tls(innermost(error).to_string())
}

async fn receive(response: &mut Response, body: &mut Vec<u8>, max_size: usize) -> Result<(), BodyFault> {
    loop {
        match response.chunk().await {
            Ok(None) => return Ok(()),
            Ok(Some(chunk)) if body.len() + chunk.len() > max_size => {
                return Err(BodyFault::TooLarge(max_size));
            }
            Ok(Some(chunk)) => body.extend_from_slice(&chunk),
            Err(error) => return Err(BodyFault::Cut(innermost(&error).to_string())),
        }
    }
}

fn decode(body: Vec<u8>, encoding: Option<&str>, max_size: usize) -> Result<Vec<u8>, BodyFault> {
    match encoding {
        None | Some("identity") => return Ok(body),
        Some("gzip") => {}
        Some(other) => return Err(BodyFault::Encoding(other.to_owned())),
    }
    let mut plain = Vec::with_capacity(declared_size(&body).min(max_size) + 1);
    let bound = u64::try_from(max_size).unwrap_or(u64::MAX).saturating_add(1);
    match MultiGzDecoder::new(body.as_slice()).take(bound).read_to_end(&mut plain) {
        Ok(length) if length > max_size => Err(BodyFault::TooLarge(max_size)),
        Ok(_) => Ok(plain),
        Err(error) => Err(BodyFault::Gzip(error.to_string())),
    }
}

/// Size of the content that the last four bytes of a gzip stream declare; a hint, so that the buffer does not double.
fn declared_size(gzip: &[u8]) -> usize {
    match gzip.last_chunk::<4>() {
        Some(size) => u32::from_le_bytes(*size) as usize,
        None => 0,
    }
}

fn header(response: &Response, name: HeaderName) -> Option<String> {
    let value = response.headers().get(name)?;
    Some(String::from_utf8_lossy(value.as_bytes()).into_owned())
}

fn explain(error: &reqwest::Error) -> Unreachable {
    for cause in causes(error) {
        if let Some(tls) = cause.downcast_ref::<rustls::Error>() {
            return Unreachable::Tls(words(tls));
        }
        let kind = cause.downcast_ref::<io::Error>().map(io::Error::kind);
        if kind == Some(io::ErrorKind::ConnectionRefused) {
            return Unreachable::Refused;
        }
        if cause.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_parse) {
            return Unreachable::NotHttp;
        }
    }
    match innermost(error) {
        same if same.is::<reqwest::Error>() => Unreachable::Broken("the request cannot be sent".to_owned()),
        cause => Unreachable::Broken(cause.to_string()),
    }
}
