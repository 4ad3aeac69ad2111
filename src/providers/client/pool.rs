//! Idle connections of one worker, the last used first.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use foldhash::fast::FixedState;
use http::Uri;
use http::uri::Scheme;
use parking_lot::{Mutex, MutexGuard};

use super::connection::Connection;

/// An idle connection is not used after this time: below the 60 s that common servers and load balancers keep theirs
/// (nginx: 75 s, AWS load balancers: 60 s), so that we rarely meet one that is just being closed.
const IDLE: Duration = Duration::from_secs(50);
/// Interval in which connections past [`IDLE`] are closed.
const REAP_EVERY: Duration = Duration::from_secs(5);
/// Most idle connections to one upstream. As many as a worker keeps at all where file descriptors are plenty: with 256, a
/// thousand requests in flight at one upstream opened connections all the time.
const PER_UPSTREAM: usize = 1024;

/// See the module.
#[derive(Debug)]
pub(crate) struct Pool {
    idle: Mutex<Idle>,
    /// Most idle connections of all upstreams together.
    limit: usize,
}

#[derive(Debug, Default)]
struct Idle {
    /// By host and port, of upstreams without TLS, then with it; each queue from the longest idle to the last used. The
    /// names come from the configuration: they need no hash that withstands chosen ones.
    queues: [HashMap<Box<str>, VecDeque<Entry>, FixedState>; 2],
    len: usize,
    /// True while a task closes connections that were idle for too long.
    reaped: bool,
}

#[derive(Debug)]
struct Entry {
    connection: Box<Connection>,
    since: Instant,
}

impl Entry {
    fn is_usable(&mut self, now: Instant) -> bool {
        self.connection.is_usable() && now.saturating_duration_since(self.since) < IDLE
    }
}

impl Pool {
    pub(crate) fn new(limit: usize) -> Self {
        Self { idle: Mutex::default(), limit }
    }

    /// The connection to an upstream that was used last, unless none is usable.
    pub(crate) fn take(&self, upstream: &Uri, now: Instant) -> Option<Box<Connection>> {
        let is_secure = upstream.scheme() == Some(&Scheme::HTTPS);
        let idle = &mut *self.idle();
        let queue = idle.queues[usize::from(is_secure)].get_mut(upstream.authority()?.as_str())?;
        while let Some(mut entry) = queue.pop_back() {
            idle.len -= 1;
            if entry.is_usable(now) {
                return Some(entry.connection);
            }
        }
        None
    }

    /// Keeps a connection; beyond the limits the longest idle ones are closed.
    pub(crate) fn put(self: &Arc<Self>, connection: Box<Connection>) {
        let idle = &mut *self.idle();
        let (is_secure, authority) = connection.upstream();
        let authority = authority.as_str();
        let queues = &mut idle.queues[usize::from(is_secure)];
        let queue = match queues.get_mut(authority) {
            Some(queue) => queue,
            None => queues.entry(authority.into()).or_default(),
        };
        queue.push_back(Entry { connection, since: Instant::now() });
        idle.len += 1;
        if queue.len() > PER_UPSTREAM {
            drop(queue.pop_front());
            idle.len -= 1;
        }
        if idle.len > self.limit {
            idle.evict_oldest();
        }
        if !std::mem::replace(&mut idle.reaped, true) {
            tokio::spawn(reap(Arc::downgrade(self)));
        }
    }

    /// Closes every idle connection; returns their number.
    fn evict(&self) -> usize {
        let idle = &mut *self.idle();
        for queues in &mut idle.queues {
            queues.clear();
        }
        std::mem::take(&mut idle.len)
    }

    /// Closes connections that were idle for too long; returns false when none remains.
    fn reap(&self, now: Instant) -> bool {
        let idle = &mut *self.idle();
        for queues in &mut idle.queues {
            for queue in queues.values_mut() {
                let before = queue.len();
                queue.retain_mut(|entry| entry.is_usable(now));
                idle.len -= before - queue.len();
            }
            queues.retain(|_, queue| !queue.is_empty());
        }
        idle.reaped = idle.len > 0;
        idle.reaped
    }

    fn idle(&self) -> MutexGuard<'_, Idle> {
        // One worker locks it; others only to evict.
        self.idle.lock()
    }
}

impl Idle {
    fn evict_oldest(&mut self) {
        let queues = self.queues.iter_mut().flat_map(HashMap::values_mut);
        let oldest = queues.min_by_key(|queue| queue.front().map_or_else(Instant::now, |entry| entry.since));
        if let Some(queue) = oldest
            && queue.pop_front().is_some()
        {
            self.len -= 1;
        }
    }
}

async fn reap(pool: Weak<Pool>) {
    loop {
        tokio::time::sleep(REAP_EVERY).await;
        let Some(pool) = pool.upgrade() else { return };
        if !pool.reap(Instant::now()) {
            return;
        }
    }
}

/// The pools of all workers, so that one which is out of file descriptors gets those of the others' idle connections.
#[derive(Debug, Default)]
pub(crate) struct Pools(Mutex<Vec<Weak<Pool>>>);

impl Pools {
    pub(crate) fn add(&self, pool: &Arc<Pool>) {
        let mut pools = self.0.lock();
        pools.retain(|pool| pool.strong_count() > 0);
        pools.push(Arc::downgrade(pool));
    }

    /// Closes every idle connection; returns true if there was one.
    pub(crate) fn evict(&self) -> bool {
        let pools = self.0.lock();
        let evicted: usize = pools.iter().filter_map(Weak::upgrade).map(|pool| pool.evict()).sum();
        if evicted > 0 {
            tracing::warn!(
                evicted,
                "out of file descriptors (ulimit -n): idle upstream connections were closed"
            );
        }
        evicted > 0
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use tokio::net::TcpStream;

    use super::super::connection::Opened;
    use super::super::transport::Transport;
    use super::*;

    /// An upstream, and ready connections to it.
    struct Host {
        listener: TcpListener,
        accepted: Mutex<Vec<std::net::TcpStream>>,
        uri: Uri,
    }

    impl Host {
        fn new() -> Self {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let uri = format!("http://{}/v1", listener.local_addr().unwrap()).parse().unwrap();
            Self { listener, accepted: Mutex::default(), uri }
        }

        async fn connection(&self, pool: &Arc<Pool>) -> Box<Connection> {
            let socket = TcpStream::connect(self.listener.local_addr().unwrap()).await.unwrap();
            self.accepted.lock().push(self.listener.accept().unwrap().0);
            let transport = Transport::Plain(socket);
            let opened = Opened { transport, handshake: Duration::ZERO, proxy: None };
            Connection::new(&self.uri, opened, pool).unwrap()
        }
    }

    /// Takes all connections to a host; returns their number.
    fn taken(pool: &Pool, host: &Host) -> usize {
        std::iter::from_fn(|| pool.take(&host.uri, Instant::now())).count()
    }

    #[tokio::test]
    async fn idle_connections_are_bounded_and_the_longest_idle_goes_first() {
        let (pool, a, b) = (Arc::new(Pool::new(3)), Host::new(), Host::new());
        for host in [&a, &b, &a, &b] {
            pool.put(host.connection(&pool).await);
        }
        assert_eq!((taken(&pool, &a), taken(&pool, &b), pool.idle().len), (1, 2, 0));

        let pool = Arc::new(Pool::new(2 * PER_UPSTREAM));
        let connection = a.connection(&pool).await;
        for _ in 0..PER_UPSTREAM {
            pool.put(a.connection(&pool).await);
        }
        pool.put(connection);
        assert_eq!(pool.idle().len, PER_UPSTREAM);
        assert_eq!(pool.evict(), PER_UPSTREAM);
        assert!(pool.take(&a.uri, Instant::now()).is_none());
    }

    #[tokio::test]
    async fn a_connection_is_used_again_only_while_it_is_fresh_and_open() {
        let (pool, host) = (Arc::new(Pool::new(9)), Host::new());
        pool.put(host.connection(&pool).await);
        let tls: Uri = host.uri.to_string().replace("http:", "https:").parse().unwrap();
        assert!(pool.take(&tls, Instant::now()).is_none());
        assert!(pool.take(&host.uri, Instant::now() + IDLE).is_none());

        pool.put(host.connection(&pool).await);
        assert!(pool.reap(Instant::now()));
        assert!(!pool.reap(Instant::now() + IDLE));

        let connection = host.connection(&pool).await;
        pool.put(connection);
        drop(host);
        let until = Instant::now() + Duration::from_secs(5);
        while pool.reap(Instant::now()) {
            assert!(Instant::now() < until, "a closed connection stays");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}
