//! Opens TCP connections to a host that may have several addresses.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use rustix::io::Errno;
use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpSocket, TcpStream};

/// Longest time before the next address is tried in parallel (RFC 8305, 5: 250 ms).
const STAGGER: Duration = Duration::from_millis(250);
/// Addresses of a host that are tried.
const MAX_ADDRESSES: usize = 16;
/// Idle time before the first probe, time between probes, and their number: a peer that vanished is noticed after 45 s,
/// below the 60 s that are promised.
const KEEPALIVE: (Duration, Duration, u32) = (Duration::from_secs(15), Duration::from_secs(10), 3);
/// Longest time that bytes may wait for their acknowledgement; the same 45 s.
const USER_TIMEOUT: Duration = Duration::from_secs(45);

/// An open connection.
#[derive(Debug)]
pub(crate) struct Dialled {
    pub(crate) socket: TcpStream,
    /// Time that the TCP handshake took.
    pub(crate) handshake: Duration,
}

/// Connects to the first address that takes the connection. They are tried in their order, each as soon as the one
/// before has failed or had its fair share of the time, beside those that are still under way.
pub(crate) async fn dial(addresses: &[SocketAddr], within: Duration) -> io::Result<Dialled> {
    let addresses = &addresses[..addresses.len().min(MAX_ADDRESSES)];
    let stagger = stagger(addresses.len(), within);
    let mut untried = addresses.iter();
    let mut under_way = FuturesUnordered::new();
    let mut failure = io::Error::new(io::ErrorKind::NotFound, "the host has no address");
    loop {
        if let Some(address) = untried.next() {
            under_way.push(connect(*address));
        } else if under_way.is_empty() {
            return Err(failure);
        }
        tokio::select! {
            biased;
            Some(connected) = under_way.next() => match connected {
                Err(error) if !is_out_of_descriptors(&error) => failure = error,
                decided => return decided,
            },
            () = tokio::time::sleep(stagger), if untried.len() > 0 => {}
        }
    }
}

/// Time before the next address is tried as well: a fair share, so that all are tried in time.
fn stagger(addresses: usize, within: Duration) -> Duration {
    let share = u32::try_from(addresses).unwrap_or(u32::MAX).max(1);
    (within / share).min(STAGGER)
}

async fn connect(address: SocketAddr) -> io::Result<Dialled> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    if let Err(error) = configure(&socket) {
        tracing::debug!(error = error.to_string(), "an option of an upstream connection could not be set");
    }
    let begun = Instant::now();
    let socket = socket.connect(address).await?;
    Ok(Dialled { socket, handshake: begun.elapsed() })
}

fn configure(socket: &TcpSocket) -> io::Result<()> {
    socket.set_nodelay(true)?;
    let (idle, interval, probes) = KEEPALIVE;
    let keepalive = TcpKeepalive::new().with_time(idle).with_interval(interval).with_retries(probes);
    let socket = SockRef::from(socket);
    socket.set_tcp_keepalive(&keepalive)?;
    #[cfg(target_os = "linux")]
    socket.set_tcp_user_timeout(Some(USER_TIMEOUT))?;
    Ok(())
}

/// Returns true if an error is that of this process (EMFILE) or this machine (ENFILE).
pub(crate) fn is_out_of_descriptors(error: &io::Error) -> bool {
    [Errno::MFILE, Errno::NFILE].map(Errno::raw_os_error).map(Some).contains(&error.raw_os_error())
}

/// Returns true if no socket can be opened now.
pub(crate) fn has_no_descriptor() -> bool {
    TcpSocket::new_v4().is_err_and(|error| is_out_of_descriptors(&error))
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    /// A listener whose backlog is full, so that the next SYN is dropped, and the sockets that keep it full.
    fn black_hole() -> (SocketAddr, impl Sized) {
        let full = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        full.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
        full.listen(0).unwrap();
        let address = full.local_addr().unwrap().as_socket().unwrap();
        (address, (std::net::TcpStream::connect(address).unwrap(), full))
    }

    fn live() -> (SocketAddr, TcpListener) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        (listener.local_addr().unwrap(), listener)
    }

    fn refusing() -> SocketAddr {
        live().0
    }

    async fn dialled(addresses: &[SocketAddr], within: Duration) -> io::Result<SocketAddr> {
        tokio::time::timeout(within, dial(addresses, within)).await??.socket.peer_addr()
    }

    #[tokio::test]
    async fn a_dead_address_does_not_hide_a_live_one() {
        let ((dead, _full), (live, _listener)) = (black_hole(), live());
        let (refused, within) = (refusing(), Duration::from_secs(2));
        for addresses in [
            vec![dead, live],
            vec![refused, live],
            vec![live, dead],
            vec![dead, refused, dead, live],
            vec![dead; 15].into_iter().chain([live]).collect(),
        ] {
            let dialled = dial(&addresses, within).await.unwrap();
            assert_eq!(dialled.socket.peer_addr().unwrap(), live, "{addresses:?}");
        }
    }

    #[test]
    fn every_address_is_tried_in_time() {
        assert_eq!(stagger(MAX_ADDRESSES, Duration::from_secs(2)), Duration::from_millis(125));
        assert_eq!(stagger(3, Duration::from_millis(600)), Duration::from_millis(200));
        assert_eq!(stagger(2, Duration::from_secs(2)), STAGGER);
        assert_eq!(stagger(0, Duration::from_secs(2)), STAGGER);
    }

    #[tokio::test]
    async fn the_failure_is_that_of_the_last_address() {
        let (dead, _full) = black_hole();
        let within = Duration::from_millis(200);
        for (addresses, expected) in [
            (vec![refusing(), refusing()], io::ErrorKind::ConnectionRefused),
            (vec![refusing(), dead], io::ErrorKind::TimedOut),
            (vec![], io::ErrorKind::NotFound),
        ] {
            assert_eq!(dialled(&addresses, within).await.unwrap_err().kind(), expected, "{addresses:?}");
        }
    }

    #[tokio::test]
    async fn a_peer_that_vanished_is_noticed_within_a_minute() {
        let (live, _listener) = live();
        let socket = dial(&[live], Duration::from_secs(1)).await.unwrap().socket;
        let socket = SockRef::from(&socket);
        assert!(socket.keepalive().unwrap() && socket.tcp_nodelay().unwrap());
        let (idle, interval, probes) = (
            socket.tcp_keepalive_time().unwrap(),
            socket.tcp_keepalive_interval().unwrap(),
            socket.tcp_keepalive_retries().unwrap(),
        );
        assert!(idle + interval * probes <= Duration::from_secs(60), "{idle:?} {interval:?} {probes}");
        assert_eq!(socket.tcp_user_timeout().unwrap(), Some(USER_TIMEOUT));
        assert!(USER_TIMEOUT <= Duration::from_secs(60));
    }
}
