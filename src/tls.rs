//! The TLS side of every client: one crypto provider, the machine's own certificates.

use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore};

/// Why no TLS configuration could be made.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The machine trusts nobody.
    #[error("no trusted certificate found: install ca-certificates or point SSL_CERT_FILE to a bundle{0}")]
    NoRoots(String),
    /// rustls refused its own defaults.
    #[error("TLS could not be set up: {0}")]
    Setup(#[from] rustls::Error),
}

/// Trust as the machine does: its certificate store, or what `SSL_CERT_FILE`/`SSL_CERT_DIR` name.
///
/// # Errors
/// When not one certificate is trusted.
pub fn client_config() -> Result<ClientConfig, TlsError> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    let (added, _unusable) = roots.add_parsable_certificates(found.certs);
    if added == 0 {
        let reasons = found.errors.iter().map(|error| format!("; {error}")).collect::<String>();
        return Err(TlsError::NoRoots(reasons));
    }
    with_roots(roots)
}

/// Trusts nobody, for clients that only ever speak plain HTTP: no certificate store is read.
///
/// # Errors
/// When rustls refuses its own defaults.
pub fn client_config_without_roots() -> Result<ClientConfig, TlsError> {
    with_roots(RootCertStore::empty())
}

fn with_roots(roots: RootCertStore) -> Result<ClientConfig, TlsError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(config)
}
