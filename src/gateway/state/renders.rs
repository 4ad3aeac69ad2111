//! Renders of the exposition, shared by the scrapes that wait for one.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared, WeakShared};
use parking_lot::Mutex;
use tokio::sync::{Semaphore, oneshot};

use crate::gateway::http::negotiation::Form;
use crate::metrics::{Format, Metrics, Pace, gzip};

/// An exposition on its way, `None` if it cannot be made.
type Rendering = BoxFuture<'static, Option<Bytes>>;

/// Longest work on a render without a pause, more or less, and that pause: a request waits no longer for a core, and
/// a large scrape takes some tenths of a second (bench/RESULTS.md).
const SLICE: Duration = Duration::from_micros(200);
const PAUSE: Duration = Duration::from_millis(1);

/// Expositions that scrapes wait for. One is rendered at a time, on a thread of its own that no other work can keep busy;
/// a scrape that comes before it is begun gets the same, later ones the next.
#[derive(Debug)]
pub(crate) struct Renders {
    turn: Semaphore,
    /// The way to the rendering thread, which starts with the first scrape and ends with the process.
    thread: Mutex<Option<Sender<Order>>>,
    /// Not begun, by form.
    waiting: Mutex<[Option<WeakShared<Rendering>>; 2 * Format::COUNT]>,
}

impl Renders {
    pub(crate) fn new() -> Self {
        Self { turn: Semaphore::new(1), thread: Mutex::default(), waiting: Mutex::default() }
    }

    /// Joins the exposition of this form that is not begun, or orders one. It goes on while a scrape waits for it.
    pub(crate) fn render(self: &Arc<Self>, metrics: &Arc<Metrics>, form: Form) -> Shared<Rendering> {
        let waiting = &mut self.waiting.lock()[place(form)];
        if let Some(rendering) = waiting.as_ref().and_then(WeakShared::upgrade) {
            return rendering;
        }
        let rendering = render(Arc::clone(self), Arc::clone(metrics), form).boxed().shared();
        *waiting = rendering.downgrade();
        rendering
    }

    /// Hands an order to the thread; `None` where the system has no thread to give.
    fn order(&self, order: Order) -> Option<()> {
        let mut thread = self.thread.lock();
        let orders = match &*thread {
            Some(orders) => orders,
            None => thread.insert(start()?),
        };
        orders.send(order).ok()
    }
}

fn place(form: Form) -> usize {
    2 * form.format as usize + usize::from(form.gzip)
}

async fn render(renders: Arc<Renders>, metrics: Arc<Metrics>, form: Form) -> Option<Bytes> {
    let _turn = renders.turn.acquire().await.ok()?;
    renders.waiting.lock()[place(form)] = None;
    let (rendered, exposition) = oneshot::channel();
    renders.order(Order { metrics, form, rendered })?;
    exposition.await.ok()
}

/// One exposition to be rendered.
#[derive(Debug)]
struct Order {
    metrics: Arc<Metrics>,
    form: Form,
    rendered: oneshot::Sender<Bytes>,
}

/// Starts the rendering thread.
fn start() -> Option<Sender<Order>> {
    let (orders, received) = mpsc::channel();
    match thread::Builder::new().name("render".to_owned()).spawn(move || render_all(&received)) {
        Ok(_) => Some(orders),
        Err(error) => {
            tracing::error!(error = error.to_string(), "no thread to render metrics on");
            None
        }
    }
}

fn render_all(received: &Receiver<Order>) {
    for Order { metrics, form, rendered } in received {
        let exposition = catch_unwind(AssertUnwindSafe(|| exposition(&metrics, form)));
        // Dropped without one, the scrape gets a 500. The scrape may be gone by now.
        if let Ok(Some(exposition)) = exposition {
            drop(rendered.send(exposition));
        }
    }
}

/// Lets the workers have the core between two slices of a render.
fn pause() {
    thread::sleep(PAUSE);
}

fn exposition(metrics: &Metrics, form: Form) -> Option<Bytes> {
    let mut pace = Pace::new(SLICE, pause);
    let text = metrics.render(form.format, &mut pace);
    if form.gzip { gzip(&text, &mut pace).ok().map(Bytes::from) } else { Some(Bytes::from(text)) }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;
    use crate::metrics::{Build, Configured, Live, LiveFacts, Setup};

    fn metrics() -> Arc<Metrics> {
        metrics_with(Box::new(Live::default))
    }

    fn metrics_with(live: LiveFacts) -> Arc<Metrics> {
        Metrics::new(Setup {
            workers: 1,
            routes: &[],
            max_models: 1,
            max_unlisted_models: 20,
            max_series: 20,
            exemplars: false,
            build: Build { version: "0", revision: "0", rustc: "0" },
            live,
            configured: Configured::default(),
        })
        .expect("a sound family table")
    }

    fn form(format: Format, gzip: bool) -> Form {
        Form { format, content_type: "", gzip }
    }

    #[tokio::test]
    async fn a_scrape_joins_only_a_render_that_has_not_begun() {
        let (renders, metrics) = (Arc::new(Renders::new()), metrics());
        let text = form(Format::Text, false);
        let others = [(Format::Text, true), (Format::OpenMetrics, false), (Format::OpenMetrics, true)];
        let turn = renders.turn.acquire().await.expect("never closed");
        let first = renders.render(&metrics, text);
        assert!(first.peek().is_none() && renders.render(&metrics, text).ptr_eq(&first), "joined");
        for (format, gzip) in others {
            assert!(!renders.render(&metrics, form(format, gzip)).ptr_eq(&first), "another form");
        }
        drop(turn);
        let exposition = first.clone().await.expect("rendered");
        assert!(exposition.starts_with(b"# HELP aurora_"));
        assert!(!renders.render(&metrics, text).ptr_eq(&first), "begun, and over");
    }

    #[tokio::test]
    async fn a_scrape_that_disconnects_does_not_delay_others() {
        let (renders, metrics) = (Arc::new(Renders::new()), metrics());
        let turn = renders.turn.acquire().await.expect("never closed");
        let mut disconnected = renders.render(&metrics, form(Format::OpenMetrics, false));
        assert!(futures_util::poll!(&mut disconnected).is_pending(), "in the queue");
        drop(disconnected);
        drop(turn);
        assert!(renders.render(&metrics, form(Format::Text, true)).await.is_some());
    }

    #[tokio::test]
    async fn a_panic_while_rendering_costs_that_scrape_and_not_the_next() {
        let fails = Arc::new(AtomicBool::new(true));
        let failing = Arc::clone(&fails);
        let metrics = metrics_with(Box::new(move || {
            assert!(!failing.load(Ordering::Relaxed), "a defect while facts are read");
            Live::default()
        }));
        let (renders, text) = (Arc::new(Renders::new()), form(Format::Text, false));
        assert!(renders.render(&metrics, text).await.is_none());
        fails.store(false, Ordering::Relaxed);
        let exposition = renders.render(&metrics, text).await.expect("rendered");
        assert!(exposition.starts_with(b"# HELP aurora_"));
    }
}
