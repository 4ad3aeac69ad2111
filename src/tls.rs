//! TLS configuration of every client: one crypto provider and the system's trusted certificates.

use std::error::Error;
use std::io;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{CertificateError, ClientConfig, RootCertStore};

/// Failure to build a TLS configuration.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The system has no trusted certificate.
    #[error("no trusted certificate found: install ca-certificates or point SSL_CERT_FILE to a bundle{0}")]
    NoRoots(String),
    /// rustls rejected its own defaults.
    #[error("TLS could not be set up: {0}")]
    Setup(#[from] rustls::Error),
}

/// Trusts the system's certificate store, or the files of `SSL_CERT_FILE`/`SSL_CERT_DIR`, and `additional` certificates
/// in PEM.
///
/// # Errors
/// No certificate is trusted.
pub fn client_config(additional: Option<&[u8]>) -> Result<ClientConfig, TlsError> {
    let found = rustls_native_certs::load_native_certs();
    let own = CertificateDer::pem_slice_iter(additional.unwrap_or_default()).filter_map(Result::ok);
    let mut roots = RootCertStore::empty();
    let (added, _unusable) = roots.add_parsable_certificates(found.certs.into_iter().chain(own));
    if added == 0 {
        let mut reasons = String::new();
        for error in &found.errors {
            reasons += &format!("; {error}");
        }
        return Err(TlsError::NoRoots(reasons));
    }
    with_roots(roots)
}

/// Trusts no certificate, for clients of plain HTTP: the certificate store is not read.
///
/// # Errors
/// rustls rejected its own defaults.
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

/// TLS failure of a connection, if there is one; without an address.
#[must_use]
pub fn failure(error: &(dyn Error + 'static)) -> Option<String> {
    let reason = causes(error).find_map(|cause| cause.downcast_ref::<rustls::Error>())?;
    Some(format!("TLS failed: {}", words(reason)))
}

/// Reason of a TLS error in words, without an address.
#[must_use]
pub fn words(error: &rustls::Error) -> String {
    match error {
        rustls::Error::InvalidCertificate(why) => certificate_reason(why).to_owned(),
        rustls::Error::InvalidMessage(rustls::InvalidMessage::InvalidContentType) => {
            "the response is not TLS".to_owned()
        }
        other => other.to_string(),
    }
}

fn certificate_reason(why: &CertificateError) -> &'static str {
    match why {
        CertificateError::UnknownIssuer => "certificate signed by an unknown authority",
        CertificateError::BadSignature => {
            "certificate signature does not match the key of its trusted issuer"
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "certificate has expired",
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "certificate is not valid yet"
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "certificate is not valid for the host name"
        }
        CertificateError::Revoked => "certificate has been revoked",
        _ => "certificate was rejected",
    }
}

/// The error and its causes, outermost first; [`io::Error`] does not return the error it wraps as `source`.
pub fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error: &&'a (dyn Error + 'static)| {
        match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(wrapped) => Some(wrapped as &(dyn Error + 'static)),
            None => (*error).source(),
        }
    })
}

/// The innermost cause, which never contains an address.
pub fn innermost<'a>(error: &'a (dyn Error + 'static)) -> &'a (dyn Error + 'static) {
    causes(error).last().unwrap_or(error)
}
