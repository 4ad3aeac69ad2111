//! A new configuration in the place of the old one, without a stop: at SIGHUP, and when a file of secrets changes.
//!
//! A reload never unlocks (`rules.rs`), and a refused one is tried again until its files are whole.

mod rules;
mod watch;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use parking_lot::Mutex;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::{JoinError, spawn_blocking};
use tokio_util::task::AbortOnDropHandle;

use super::active::ActiveConfig;
use super::metrics_setup;
use super::worker::AppState;
use crate::config::{
    self, Config, Described, EffectiveSetting, Key, Loaded, Problem, Severity, Sources, Texts,
};
use crate::logging::LogLevel;
use crate::providers::discover_forever;
use watch::WatchedFiles;

/// Interval between two checks of the files.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Looks between two tries of a refused reload whose files look the same: what kept it from reading them (file
/// descriptors, a network file system) may be over.
const RETRY_EVERY_LOOKS: u32 = 10;

/// Keeps the active configuration up to date. It shares its runtime with the metrics' own listener and the signals, so
/// whatever reads a file does so elsewhere.
pub(crate) struct Reloader {
    active: Arc<ActiveConfig>,
    sources: Sources,
    /// The configuration file and `.env` of the active configuration: a changed secret is laid over these.
    texts: Texts,
    /// Settings of the active configuration.
    settings: Vec<EffectiveSetting>,
    log_level: LogLevel,
    hangups: Signal,
    secrets: Watch,
    everything: Watch,
    looks: u32,
    discovery: AbortOnDropHandle<()>,
}

/// The part of the configuration that a reload reads again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scope {
    /// Every file, at SIGHUP.
    Everything,
    /// Files of secrets.
    Secrets,
}

/// The files of a scope, and its reload that was refused and waits for them.
#[derive(Default)]
struct Watch {
    files: Arc<Mutex<WatchedFiles>>,
    refused: Option<Refusal>,
}

/// Reason that a reload was refused.
#[derive(Debug, PartialEq, Eq)]
struct Refusal {
    errors: Vec<Problem>,
    error: String,
}

impl From<anyhow::Error> for Refusal {
    fn from(error: anyhow::Error) -> Self {
        Self { errors: Vec::new(), error: format!("{error:#}") }
    }
}

impl Watch {
    fn new(files: WatchedFiles) -> Self {
        Self { files: Arc::new(Mutex::new(files)), refused: None }
    }

    /// Looks at the files where that may block.
    async fn look<T: Send + 'static>(
        &self,
        look: impl FnOnce(&mut WatchedFiles) -> T + Send + 'static,
    ) -> Result<T, JoinError> {
        let files = Arc::clone(&self.files);
        spawn_blocking(move || look(&mut files.lock())).await
    }

    async fn have_changed(&self) -> bool {
        self.look(WatchedFiles::have_changed).await.unwrap_or(false)
    }
}

impl Reloader {
    /// Takes SIGHUP over and begins to discover models; call it inside a runtime.
    pub(crate) fn new(
        active: Arc<ActiveConfig>,
        sources: Sources,
        loaded: Loaded,
        log_level: LogLevel,
    ) -> std::io::Result<Self> {
        let Loaded { texts, settings, .. } = loaded;
        let app = active.app();
        let secrets = Watch::new(WatchedFiles::new(&app.config.secret_files));
        let discovery = discovery(&app);
        let hangups = signal(SignalKind::hangup())?;
        let everything = Watch::default();
        Ok(Self {
            active,
            sources,
            texts,
            settings,
            log_level,
            hangups,
            secrets,
            everything,
            looks: 0,
            discovery,
        })
    }

    /// Reloads whenever there is reason to.
    pub(crate) async fn run(mut self) {
        let mut look = tokio::time::interval(LOOK_EVERY);
        look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = self.hangups.recv() => {
                    self.everything.refused = None;
                    self.reload(Scope::Everything, "SIGHUP").await;
                }
                _ = look.tick() => self.look().await,
            }
        }
    }

    /// Reloads what has changed, and what was refused and may be whole now.
    async fn look(&mut self) {
        self.looks = self.looks.wrapping_add(1);
        let retry = self.looks.is_multiple_of(RETRY_EVERY_LOOKS);
        if self.everything.refused.is_some() && (self.everything.have_changed().await || retry) {
            self.reload(Scope::Everything, "retry after a refused reload").await;
        }
        if self.secrets.have_changed().await || retry && self.secrets.refused.is_some() {
            self.reload(Scope::Secrets, "a file of secrets changed").await;
        }
    }

    async fn reload(&mut self, scope: Scope, reason: &'static str) {
        let noted = self.secrets.look(WatchedFiles::note).await;
        let refusal = self.try_reload(scope, reason).await.err();
        if refusal.is_some() && scope == Scope::Everything {
            // A changed secret can still be loaded beside the texts of the active configuration.
            self.secrets.look(|files| *files = noted.unwrap_or_default()).await.ok();
        }
        if refusal.is_none() && scope == Scope::Everything {
            self.secrets.refused = None;
        }
        let watch = self.watch(scope);
        let is_news = watch.refused != refusal;
        watch.refused = refusal;
        self.count_refusal();
        if is_news && let Some(refusal) = &self.watch(scope).refused {
            refusal.errors.iter().for_each(note);
            let error = &refusal.error;
            tracing::error!(reason, error, "configuration refused; the one before stays in force");
        }
    }

    /// Secrets may be loaded beside a configuration file that is still refused.
    fn count_refusal(&self) {
        let is_refused = self.everything.refused.is_some() || self.secrets.refused.is_some();
        if is_refused && let Some(metrics) = &self.active.app().metrics {
            metrics.reload_refused();
        }
    }

    fn watch(&mut self, scope: Scope) -> &mut Watch {
        match scope {
            Scope::Everything => &mut self.everything,
            Scope::Secrets => &mut self.secrets,
        }
    }

    async fn try_reload(&mut self, scope: Scope, reason: &'static str) -> Result<(), Refusal> {
        let mut loaded = self.load(scope).await?;
        let old = self.active.app();
        let mut config = self.check(&loaded, &old.config).await?;
        let kept = rules::keep_fixed(&mut config, &old.config).map(Key::as_str);
        let kept: Vec<&str> = kept.collect();
        let app = {
            let old = Arc::clone(&old);
            spawn_blocking(move || old.renewed(config)).await.context("it could not be made ready")??
        };
        loaded.problems.iter().for_each(note);
        for key in &kept {
            tracing::warn!(key, "changed, which takes effect at the next start");
        }
        keep_texts(&mut loaded.settings, &self.settings, &kept);
        if let Some(metrics) = &app.metrics {
            metrics_setup::with_configured(&app.config, &app.access, |names| metrics.configure(names));
            if scope == Scope::Secrets && self.everything.refused.is_some() {
                metrics.reload_refused();
            }
        }
        app.providers.take_over(&old.providers);
        self.log_level.set(app.config.log.level);
        let secret_files = app.config.secret_files.clone();
        let watched = self.secrets.look(move |files| files.watch(&secret_files)).await;
        watched.context("the files of secrets cannot be watched")?;
        self.discovery = discovery(&app);
        let (providers, routes) = (app.config.providers.len(), app.config.routes.len());
        let keys = app.config.server.keys.len();
        app.lifecycle.limit_in_flight(app.limits.in_flight);
        let changes = config::changes(
            Described { config: &old.config, settings: &self.settings },
            Described { config: &app.config, settings: &loaded.settings },
        );
        self.active.replace(app);
        (self.texts, self.settings) = (loaded.texts, loaded.settings);
        tracing::info!(reason, providers, routes, keys, changes, "configuration reloaded");
        Ok(())
    }

    /// Reads the files of a scope; the others are the texts of the active configuration.
    async fn load(&self, scope: Scope) -> Result<Loaded, Refusal> {
        let texts = match scope {
            Scope::Secrets => Some(self.texts.clone()),
            Scope::Everything => None,
        };
        let sources = Sources { texts, ..self.sources.clone() };
        if scope == Scope::Everything {
            self.everything.look(WatchedFiles::note).await.context("the files cannot be looked at")?;
        }
        let loaded = spawn_blocking(move || config::load(&sources)).await.context("it cannot be read")?;
        if scope == Scope::Everything {
            let files = loaded.files.clone();
            let watched = self.everything.look(move |watched| watched.watch(&files)).await;
            watched.context("the files cannot be watched")?;
        }
        Ok(loaded)
    }

    /// The configuration that was loaded, unless it has errors, lost a file or would unlock something.
    async fn check(&self, loaded: &Loaded, old: &Config) -> Result<Config, Refusal> {
        let (texts, before) = (loaded.texts.clone(), self.texts.clone());
        let directory = self.sources.directory.clone();
        let lost = spawn_blocking(move || texts.losses_since(&before, &directory)).await;
        let lost = lost.context("the files cannot be looked at")?;
        let reasons = match &loaded.config {
            _ if !lost.is_empty() => lost,
            None => vec!["it has errors".to_owned()],
            Some(config) => {
                let unlocks = rules::unlocks(old, config);
                if unlocks.is_empty() {
                    return Ok(config.clone());
                }
                unlocks
            }
        };
        let is_error = |problem: &&Problem| problem.severity == Severity::Error;
        let errors = loaded.problems.iter().filter(is_error).cloned().collect();
        Err(Refusal { errors, error: reasons.join("; ") })
    }
}

/// Puts back the texts of settings that only a start can change.
fn keep_texts(settings: &mut [EffectiveSetting], old: &[EffectiveSetting], kept: &[&str]) {
    for setting in settings.iter_mut().filter(|setting| kept.contains(&&*setting.key)) {
        if let Some(old) = old.iter().find(|old| old.key == setting.key) {
            setting.clone_from(old);
        }
    }
}

fn note(problem: &Problem) {
    let text = problem.to_string();
    match problem.severity {
        Severity::Error => tracing::error!(problem = text, "configuration"),
        Severity::Warning => tracing::warn!(problem = text, "configuration"),
    }
}

fn discovery(app: &AppState) -> AbortOnDropHandle<()> {
    let (providers, egress) = (Arc::clone(&app.providers), Arc::clone(&app.egress));
    AbortOnDropHandle::new(tokio::spawn(discover_forever(providers, egress, app.metrics.clone())))
}
