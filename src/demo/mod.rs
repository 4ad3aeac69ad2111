//! Embedded upstream of `serve --demo`: an HTTP server for the OpenAI API on a loopback port.
//!
//! The gateway connects to it like to any other provider, so a demo uses the real relay and the real metrics. It has its
//! own thread and runtime.

mod api;
mod completion;
mod fault;
mod shape;

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::thread::{self, JoinHandle};

use anyhow::Context as _;
use axum::serve::ListenerExt as _;
use tokio::sync::oneshot;
use url::Url;

/// Models of the demo. The last four fail as named.
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
    /// Base URL of its API: `http://127.0.0.1:PORT/v1`.
    #[must_use]
    pub fn base_url(&self) -> Url {
        self.base_url.clone()
    }
}

impl Drop for DemoUpstream {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(Err(_)) = self.thread.take().map(JoinHandle::join) {
            tracing::error!("the demo upstream panicked");
        }
    }
}

/// Starts the upstream on a free loopback port.
///
/// # Errors
/// No port or thread is available.
pub fn start() -> anyhow::Result<DemoUpstream> {
    let listener =
        TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("the demo upstream cannot bind a port")?;
    let address = listener.local_addr().context("the demo upstream has no local address")?;
    listener.set_nonblocking(true).context("the demo upstream cannot accept")?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("the demo upstream cannot start its runtime")?;
    let (stop, stopped) = oneshot::channel();
    let thread = thread::Builder::new()
        .name("demo-upstream".to_owned())
        .spawn(move || runtime.block_on(serve(listener, stopped)))
        .context("the demo upstream cannot start its thread")?;
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
        // The owner stops the server by dropping the sender.
        _ = stopped => {}
    }
}
