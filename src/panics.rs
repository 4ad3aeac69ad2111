//! Panics: counted and logged once each, wherever they happen, be it in a request, a connection, a scrape or a thread.
//!
//! A panic is a defect. It costs the request it happens in (500, or a broken connection once the response has begun) and
//! no other.

use std::panic::{self, PanicHookInfo};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::metrics::catalog::labels::Label;

static COUNT: AtomicU64 = AtomicU64::new(0);

/// Counts and logs every panic of the process from here on, instead of the standard report.
pub fn report() {
    panic::set_hook(Box::new(note));
}

/// Panics since [`report`].
#[must_use]
pub fn count() -> u64 {
    COUNT.load(Ordering::Relaxed)
}

fn note(info: &PanicHookInfo<'_>) {
    COUNT.fetch_add(1, Ordering::Relaxed);
    // A message may quote what a client sent: it is bounded as a label value is.
    let payload = info.payload();
    let text = payload.downcast_ref::<&str>().copied();
    let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    let reason = Label::of_name(text.unwrap_or("no message"));
    let place = info.location().map(ToString::to_string).unwrap_or_default();
    let thread = std::thread::current();
    tracing::error!(reason = reason.as_str(), place, thread = thread.name(), "panic: please report it");
}

/// Panics if `bytes` hold `panic-in-` and the name of the point: how tests reach what is to be unreachable. Nothing in
/// any other build.
#[cfg(all(feature = "panic-points", debug_assertions))]
#[track_caller]
pub(crate) fn point(name: &str, bytes: &[u8]) {
    let marker = format!("panic-in-{name}");
    assert!(memchr::memmem::find(bytes, marker.as_bytes()).is_none(), "{marker}");
}

/// A point at which only builds for tests can be made to panic.
#[cfg(not(all(feature = "panic-points", debug_assertions)))]
pub(crate) const fn point(_: &str, _: &[u8]) {}
