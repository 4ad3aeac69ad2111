//! The embedded upstream of `serve --demo`: a real HTTP server on a loopback port that speaks the OpenAI API.
//!
//! The gateway dials it like any other provider, so that a demo shows the real relay and the real metrics. It has a
//! thread and a runtime of its own.

mod answer;
mod api;
mod fault;
mod shape;

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::thread::{self, JoinHandle};

use anyhow::Context as _;
use axum::serve::ListenerExt as _;
use tokio::sync::oneshot;
use url::Url;

/// What it serves. The last four fail, each in the way its name says.
pub const MODELS: &[&str] =
    &["demo-chat", "demo-fast", "demo-embed", "demo-429", "demo-500", "demo-slow", "demo-cut"];

/// The running upstream; it stops when dropped.
#[derive(Debug)]
pub struct DemoUpstream {
    base_url: Url,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl DemoUpstream {
    /// Where its API starts: `http://127.0.0.1:PORT/v1`.
    #[must_use]
    pub fn base_url(&self) -> Url {
        self.base_url.clone()
    }
}

impl Drop for DemoUpstream {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(Err(_)) = self.thread.take().map(JoinHandle::join) {
            tracing::error!("the demo upstream had panicked");
        }
    }
}

/// Starts the upstream on a free loopback port.
///
/// # Errors
/// When no port or no thread is to be had.
pub fn start() -> anyhow::Result<DemoUpstream> {
    let listener =
        TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("the demo upstream found no free port")?;
    let address = listener.local_addr().context("the demo upstream has no address")?;
    listener.set_nonblocking(true).context("the demo upstream cannot accept")?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("the demo upstream has no runtime")?;
    let (stop, stopped) = oneshot::channel();
    let thread = thread::Builder::new()
        .name("demo-upstream".to_owned())
        .spawn(move || runtime.block_on(serve(listener, stopped)))
        .context("the demo upstream has no thread")?;
    Ok(DemoUpstream { base_url: base_url(address)?, stop: Some(stop), thread: Some(thread) })
}

fn base_url(address: SocketAddr) -> anyhow::Result<Url> {
    Ok(Url::parse(&format!("http://{address}/v1"))?)
}

async fn serve(listener: TcpListener, stopped: oneshot::Receiver<()>) {
    let listener = match tokio::net::TcpListener::from_std(listener) {
        Ok(listener) => listener.tap_io(|stream| {
            if let Err(error) = stream.set_nodelay(true) {
                tracing::debug!(%error, "the demo upstream cannot set TCP_NODELAY");
            }
        }),
        Err(error) => return tracing::error!(%error, "the demo upstream cannot accept"),
    };
    tokio::select! {
        ended = axum::serve(listener, api::router()) => {
            if let Err(error) = ended {
                tracing::error!(%error, "the demo upstream ended");
            }
        }
        // An error says that the sender is gone, which is how the owner stops it.
        _ = stopped => {}
    }
}
