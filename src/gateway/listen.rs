//! Binds one address for all workers and finds out how many connections the process can hold.

use std::net::{SocketAddr, TcpListener, ToSocketAddrs as _};
use std::time::Duration;

use anyhow::{Context as _, bail};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use socket2::{Domain, SockFilter, SockRef, Socket, TcpKeepalive, Type};
use tokio::net::TcpStream;

use super::body_memory;
use super::worker::Limits;
use crate::config::{OTHER_FILES, Server};

/// Connections that wait to be accepted; the kernel's own limit (net.core.somaxconn) may be lower.
const BACKLOG: i32 = 4096;
/// Caps where neither the configuration nor the file descriptors set lower ones.
const MAX_CONNECTIONS: usize = 10_000;
/// Part of the file descriptors that is kept for idle upstream connections.
const IDLE_UPSTREAM_SHARE: usize = 8;
/// Idle upstream connections of a worker where the file descriptors allow more.
const MAX_IDLE_UPSTREAM: usize = 1024;

/// The settings that choose an address, as an error names them.
struct Names {
    host: &'static str,
    port: &'static str,
}

const SERVER: Names = Names { host: "server.host", port: "--port, PORT, server.port" };
const METRICS: Names = Names { host: "metrics.listen", port: "METRICS_LISTEN, metrics.listen" };

/// One listener per worker on the same address.
pub(super) fn bind(server: &Server) -> anyhow::Result<Vec<TcpListener>> {
    bind_by(&SERVER, &server.host, server.port, server.workers.get())
}

/// The listener of the metrics.
pub(super) fn bind_metrics(host: &str, port: u16) -> anyhow::Result<TcpListener> {
    bind_by(&METRICS, host, port, 1)?.pop().context("nothing was bound")
}

fn bind_by(names: &Names, host: &str, port: u16, workers: usize) -> anyhow::Result<Vec<TcpListener>> {
    let setting = names.host;
    let addresses = (host, port)
        .to_socket_addrs()
        .with_context(|| format!("{setting} `{host}` is neither an address nor a known name"))?;
    let mut failure = None;
    for address in addresses {
        match bind_all(address, workers) {
            Ok(listeners) => return Ok(listeners),
            Err(error) => failure = Some((address, error)),
        }
    }
    let Some((address, error)) = failure else { bail!("{setting} `{host}` has no address") };
    let cure = match error.kind() {
        std::io::ErrorKind::AddrInUse => {
            format!("another process listens there; stop it or choose another port ({})", names.port)
        }
        std::io::ErrorKind::PermissionDenied => {
            "ports below 1024 need a privilege; choose another port".to_owned()
        }
        std::io::ErrorKind::AddrNotAvailable => {
            format!("this machine has no such address; change {setting}")
        }
        _ => "choose another host or port".to_owned(),
    };
    bail!("cannot listen on {address}: {error}; {cure}")
}

/// Binds once without `SO_REUSEPORT`, which would share the port with a stranger, then for all workers with it.
fn bind_all(address: SocketAddr, workers: usize) -> std::io::Result<Vec<TcpListener>> {
    let probe = socket(address, false)?;
    let address = probe.local_addr()?.as_socket().unwrap_or(address);
    drop(probe);
    (0..workers)
        .map(|_| {
            let socket = socket(address, true)?;
            socket.listen(BACKLOG)?;
            socket.set_nonblocking(true)?;
            Ok(socket.into())
        })
        .collect()
}

/// Probes of a silent connection: the first after 18 s, then one every 10 s, until the time of [`accepted`] has passed
/// (58 s with the default limits).
const KEEPALIVE: TcpKeepalive = TcpKeepalive::new()
    .with_time(Duration::from_secs(18))
    .with_interval(Duration::from_secs(10))
    .with_retries(3);
/// Least time without an acknowledgement after which a client counts as gone.
const VANISHED: Duration = Duration::from_secs(50);
/// By how much that is less than the limit of writes, 60 s unless set, so that a vanished client is noticed within a minute.
const SOONER: Duration = Duration::from_secs(3);

/// Options of an accepted socket that its listener cannot hand down: data that is not acknowledged ends the connection, after
/// a time that follows from the limit of writes.
pub(super) fn accepted(socket: &TcpStream, write: Duration) {
    let unacknowledged = write.saturating_sub(SOONER).max(VANISHED);
    #[cfg(target_os = "linux")]
    if let Err(error) = SockRef::from(socket).set_tcp_user_timeout(Some(unacknowledged)) {
        tracing::debug!(error = error.to_string(), "TCP_USER_TIMEOUT could not be set");
    }
    #[cfg(not(target_os = "linux"))]
    let _ = (socket, unacknowledged);
}

/// Drops the first packet of new handshakes, so that none is completed between the last accept and the close of a listener,
/// which would reset it. The client sends the packet again within a second, and is refused by then.
pub(super) fn refuse_handshakes(listener: &tokio::net::TcpListener) -> std::io::Result<()> {
    #[cfg(target_os = "linux")]
    {
        // Byte 13 of the TCP header holds the flags; of SYN (2) and ACK (16) a first packet has SYN alone.
        const LOAD_BYTE: u16 = 0x30;
        const AND: u16 = 0x54;
        const JUMP_IF_EQUAL: u16 = 0x15;
        const RETURN: u16 = 0x06;
        let drop_first_packets = [
            SockFilter::new(LOAD_BYTE, 0, 0, 13),
            SockFilter::new(AND, 0, 0, 0x12),
            SockFilter::new(JUMP_IF_EQUAL, 0, 1, 0x02),
            SockFilter::new(RETURN, 0, 0, 0),
            SockFilter::new(RETURN, 0, 0, u32::MAX),
        ];
        SockRef::from(listener).attach_filter(&drop_first_packets)
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = listener;
        Ok(())
    }
}

/// A bound socket; its options are those of the sockets that it accepts.
fn socket(address: SocketAddr, shared: bool) -> std::io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    socket.set_tcp_nodelay(true)?;
    socket.set_tcp_keepalive(&KEEPALIVE)?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(shared)?;
    socket.bind(&address.into())?;
    Ok(socket)
}

/// File descriptors that this process may open at most; `None` where there is no limit.
#[must_use]
pub fn file_limit() -> Option<u64> {
    getrlimit(Resource::Nofile).maximum
}

/// Raises the soft limit of file descriptors to the hard one; each relayed request needs two, and idle upstream
/// connections have their own share.
pub(super) fn limits(server: &Server) -> Limits {
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
