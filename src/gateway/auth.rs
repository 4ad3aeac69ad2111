//! Who may do what. Keys are compared as digests, in constant time; nothing else of a request is looked at before.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use super::error::GatewayError;
use crate::config::Secret;
use crate::metrics::{AuthFailure, Surface};

/// The digests of the configured keys.
#[derive(Debug)]
pub(super) struct Access {
    master: Option<[u8; 32]>,
}

/// What a caller presented.
enum Presented<'a> {
    Nothing,
    /// A header that cannot hold a key.
    Malformed,
    Key(&'a [u8]),
    /// The password of basic authentication.
    Password(Vec<u8>),
}

impl Access {
    pub(super) fn new(master_key: Option<&Secret>) -> Self {
        Self { master: master_key.map(|key| digest(key.expose().as_bytes())) }
    }

    /// Lets a request in or says why not.
    pub(super) fn check(&self, surface: Surface, headers: &HeaderMap) -> Result<(), AuthFailure> {
        let Some(master) = &self.master else { return Ok(()) };
        let matches = |key: &[u8]| bool::from(digest(key).ct_eq(master));
        match presented(headers) {
            Presented::Nothing => Err(AuthFailure::Missing),
            Presented::Key(key) if matches(key) => Ok(()),
            // Prometheus' basic_auth: any user, the key as password; nowhere else.
            Presented::Password(key) if surface == Surface::Metrics && matches(&key) => Ok(()),
            Presented::Password(_) if surface == Surface::Api => Err(AuthFailure::Malformed),
            Presented::Malformed => Err(AuthFailure::Malformed),
            Presented::Key(_) | Presented::Password(_) => Err(AuthFailure::Invalid),
        }
    }
}

/// The 401 that says what to send.
pub(super) fn refusal(surface: Surface, failure: AuthFailure) -> GatewayError {
    let what = match failure {
        AuthFailure::Missing => "No key was sent",
        AuthFailure::Malformed => "The Authorization header holds no bearer key",
        AuthFailure::Invalid => "The key is not the right one",
    };
    let cure = match surface {
        Surface::Api => {
            "send `Authorization: Bearer KEY` with the key of server.master_key (AURORA_MASTER_KEY)"
        }
        Surface::Metrics => {
            "the metrics endpoint is protected by server.master_key (AURORA_MASTER_KEY): in Prometheus set \
             authorization.credentials to it; behind nginx add `proxy_set_header Authorization \"Bearer …\";`"
        }
    };
    GatewayError::Unauthorized { message: format!("{what}: {cure}.").into() }
}

fn presented(headers: &HeaderMap) -> Presented<'_> {
    let mut authorizations = headers.get_all(AUTHORIZATION).iter();
    let Some(authorization) = authorizations.next() else {
        return match headers.get("x-api-key").map(|value| value.as_bytes().trim_ascii()) {
            None => Presented::Nothing,
            Some([]) => Presented::Malformed,
            Some(key) => Presented::Key(key),
        };
    };
    if authorizations.next().is_some() {
        return Presented::Malformed;
    }
    let value = authorization.as_bytes().trim_ascii();
    let Some(space) = value.iter().position(|byte| *byte == b' ') else { return Presented::Malformed };
    let (scheme, rest) = (&value[..space], value[space..].trim_ascii());
    if rest.is_empty() {
        Presented::Malformed
    } else if scheme.eq_ignore_ascii_case(b"bearer") {
        Presented::Key(rest)
    } else if scheme.eq_ignore_ascii_case(b"basic") {
        password(rest).map_or(Presented::Malformed, Presented::Password)
    } else {
        Presented::Malformed
    }
}

fn password(encoded: &[u8]) -> Option<Vec<u8>> {
    let pair = STANDARD.decode(encoded).ok()?;
    let colon = pair.iter().position(|byte| *byte == b':')?;
    Some(pair[colon + 1..].to_vec())
}

fn digest(key: &[u8]) -> [u8; 32] {
    Sha256::digest(key).into()
}
