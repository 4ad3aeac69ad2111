//! A digest that differs between replicas with different configurations.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};
use url::Url;

use crate::config::{Config, Secret};

impl Config {
    /// A digest of what is served and how, in 16 hexadecimal digits. Replicas that are configured alike have the same:
    /// secrets, paths of files, the address, and what follows from the machine do not count.
    #[must_use]
    pub fn digest(&self) -> String {
        let mut config = self.clone();
        config.server.host.clear();
        config.server.port = 0;
        config.server.workers = NonZeroUsize::MIN;
        config.secret_files.clear();
        if let Some(listen) = &mut config.metrics.listen {
            *listen = (String::new(), 0);
        }
        if let Some(file) = &mut config.http.ca_file {
            *file = PathBuf::new();
        }
        for url in [&mut config.http.proxy.http, &mut config.http.proxy.https].into_iter().flatten() {
            blank_credential(url);
        }
        for secret in [&mut config.server.master_key, &mut config.metrics.token].into_iter().flatten() {
            *secret = Secret::new("");
        }
        for key in &mut config.server.keys {
            key.key = Secret::new("");
        }
        for provider in &mut config.providers {
            if let Some(secret) = &mut Arc::make_mut(provider).api_key {
                *secret = Secret::new("");
            }
        }
        let digest = Sha256::digest(format!("{config:?}"));
        digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
    }
}

fn blank_credential(url: &mut Url) {
    // Only a URL without a host has no room for one, and then there is none.
    let _no_room = url.set_username("").and_then(|()| url.set_password(None));
}
