//! Panic hook: counts and logs each panic once, in requests, connections, scrapes and threads alike.
//!
//! A panic is a defect. It fails only the request it occurs in: with a 500, or with a broken connection once the
//! response has begun.

use std::panic::{self, PanicHookInfo};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::metrics::catalog::labels::Label;

static COUNT: AtomicU64 = AtomicU64::new(0);

/// Installs the hook in place of the standard report.
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
    // A message may quote client input, so it is truncated like a label value.
    let payload = info.payload();
    let text = match (payload.downcast_ref::<&str>(), payload.downcast_ref::<String>()) {
        (Some(text), _) => *text,
        (None, Some(text)) => text.as_str(),
        (None, None) => "no message",
    };
    let reason = Label::of_name(text);
    let place = info.location().map(ToString::to_string).unwrap_or_default();
    let thread = std::thread::current();
    tracing::error!(reason = reason.as_str(), place, thread = thread.name(), "panic: please report it");
}

/// Panics if `bytes` contain `panic-in-` and the name of the point, for tests of code that no input makes panic. A
/// no-op in other builds.
#[cfg(all(feature = "panic-points", debug_assertions))]
#[track_caller]
pub(crate) fn point(name: &str, bytes: &[u8]) {
    let marker = format!("panic-in-{name}");
    assert!(memchr::memmem::find(bytes, marker.as_bytes()).is_none(), "{marker}");
}

/// A no-op in builds without panic points.
#[cfg(not(all(feature = "panic-points", debug_assertions)))]
pub(crate) const fn point(_: &str, _: &[u8]) {}
