//! Binds one address for all workers and finds out how many connections the process can hold.

use std::net::{SocketAddr, TcpListener, ToSocketAddrs as _};
use std::time::Duration;

use anyhow::{Context as _, bail};
use rustix::process::{Resource, getrlimit};
use socket2::{Domain, SockFilter, SockRef, Socket, TcpKeepalive, Type};
use tokio::net::TcpStream;

use crate::config::Server;

/// Connections that wait to be accepted; the kernel's own limit (net.core.somaxconn) may be lower.
const BACKLOG: i32 = 4096;

/// The settings that choose an address, as an error names them.
struct Names {
    host: &'static str,
    port: &'static str,
}

const SERVER: Names = Names { host: "server.host", port: "--port, PORT, server.port" };
const METRICS: Names = Names { host: "metrics.listen", port: "METRICS_LISTEN, metrics.listen" };

/// One listener per worker on the same address.
pub(crate) fn bind(server: &Server) -> anyhow::Result<Vec<TcpListener>> {
    bind_by(&SERVER, &server.host, server.port, server.workers.get())
}

/// The listener of the metrics.
pub(crate) fn bind_metrics(host: &str, port: u16) -> anyhow::Result<TcpListener> {
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
    let mut listeners = Vec::with_capacity(workers);
    for _ in 0..workers {
        let socket = socket(address, true)?;
        socket.listen(BACKLOG)?;
        socket.set_nonblocking(true)?;
        listeners.push(socket.into());
    }
    Ok(listeners)
}

/// Probes of a silent connection: the first after 18 s, then one every 10 s, until the time of [`accepted`] has passed
/// (58 s with the default limits).
const KEEPALIVE: TcpKeepalive = TcpKeepalive::new()
    .with_time(Duration::from_secs(18))
    .with_interval(Duration::from_secs(10))
    .with_retries(3);
/// Least time without an acknowledgement after which a client counts as gone.
const VANISHED: Duration = Duration::from_secs(50);
/// By how much that is less than the limit of writes, 60 s unless set, so that a vanished client is noticed within a
/// minute.
const SOONER: Duration = Duration::from_secs(3);

/// Options of an accepted socket that its listener cannot hand down: data that is not acknowledged ends the connection,
/// after a time that follows from the limit of writes.
pub(crate) fn accepted(socket: &TcpStream, write: Duration) {
    let unacknowledged = write.saturating_sub(SOONER).max(VANISHED);
    #[cfg(target_os = "linux")]
    if let Err(error) = SockRef::from(socket).set_tcp_user_timeout(Some(unacknowledged)) {
        tracing::debug!(error = error.to_string(), "TCP_USER_TIMEOUT could not be set");
    }
    #[cfg(not(target_os = "linux"))]
    let _ = (socket, unacknowledged);
}

/// Drops the first packet of new handshakes, so that none is completed between the last accept and the close of a
/// listener, which would reset it. The client sends the packet again within a second, and is refused by then.
pub(crate) fn refuse_handshakes(listener: &tokio::net::TcpListener) -> std::io::Result<()> {
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
fn socket(address: SocketAddr, app: bool) -> std::io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    socket.set_tcp_nodelay(true)?;
    socket.set_tcp_keepalive(&KEEPALIVE)?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(app)?;
    socket.bind(&address.into())?;
    Ok(socket)
}

/// File descriptors that this process may open at most; `None` where there is no limit.
#[must_use]
pub fn file_limit() -> Option<u64> {
    getrlimit(Resource::Nofile).maximum
}
