//! The programs of `bench/` that no package supplies: an upstream that reads bodies, waits and writes streams event by
//! event, a client that measures the time of each event, and a client with a fixed pace. `bench/README.md` says how they
//! are used.

use std::convert::Infallible;
use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use bytes::Bytes;
use futures_util::stream;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http_body::Frame;
use http_body_util::{BodyExt as _, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustix::time::{ClockId, clock_gettime};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval_at};

/// Connections to each address of the paced load, each with its share of the pace.
const CLIENTS: u32 = 10;

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    match arguments.as_slice() {
        ["upstream", port, completion, events] => {
            let upstream = Upstream::read(completion, events)?;
            runtime.block_on(serve(port.parse()?, Arc::new(upstream)))
        }
        ["events", key, address, path, seconds] => {
            let request = raw_request(path, key, &standard_input()?);
            let mut latencies = event_latencies(address, &request, Duration::from_secs(seconds.parse()?))?;
            latencies.sort_unstable();
            let micros = |rank: usize| latencies[(latencies.len() - 1) * rank / 100] as f64 / 1e3;
            Ok(writeln!(io::stdout(), "{:.1} {:.1}", micros(50), micros(99))?)
        }
        ["paced", key, rate, seconds, addresses @ ..] => {
            let body = standard_input()?;
            let clients = addresses.iter().map(|address| PacedClient::new(address, key, &body));
            let clients = clients.collect::<Result<Vec<_>, _>>()?;
            let time = Duration::from_secs(seconds.parse()?);
            let done = runtime.block_on(paced(clients, rate.parse()?, time))?;
            Ok(writeln!(io::stdout(), "{done}")?)
        }
        _ => bail!(
            "usage: rig upstream PORT COMPLETION EVENTS | rig events KEY HOST:PORT PATH SECONDS < BODY | rig paced KEY \
             RATE SECONDS HOST:PORT… < BODY"
        ),
    }
}

fn standard_input() -> io::Result<String> {
    let mut text = String::new();
    io::stdin().read_to_string(&mut text)?;
    Ok(text)
}

/// Nanoseconds of the clock that all processes share.
fn now() -> i64 {
    let time = clock_gettime(ClockId::Monotonic);
    time.tv_sec * 1_000_000_000 + time.tv_nsec
}

/// The responses of the upstream.
struct Upstream {
    completion: Bytes,
    events: Vec<Bytes>,
}

impl Upstream {
    fn read(completion: &str, events: &str) -> anyhow::Result<Self> {
        let read = |file| std::fs::read_to_string(file).with_context(|| format!("{file} cannot be read"));
        let events = read(events)?;
        let events = events.split_inclusive("\n\n").map(|event| Bytes::from(event.to_owned())).collect();
        Ok(Self { completion: read(completion)?.into(), events })
    }

    /// A path that begins with `/after/MS/` is answered with the completion: that many milliseconds after the request's
    /// head the body is read, then the response is written. `/every/MS/` is answered with the events, each in a write of
    /// its own after so many milliseconds.
    async fn respond(
        &self,
        request: Request<Incoming>,
    ) -> anyhow::Result<Response<UnsyncBoxBody<Bytes, Infallible>>> {
        let path: Vec<_> = request.uri().path().split('/').collect();
        let [_, kind @ ("after" | "every"), milliseconds, ..] = path.as_slice() else {
            bail!("no response for {}", request.uri())
        };
        let pause = Duration::from_millis(milliseconds.parse()?);
        if *kind == "after" {
            pause_for(pause).await;
            discard(request.into_body()).await?;
            let body = Full::new(self.completion.clone()).boxed_unsync();
            return Ok(Response::builder().header(CONTENT_TYPE, "application/json").body(body)?);
        }
        discard(request.into_body()).await?;
        let body = StreamBody::new(event_by_event(self.events.clone(), pause)).boxed_unsync();
        Ok(Response::builder().header(CONTENT_TYPE, "text/event-stream").body(body)?)
    }
}

async fn pause_for(pause: Duration) {
    if !pause.is_zero() {
        tokio::time::sleep(pause).await;
    }
}

async fn discard(mut body: Incoming) -> hyper::Result<()> {
    while let Some(frame) = body.frame().await {
        drop(frame?);
    }
    Ok(())
}

/// The first event comes at once. With a pause, each event begins with a comment that holds the time of its write.
fn event_by_event(
    events: Vec<Bytes>,
    pause: Duration,
) -> impl stream::Stream<Item = Result<Frame<Bytes>, Infallible>> {
    stream::unfold((true, events.into_iter()), move |(first, mut events)| async move {
        // While this is pending, hyper flushes what it has.
        tokio::task::yield_now().await;
        let mut event = events.next()?;
        if !pause.is_zero() {
            if !first {
                tokio::time::sleep(pause).await;
            }
            event = [format!(": {}\n", now()).as_bytes(), &event].concat().into();
        }
        Some((Ok(Frame::data(event)), (false, events)))
    })
}

async fn serve(port: u16, upstream: Arc<Upstream>) -> anyhow::Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    loop {
        let (socket, _) = listener.accept().await?;
        socket.set_nodelay(true)?;
        let upstream = upstream.clone();
        tokio::spawn(async move {
            let service = service_fn(|request| upstream.respond(request));
            let connection =
                hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(socket), service);
            // The load generator may disconnect at any time.
            drop(connection.await);
        });
    }
}

fn raw_request(path: &str, key: &str, body: &str) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {key}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// Requests stream after stream on one connection; returns the nanoseconds from the time that each event holds until it
/// has been read.
fn event_latencies(address: &str, request: &str, time: Duration) -> anyhow::Result<Vec<i64>> {
    let mut connection = TcpStream::connect(address)?;
    connection.set_nodelay(true)?;
    let until = std::time::Instant::now() + time;
    let mut latencies = Vec::new();
    while std::time::Instant::now() < until {
        connection.write_all(request.as_bytes())?;
        let mut received = Vec::new();
        let mut buffer = [0; 16_384];
        while !received.ends_with(b"\r\n0\r\n\r\n") {
            let length = connection.read(&mut buffer)?;
            let read_at = now();
            ensure!(length > 0, "{address} closed the connection");
            received.extend_from_slice(&buffer[..length]);
            for text in std::str::from_utf8(&buffer[..length])?.split("\n: ").skip(1) {
                if let Some((stamp, _)) = text.split_once('\n') {
                    latencies.push(read_at - stamp.parse::<i64>()?);
                }
            }
        }
    }
    ensure!(!latencies.is_empty(), "no event from {address}");
    Ok(latencies)
}

/// Sends one request again and again.
#[derive(Clone)]
struct PacedClient {
    client: Client<HttpConnector, Full<Bytes>>,
    request: Request<Full<Bytes>>,
}

impl PacedClient {
    fn new(address: &str, key: &str, body: &str) -> anyhow::Result<Self> {
        let request = Request::post(format!("http://{address}/v1/chat/completions"))
            .header(AUTHORIZATION, format!("Bearer {key}"))
            .header(CONTENT_TYPE, "application/json")
            .body(Full::from(body.to_owned()))?;
        let mut tcp = HttpConnector::new();
        tcp.set_nodelay(true);
        Ok(Self { client: Client::builder(TokioExecutor::new()).build(tcp), request })
    }

    async fn calls(&self, first: Instant, period: Duration, until: Instant) -> anyhow::Result<u64> {
        let mut pace = interval_at(first, period);
        pace.set_missed_tick_behavior(MissedTickBehavior::Burst);
        let mut done = 0;
        while pace.tick().await < until {
            let response = self.client.request(self.request.clone()).await?;
            ensure!(response.status().is_success(), "a response was {}", response.status());
            response.into_body().collect().await?;
            done += 1;
        }
        Ok(done)
    }
}

/// Sends `rate` requests a second to each address, those to one evenly between those to another; returns how many had
/// status 200, which must be all.
async fn paced(clients: Vec<PacedClient>, rate: u32, time: Duration) -> anyhow::Result<u64> {
    ensure!(rate >= CLIENTS, "a rate of at least {CLIENTS}");
    let start = Instant::now();
    let period = Duration::from_secs(1) * CLIENTS / rate;
    let steps = u32::try_from(clients.len())? * CLIENTS;
    let mut all = JoinSet::new();
    let order = (0..CLIENTS).flat_map(|_| &clients).cloned();
    for (step, client) in (0..steps).zip(order) {
        let first = start + period * step / steps;
        all.spawn(async move { client.calls(first, period, start + time).await });
    }
    let mut done = 0;
    while let Some(calls) = all.join_next().await {
        done += calls??;
    }
    Ok(done)
}
