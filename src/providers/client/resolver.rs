//! Looks names up on threads of its own, so that a lookup that hangs delays only the requests for that name.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs as _};
use std::sync::Arc;
use std::thread;

use parking_lot::{Mutex, MutexGuard};
use tokio::sync::oneshot;

/// Lookups at a time. Each is a thread that mostly waits for a name server, 10 s and more where that is silent.
const MAX_THREADS: usize = 64;

/// Addresses of a host.
pub(crate) type Addresses = Arc<[IpAddr]>;

/// Shared by all workers: a name is looked up once at a time, however many wait for it.
#[derive(Clone)]
pub(crate) struct Resolver(Arc<Shared>);

struct Shared {
    look_up: fn(&str) -> io::Result<Vec<IpAddr>>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Waiting for each name that is being looked up or is queued.
    waiting: HashMap<Arc<str>, Vec<Waiting>>,
    queue: VecDeque<Arc<str>>,
    threads: usize,
}

type Waiting = oneshot::Sender<Result<Addresses, Failure>>;

/// A failure that several requests get.
#[derive(Debug, Clone)]
struct Failure(io::ErrorKind, Arc<str>);

impl From<Failure> for io::Error {
    fn from(Failure(kind, text): Failure) -> Self {
        Self::new(kind, &*text)
    }
}

/// The lookup of the system.
fn look_up(host: &str) -> io::Result<Vec<IpAddr>> {
    let addresses = (host, 0).to_socket_addrs()?;
    Ok(addresses.map(|address| address.ip()).collect())
}

/// The host of a URL; an IPv6 address without its brackets.
pub(crate) fn without_brackets(host: &str) -> &str {
    match host.strip_prefix('[') {
        Some(address) => address.strip_suffix(']').unwrap_or(host),
        None => host,
    }
}

impl Resolver {
    pub(crate) fn new() -> Self {
        Self::with(look_up)
    }

    fn with(look_up: fn(&str) -> io::Result<Vec<IpAddr>>) -> Self {
        Self(Arc::new(Shared { look_up, state: Mutex::default() }))
    }

    /// The addresses of a host; an address is its own.
    pub(crate) async fn resolve(&self, host: &str) -> io::Result<Addresses> {
        if let Ok(address) = without_brackets(host).parse::<IpAddr>() {
            return Ok([address].into());
        }
        let (waiting, resolved) = oneshot::channel();
        self.0.enqueue(host, waiting)?;
        match resolved.await {
            Ok(found) => Ok(found?),
            Err(_) => Err(io::Error::other("the lookup was given up")),
        }
    }
}

impl Shared {
    fn enqueue(self: &Arc<Self>, host: &str, waiting: Waiting) -> io::Result<()> {
        let state = &mut *self.state();
        if let Some(others) = state.waiting.get_mut(host) {
            if others.len() == others.capacity() {
                others.retain(|other| !other.is_closed());
            }
            others.push(waiting);
            return Ok(());
        }
        let host: Arc<str> = host.into();
        if state.threads < MAX_THREADS {
            let shared = Arc::clone(self);
            let spawned = thread::Builder::new().name("lookup".into()).spawn(move || shared.work());
            match spawned {
                Ok(_) => state.threads += 1,
                Err(error) if state.threads == 0 => return Err(error),
                // The running threads look it up later.
                Err(_) => {}
            }
        }
        state.queue.push_back(Arc::clone(&host));
        state.waiting.insert(host, vec![waiting]);
        Ok(())
    }

    /// Looks up name after name, until the queue is empty.
    fn work(&self) {
        while let Some(host) = self.next() {
            let found = match (self.look_up)(&host) {
                Ok(addresses) => Ok(Addresses::from(addresses)),
                Err(error) => Err(Failure(error.kind(), error.to_string().into())),
            };
            for waiting in self.state().waiting.remove(&host).unwrap_or_default() {
                // It may have been given up.
                drop(waiting.send(found.clone()));
            }
        }
    }

    /// The next name that is still waited for.
    fn next(&self) -> Option<Arc<str>> {
        let state = &mut *self.state();
        while let Some(host) = state.queue.pop_front() {
            if let Some(waiting) = state.waiting.get(&host)
                && waiting.iter().any(|waiting| !waiting.is_closed())
            {
                return Some(host);
            }
            state.waiting.remove(&host);
        }
        state.threads -= 1;
        None
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }
}

impl reqwest::dns::Resolve for Resolver {
    fn resolve(&self, name: reqwest::dns::Name) -> reqwest::dns::Resolving {
        let resolver = self.clone();
        Box::pin(async move {
            let addresses = Self::resolve(&resolver, name.as_str()).await?;
            let addresses: Vec<SocketAddr> = addresses.iter().map(|ip| SocketAddr::new(*ip, 0)).collect();
            Ok(Box::new(addresses.into_iter()) as reqwest::dns::Addrs)
        })
    }
}

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resolver").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::{Duration, Instant};

    use futures_util::future::join_all;

    use super::*;

    /// A lookup that takes a while.
    fn slow(host: &str) -> io::Result<Vec<IpAddr>> {
        static LOOKUPS: AtomicUsize = AtomicUsize::new(0);
        let number = LOOKUPS.fetch_add(1, Ordering::SeqCst);
        thread::sleep(Duration::from_millis(300));
        if host == "missing" {
            return Err(io::Error::new(io::ErrorKind::NotFound, format!("no {host} in lookup {number}")));
        }
        Ok(vec![IpAddr::from([127, 0, 0, u8::try_from(number).unwrap()])])
    }

    /// A lookup that never ends, but for one name.
    fn hanging(host: &str) -> io::Result<Vec<IpAddr>> {
        if host != "live" {
            thread::sleep(Duration::from_secs(600));
        }
        Ok(vec![IpAddr::from([127, 0, 0, 1])])
    }

    #[tokio::test]
    async fn concurrent_requests_for_a_name_cause_one_lookup() {
        let resolver = Resolver::with(slow);
        let first = join_all((0..500).map(|_| resolver.resolve("host"))).await;
        assert!(first.iter().all(|found| **found.as_ref().unwrap() == [IpAddr::from([127, 0, 0, 0])]));
        // The next lookup begins anew, and a failure reaches all requests too.
        let failed = join_all((0..3).map(|_| resolver.resolve("missing"))).await;
        assert!(
            failed.iter().all(|error| error.as_ref().unwrap_err().to_string() == "no missing in lookup 1")
        );
        assert_eq!(*resolver.resolve("host").await.unwrap(), [IpAddr::from([127, 0, 0, 2])]);
    }

    async fn give_up(resolver: &Resolver, host: String) {
        let lookup = resolver.resolve(&host);
        assert!(tokio::time::timeout(Duration::from_millis(100), lookup).await.is_err());
    }

    #[tokio::test]
    async fn lookups_that_hang_take_bounded_threads_and_memory() {
        let resolver = Resolver::with(hanging);
        join_all((0..MAX_THREADS * 2).map(|number| give_up(&resolver, format!("host-{number}")))).await;
        for _ in 0..20 {
            join_all((0..50).map(|_| give_up(&resolver, "host-0".into()))).await;
        }
        let state = resolver.0.state();
        assert_eq!((state.threads, state.queue.len()), (MAX_THREADS, MAX_THREADS));
        assert!(state.waiting["host-0"].len() <= 128, "{}", state.waiting["host-0"].len());
    }

    #[tokio::test]
    async fn lookups_that_hang_delay_no_other_name_and_no_address() {
        let resolver = Resolver::with(hanging);
        let mut hanging = Vec::new();
        for number in 0..MAX_THREADS - 1 {
            let resolver = resolver.clone();
            hanging.push(tokio::spawn(async move { resolver.resolve(&format!("host-{number}")).await }));
        }
        tokio::task::yield_now().await;
        let begun = Instant::now();
        assert_eq!(*resolver.resolve("live").await.unwrap(), [IpAddr::from([127, 0, 0, 1])]);
        assert_eq!(*resolver.resolve("[::1]").await.unwrap(), ["::1".parse::<IpAddr>().unwrap()]);
        assert_eq!(*resolver.resolve("10.0.0.1").await.unwrap(), [IpAddr::from([10, 0, 0, 1])]);
        assert!(begun.elapsed() < Duration::from_secs(1), "took {:?}", begun.elapsed());
        for lookup in hanging {
            lookup.abort();
        }
    }
}
