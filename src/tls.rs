//! The TLS side of every client: one crypto provider, the machine's own certificates.

use std::error::Error;
use std::io;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{CertificateError, ClientConfig, RootCertStore};

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

/// Trust as the machine does: its certificate store, or what `SSL_CERT_FILE`/`SSL_CERT_DIR` name; and `additional`
/// certificates, in PEM.
///
/// # Errors
/// When not one certificate is trusted.
pub fn client_config(additional: Option<&[u8]>) -> Result<ClientConfig, TlsError> {
    let found = rustls_native_certs::load_native_certs();
    let own = CertificateDer::pem_slice_iter(additional.unwrap_or_default()).filter_map(Result::ok);
    let mut roots = RootCertStore::empty();
    let (added, _unusable) = roots.add_parsable_certificates(found.certs.into_iter().chain(own));
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

/// Why a connection failed, when TLS is the reason. Names no address.
#[must_use]
pub fn failure(error: &(dyn Error + 'static)) -> Option<String> {
    let reason = causes(error).find_map(|cause| cause.downcast_ref::<rustls::Error>())?;
    Some(match reason {
        rustls::Error::InvalidCertificate(why) => format!("TLS failed: {}", certificate_reason(why)),
        other => format!("TLS failed: {other}"),
    })
}

fn certificate_reason(why: &CertificateError) -> &'static str {
    match why {
        CertificateError::UnknownIssuer => "its certificate is signed by nobody this machine trusts",
        CertificateError::BadSignature => {
            "its certificate is signed with another key than that of its trusted namesake"
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "its certificate has expired",
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "its certificate is not valid yet"
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "its certificate is for another name"
        }
        CertificateError::Revoked => "its certificate is revoked",
        _ => "its certificate was refused",
    }
}

/// The error and what caused it, from the outside in; an [`io::Error`] hides what it wraps from `source`.
pub fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error: &&'a (dyn Error + 'static)| {
        match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(wrapped) => Some(wrapped as &(dyn Error + 'static)),
            None => (*error).source(),
        }
    })
}

/// The innermost cause: it never carries an address.
pub fn innermost<'a>(error: &'a (dyn Error + 'static)) -> &'a (dyn Error + 'static) {
    causes(error).last().unwrap_or(error)
}
