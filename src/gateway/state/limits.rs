//! Limits of connections, requests in flight and memory, as the configuration and the file descriptors set them.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::config::{OTHER_FILES, Server};
use crate::gateway::http::body_memory;

/// Caps where neither the configuration nor the file descriptors set lower ones.
const MAX_CONNECTIONS: usize = 10_000;
/// Part of the file descriptors that is kept for idle upstream connections.
const IDLE_UPSTREAM_SHARE: usize = 8;
/// Idle upstream connections of a worker where the file descriptors allow more.
const MAX_IDLE_UPSTREAM: usize = 1024;

/// Process-wide caps.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) connections: usize,
    pub(crate) in_flight: usize,
    /// Idle connections to upstreams, for each worker.
    pub(crate) idle_upstream: usize,
    /// Bytes of request bodies.
    pub(crate) body_memory: usize,
}

/// Raises the soft limit of file descriptors to the hard one; each relayed request needs two, and idle upstream
/// connections have their own share.
pub(crate) fn limits(server: &Server) -> Limits {
    let before = getrlimit(Resource::Nofile);
    if let Err(error) =
        setrlimit(Resource::Nofile, Rlimit { current: before.maximum, maximum: before.maximum })
    {
        tracing::debug!(error = error.to_string(), "the limit of file descriptors stays as it is");
    }
    let files = getrlimit(Resource::Nofile).current.and_then(|files| usize::try_from(files).ok());
    let files = files.unwrap_or(usize::MAX);
    let workers = server.workers.get();
    let idle = (files / IDLE_UPSTREAM_SHARE / workers).clamp(1, MAX_IDLE_UPSTREAM);
    let derived = (files / 2).saturating_sub(OTHER_FILES + idle * workers / 2).clamp(1, MAX_CONNECTIONS);
    Limits {
        idle_upstream: idle,
        connections: server.max_connections.unwrap_or(derived),
        in_flight: server.max_in_flight.unwrap_or(derived),
        body_memory: server.body_memory.unwrap_or_else(|| body_memory::default_limit(server.body_size_limit)),
    }
}
