//! A new configuration in the place of the old one, without a stop: at SIGHUP, and when a file of secrets changes.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::{JoinError, spawn_blocking};
use tokio_util::task::AbortOnDropHandle;

use super::current::Current;
use super::observed;
use super::worker::Shared;
use crate::config::{self, Config, Problem, Severity, Sources};
use crate::logging::LogLevel;
use crate::providers::discover_forever;

/// How often files of secrets are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Keeps the configuration in force up to date. It shares its runtime with the metrics' own listener and the signals, so
/// whatever reads a file does so elsewhere.
pub(super) struct Reloader {
    current: Arc<Current>,
    sources: Sources,
    log_level: LogLevel,
    hangups: Signal,
    files: Arc<Mutex<SecretFiles>>,
    discovery: AbortOnDropHandle<()>,
}

impl Reloader {
    /// Takes SIGHUP over and begins to discover models; call it inside a runtime.
    pub(super) fn new(current: Arc<Current>, sources: Sources, log_level: LogLevel) -> std::io::Result<Self> {
        let shared = current.shared();
        let (files, discovery) = (SecretFiles::new(&shared.config.secret_files), discovery(&shared));
        let files = Arc::new(Mutex::new(files));
        let hangups = signal(SignalKind::hangup())?;
        Ok(Self { current, sources, log_level, hangups, files, discovery })
    }

    /// Reloads whenever there is reason to.
    pub(super) async fn run(mut self) {
        let mut look = tokio::time::interval(LOOK_EVERY);
        look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = self.hangups.recv() => self.reload("SIGHUP").await,
                _ = look.tick() => {
                    if self.on_files(SecretFiles::have_changed).await.unwrap_or(false) {
                        self.reload("a file of secrets changed").await;
                    }
                }
            }
        }
    }

    /// Looks at the files where that may block.
    async fn on_files<T: Send + 'static>(
        &self,
        look: impl FnOnce(&mut SecretFiles) -> T + Send + 'static,
    ) -> Result<T, JoinError> {
        let files = Arc::clone(&self.files);
        spawn_blocking(move || look(&mut files.lock().unwrap_or_else(PoisonError::into_inner))).await
    }

    async fn reload(&mut self, reason: &'static str) {
        if let Err(error) = self.try_reload(reason).await {
            if let Some(metrics) = &self.current.shared().metrics {
                metrics.reload_refused();
            }
            let error = format!("{error:#}");
            tracing::error!(reason, error, "configuration refused; the one before stays in force");
        }
    }

    async fn try_reload(&mut self, reason: &'static str) -> anyhow::Result<()> {
        self.on_files(SecretFiles::note).await?;
        let sources = self.sources.clone();
        let loaded = spawn_blocking(move || config::load(&sources)).await?;
        loaded.problems.iter().for_each(note);
        let mut config = loaded.config.context("it has errors")?;
        let old = self.current.shared();
        for key in keep_fixed(&mut config, &old.config) {
            tracing::warn!(key, "changed, which takes effect at the next start");
        }
        let shared = {
            let old = Arc::clone(&old);
            spawn_blocking(move || old.renewed(config)).await??
        };
        if let Some(metrics) = &shared.metrics {
            observed::with_configured(&shared.config, &shared.access, |names| metrics.configure(names));
        }
        shared.providers.take_over(&old.providers);
        self.log_level.set(shared.config.log.level);
        let secret_files = shared.config.secret_files.clone();
        self.on_files(move |files| files.watch(&secret_files)).await?;
        self.discovery = discovery(&shared);
        let (providers, routes) = (shared.config.providers.len(), shared.config.routes.len());
        let keys = shared.config.server.keys.len();
        shared.lifecycle.limit_in_flight(shared.limits.in_flight);
        self.current.replace(shared);
        tracing::info!(reason, providers, routes, keys, "configuration reloaded");
        Ok(())
    }
}

fn note(problem: &Problem) {
    let text = problem.to_string();
    match problem.severity {
        Severity::Error => tracing::error!(problem = text, "configuration"),
        Severity::Warning => tracing::warn!(problem = text, "configuration"),
    }
}

fn discovery(shared: &Shared) -> AbortOnDropHandle<()> {
    let (providers, egress) = (Arc::clone(&shared.providers), Arc::clone(&shared.egress));
    AbortOnDropHandle::new(tokio::spawn(discover_forever(providers, egress, shared.metrics.clone())))
}

/// Puts back what only a start can change; names what differed.
fn keep_fixed(config: &mut Config, old: &Config) -> impl Iterator<Item = &'static str> {
    let (server, metrics) = (&mut config.server, &mut config.metrics);
    let kept = [
        ("server.host", keep(&mut server.host, &old.server.host)),
        ("server.port", keep(&mut server.port, &old.server.port)),
        ("server.base_path", keep(&mut server.base_path, &old.server.base_path)),
        ("server.workers", keep(&mut server.workers, &old.server.workers)),
        ("metrics.enabled", keep(&mut metrics.enabled, &old.metrics.enabled)),
        ("metrics.endpoint", keep(&mut metrics.endpoint, &old.metrics.endpoint)),
        ("metrics.listen", keep(&mut metrics.listen, &old.metrics.listen)),
        ("metrics.max_models", keep(&mut metrics.max_models, &old.metrics.max_models)),
        ("metrics.max_series", keep(&mut metrics.max_series, &old.metrics.max_series)),
        ("log.format", keep(&mut config.log.format, &old.log.format)),
    ];
    kept.into_iter().filter(|(_, differed)| *differed).map(|(key, _)| key)
}

fn keep<T: Clone + PartialEq>(new: &mut T, old: &T) -> bool {
    let differs = new != old;
    new.clone_from(old);
    differs
}

/// The files that secrets were read from, by what tells one state of a file from another.
struct SecretFiles {
    noted: Stamps,
    seen: Stamps,
}

type Stamps = BTreeMap<PathBuf, Option<Stamp>>;

/// Device, inode, size and time of the last change; a link is followed, so that one that is pointed elsewhere, as
/// Kubernetes does it, is a change.
type Stamp = (u64, u64, u64, i64, i64);

impl SecretFiles {
    fn new(files: &[PathBuf]) -> Self {
        let noted: Stamps = files.iter().map(|file| (file.clone(), stamp(file))).collect();
        Self { seen: noted.clone(), noted }
    }

    /// Whether one is not what it was when it was noted, and holds still: a file that is just being written waits for
    /// the next look.
    fn have_changed(&mut self) -> bool {
        let now: Stamps = self.noted.keys().map(|file| (file.clone(), stamp(file))).collect();
        let still = now == self.seen;
        self.seen = now;
        still && self.seen != self.noted
    }

    /// They are about to be read.
    fn note(&mut self) {
        self.noted.iter_mut().for_each(|(file, noted)| *noted = stamp(file));
    }

    /// They are these from now on. Those that were noted before they were read keep their note.
    fn watch(&mut self, files: &[PathBuf]) {
        let noted = |file: &PathBuf| self.noted.get(file).copied().unwrap_or_else(|| stamp(file));
        self.noted = files.iter().map(|file| (file.clone(), noted(file))).collect();
    }
}

/// `None` for a file that cannot be seen.
fn stamp(file: &Path) -> Option<Stamp> {
    let found = fs::metadata(file).ok()?;
    Some((found.dev(), found.ino(), found.size(), found.mtime(), found.mtime_nsec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_counts_once_it_holds_still() {
        let folder = tempfile::tempdir().unwrap();
        let (old, new, link) =
            (folder.path().join("old"), folder.path().join("new"), folder.path().join("link"));
        fs::write(&old, "one").unwrap();
        fs::write(&new, "two").unwrap();
        std::os::unix::fs::symlink(&old, &link).unwrap();
        let mut files = SecretFiles::new(std::slice::from_ref(&link));
        assert!(!files.have_changed());
        let swap = folder.path().join("swap");
        std::os::unix::fs::symlink(&new, &swap).unwrap();
        fs::rename(&swap, &link).unwrap();
        assert!(!files.have_changed(), "it may not be whole yet");
        assert!(files.have_changed());
        files.note();
        files.watch(&[link.clone(), old.clone()]);
        assert!(!files.have_changed());
        fs::write(&new, "three").unwrap();
        assert!(!files.have_changed());
        assert!(files.have_changed());
        files.note();
        assert!(!files.have_changed());
        fs::remove_file(&old).unwrap();
        assert!(!files.have_changed());
        assert!(files.have_changed(), "a file that is gone has changed");
    }
}
