//! The HTTP client of one worker: connections to upstreams, and the errors before an upstream's status line.

mod connect;
mod connection;
mod dial;
pub(crate) mod http1;
mod pool;
mod resolver;
mod transport;
mod upstream_body;

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::Uri;

use super::egress::Egress;
use connect::Connector;
use http1::response_head::MAX_INFORMATIONAL;
use pool::Pool;
pub(crate) use pool::Pools;
pub(crate) use resolver::Resolver;

pub use connection::Connection;
pub use upstream_body::UpstreamBody;

/// Time in which evicted connections are closed by the workers that they belong to.
const EVICTED_WITHIN: Duration = Duration::from_millis(5);

/// Calls upstreams; its connections belong to one worker.
#[derive(Debug, Clone)]
pub struct Client {
    connector: Arc<Connector>,
    pool: Arc<Pool>,
    pools: Arc<Pools>,
}

/// Connections that a request may go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reuse {
    /// An idle one, or a new one where none is idle.
    Idle,
    /// A new one only.
    Never,
}

/// Reason why there is no response. The text is for the client: it names no address and no key.
#[derive(Debug, thiserror::Error)]
pub enum UpstreamError {
    /// No connection within `http.connect_timeout`.
    #[error("no connection within {0:?}")]
    ConnectTimeout(Duration),
    /// No connection.
    #[error("{0}")]
    Connect(String),
    /// No connection, because this process or this machine is out of file descriptors.
    #[error("no file descriptors are available")]
    OutOfDescriptors,
    /// A reused connection turned out closed before a byte of the request was written: the request was not sent.
    #[error("{BROKEN}")]
    Unsent(#[source] io::Error),
    /// A reused connection closed without a byte, so soon after the request was written that the close must have
    /// crossed it.
    #[error("{BROKEN}")]
    Crossed(#[source] io::Error),
    /// Too many informational responses.
    #[error("it sent {} informational responses (1xx) before a response", MAX_INFORMATIONAL)]
    Informational,
    /// The connection broke, or the received bytes were no head of a response.
    #[error("{BROKEN}")]
    Broken(#[source] io::Error),
}

const BROKEN: &str = "the connection broke before a response";

impl Client {
    /// A client without connections that keeps at most `idle` of them.
    #[must_use]
    pub fn new(egress: &Egress, idle: usize) -> Self {
        let pool = Arc::new(Pool::new(idle));
        egress.pools.add(&pool);
        Self { connector: Arc::new(Connector::new(egress)), pool, pools: Arc::clone(&egress.pools) }
    }

    /// A connection to the upstream of an address. Dropping the future gives it up.
    ///
    /// # Errors
    /// When there is none within `http.connect_timeout`.
    pub async fn connection(&self, upstream: &Uri, reuse: Reuse) -> Result<Box<Connection>, UpstreamError> {
        if reuse == Reuse::Idle
            && let Some(connection) = self.pool.take(upstream, Instant::now())
        {
            return Ok(connection);
        }
        // On the heap: the state of a handshake would make every request's future large, and moving those is not free.
        Box::pin(self.open(upstream)).await
    }

    /// A new connection; idle ones make room where no file descriptors are available.
    async fn open(&self, upstream: &Uri) -> Result<Box<Connection>, UpstreamError> {
        let connected = self.connector.connect(upstream, &self.pool).await;
        if !matches!(connected, Err(UpstreamError::OutOfDescriptors)) || !self.pools.evict() {
            return connected;
        }
        tokio::time::sleep(EVICTED_WITHIN).await;
        self.connector.connect(upstream, &self.pool).await
    }
}
