//! The two programs of `bench/` that no package supplies: an upstream that writes a stream event by event, and a client
//! with a fixed pace. `bench/README.md` says how they are used.

use std::convert::Infallible;
use std::io::{self, Read as _, Write as _};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use bytes::Bytes;
use futures_util::stream;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http_body::Frame;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::{TokioExecutor, TokioIo};
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
        ["drip", port, file] => runtime.block_on(drip(port.parse()?, file)),
        ["paced", key, rate, seconds, addresses @ ..] => {
            let mut body = String::new();
            io::stdin().read_to_string(&mut body)?;
            let clients = addresses.iter().map(|address| PacedClient::new(address, key, &body));
            let clients = clients.collect::<Result<Vec<_>, _>>()?;
            let time = Duration::from_secs(seconds.parse()?);
            let done = runtime.block_on(paced(clients, rate.parse()?, time))?;
            Ok(writeln!(io::stdout(), "{done}")?)
        }
        _ => bail!("usage: rig drip PORT FILE | rig paced KEY RATE SECONDS HOST:PORT… < BODY"),
    }
}

/// Responds to every request with the events of `file`, each flushed before the next.
async fn drip(port: u16, file: &str) -> anyhow::Result<()> {
    let text = std::fs::read_to_string(file).with_context(|| format!("{file} cannot be read"))?;
    let events: Vec<Bytes> =
        text.split_inclusive("\n\n").map(|event| Bytes::from(event.to_owned())).collect();
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    loop {
        let (socket, _) = listener.accept().await?;
        socket.set_nodelay(true)?;
        let events = events.clone();
        tokio::spawn(async move {
            let service = service_fn(|request| dripped(request, events.clone()));
            let connection =
                hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(socket), service);
            // The load generator may disconnect at any time.
            drop(connection.await);
        });
    }
}

async fn dripped(
    request: Request<Incoming>,
    events: Vec<Bytes>,
) -> hyper::Result<Response<impl http_body::Body<Data = Bytes, Error = Infallible>>> {
    request.into_body().collect().await?;
    let events = stream::unfold(events.into_iter(), |mut events| async move {
        // While this is pending, hyper flushes what it has.
        tokio::task::yield_now().await;
        let event = events.next()?;
        Some((Ok(Frame::data(event)), events))
    });
    let mut response = Response::new(StreamBody::new(events));
    response.headers_mut().insert(CONTENT_TYPE, http::HeaderValue::from_static("text/event-stream"));
    Ok(response)
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
