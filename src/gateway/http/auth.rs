//! Authorization. Keys are compared in constant time; nothing else of a request is looked at before.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue};
use subtle::{Choice, ConditionallySelectable as _, ConstantTimeEq};

use super::error::GatewayError;
use crate::config::{Config, MASTER, Secret};
use crate::metrics::{AuthFailure, Surface};

/// The headers in which SDKs send a key where they send no `Authorization` (Anthropic, Azure, Google), the first that is
/// there decides.
const KEY_HEADERS: [&str; 3] = ["x-api-key", "api-key", "x-goog-api-key"];

/// The configured keys.
#[derive(Debug)]
pub(crate) struct Access {
    /// The named keys, then the master key.
    callers: Vec<Caller>,
    has_keys: bool,
    has_master: bool,
    token: Option<Key>,
}

/// A key of the API.
#[derive(Debug)]
struct Caller {
    name: Box<str>,
    key: Key,
}

/// The place of a caller in [`Access::names`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CallerIndex(usize);

impl CallerIndex {
    /// Entry of this client, where one is kept.
    pub(crate) fn of<T>(self, kept: &[T]) -> Option<&T> {
        kept.get(self.0)
    }
}

/// Reason that a request was not authorized.
#[derive(Debug)]
pub(crate) struct Refusal {
    /// As it is counted.
    pub(crate) failure: AuthFailure,
    /// As the client gets it.
    pub(crate) error: GatewayError,
}

/// Credential of a request.
enum Presented<'a> {
    Nothing,
    /// A header that cannot hold a key.
    Malformed,
    Key(&'a [u8]),
    /// The password of basic authentication.
    Password(Vec<u8>),
}

impl Caller {
    fn new(name: &str, key: &Secret) -> Self {
        Self { name: name.into(), key: Key::of_secret(key) }
    }
}

impl Access {
    pub(crate) fn new(config: &Config) -> Self {
        let keys = config.server.keys.iter().map(|key| Caller::new(&key.name, &key.key));
        let master = config.server.master_key.iter().map(|key| Caller::new(MASTER, key));
        Self {
            callers: keys.chain(master).collect(),
            has_keys: !config.server.keys.is_empty(),
            has_master: config.server.master_key.is_some(),
            token: config.metrics.token.as_ref().map(Key::of_secret),
        }
    }

    /// The callers by name, each at its index.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.callers.iter().map(|caller| &*caller.name)
    }

    /// Returns true if they are distinguished in metrics, which takes named keys.
    pub(crate) fn counts_callers(&self) -> bool {
        self.has_keys
    }

    /// Lets a request in by its key or says why not; for what is not open. `None` is who may read the metrics.
    pub(crate) fn check(
        &self,
        surface: Surface,
        headers: &HeaderMap,
    ) -> Result<Option<CallerIndex>, Refusal> {
        let password;
        let key = match presented(headers) {
            Presented::Nothing => return Err(self.refusal(surface, AuthFailure::Missing)),
            Presented::Key(key) => key,
            // Prometheus' basic_auth: any user, the key as password; nowhere else.
            Presented::Password(given) if surface == Surface::Metrics => {
                password = given;
                &password
            }
            Presented::Password(_) | Presented::Malformed => {
                return Err(self.refusal(surface, AuthFailure::Malformed));
            }
        };
        let key = Key::of(key);
        let caller = self.find(&key);
        let is_token = self.token.as_ref().is_some_and(|token| key.ct_eq(token).into());
        match surface {
            Surface::Metrics if is_token || self.is_master(caller) => Ok(None),
            Surface::Metrics if caller.is_some() => Err(self.api_only()),
            Surface::Api if caller.is_some() => Ok(caller),
            Surface::Api | Surface::Metrics => Err(self.refusal(surface, AuthFailure::Invalid)),
        }
    }

    /// Returns true if no key is required. The metrics of a gateway whose API is locked are not for everyone: without
    /// a key of their own nothing opens them.
    pub(crate) fn is_open(&self, surface: Surface) -> bool {
        self.callers.is_empty() && (surface == Surface::Api || self.token.is_none())
    }

    /// Looks at every key, so that the time does not reveal which one it is.
    fn find(&self, presented: &Key) -> Option<CallerIndex> {
        let mut found = u64::MAX;
        for (index, caller) in (0..).zip(&self.callers) {
            found.conditional_assign(&index, caller.key.ct_eq(presented));
        }
        usize::try_from(found).ok().filter(|index| *index < self.callers.len()).map(CallerIndex)
    }

    fn is_master(&self, caller: Option<CallerIndex>) -> bool {
        self.has_master && caller.is_some_and(|CallerIndex(index)| index + 1 == self.callers.len())
    }

    /// The 401 that says what to send.
    fn refusal(&self, surface: Surface, failure: AuthFailure) -> Refusal {
        let what = match failure {
            AuthFailure::Missing => "No key was sent",
            AuthFailure::Malformed => "The Authorization header holds no bearer key",
            AuthFailure::Invalid => "The key is invalid",
        };
        let cure = match surface {
            Surface::Api => format!("send `Authorization: Bearer KEY` with {}", self.api_keys()),
            Surface::Metrics => self.metrics_cure(),
        };
        Refusal { failure, error: GatewayError::Unauthorized { message: format!("{what}: {cure}.").into() } }
    }

    /// The 403 for a key that is right, but not here.
    fn api_only(&self) -> Refusal {
        let message = format!("A key of server.keys gives access to the API only: {}.", self.metrics_cure());
        Refusal { failure: AuthFailure::Invalid, error: GatewayError::Forbidden { message: message.into() } }
    }

    fn api_keys(&self) -> &'static str {
        match (self.has_master, self.has_keys) {
            (true, false) => "the key of server.master_key (AURORA_MASTER_KEY)",
            (true, true) => "the key of server.master_key (AURORA_MASTER_KEY) or one of server.keys",
            (false, _) => "one of server.keys",
        }
    }

    fn metrics_cure(&self) -> String {
        let (settings, which) = match (&self.token, self.has_master) {
            (None, true) => ("server.master_key (AURORA_MASTER_KEY)", "it"),
            (Some(_), false) => ("metrics.token (METRICS_TOKEN)", "it"),
            (Some(_), true) => {
                ("metrics.token (METRICS_TOKEN) and server.master_key (AURORA_MASTER_KEY)", "one of them")
            }
            (None, false) => {
                return "the metrics endpoint stays closed until metrics.token (METRICS_TOKEN) or \
                        server.master_key (AURORA_MASTER_KEY) is set"
                    .to_owned();
            }
        };
        format!(
            "the metrics endpoint is protected by {settings}: in Prometheus set authorization.credentials to \
             {which}; behind nginx add `proxy_set_header Authorization \"Bearer …\";`"
        )
    }
}

fn presented(headers: &HeaderMap) -> Presented<'_> {
    let mut authorizations = headers.get_all(AUTHORIZATION).iter();
    let Some(authorization) = authorizations.next() else {
        let key = KEY_HEADERS.iter().find_map(|name| headers.get(*name));
        return match key.map(HeaderValue::as_bytes).map(<[u8]>::trim_ascii) {
            None => Presented::Nothing,
            Some([]) => Presented::Malformed,
            Some(key) => Presented::Key(key),
        };
    };
    if authorizations.next().is_some() {
        return Presented::Malformed;
    }
    let value = authorization.as_bytes().trim_ascii();
    let Some(space) = memchr::memchr(b' ', value) else { return Presented::Malformed };
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
    let colon = memchr::memchr(b':', &pair)?;
    Some(pair[colon + 1..].to_vec())
}

/// A key as integers, the last one filled up with zeros. Neither a digest of each presented key (3,500 instructions) nor
/// one byte at a time: a thousand keys are looked through in microseconds.
struct Key {
    words: Box<[u64]>,
    length: u64,
}

impl Key {
    fn of_secret(key: &Secret) -> Self {
        Self::of(key.expose().as_bytes())
    }

    fn of(key: &[u8]) -> Self {
        let (whole, rest) = key.as_chunks();
        let mut last = [0; size_of::<u64>()];
        last[..rest.len()].copy_from_slice(rest);
        let words = whole.iter().chain([&last]).map(|bytes| u64::from_le_bytes(*bytes)).collect();
        Self { words, length: key.len() as u64 }
    }
}

/// The time depends on the length of the keys and on nothing else of them.
impl ConstantTimeEq for Key {
    fn ct_eq(&self, other: &Self) -> Choice {
        let mut difference = self.length ^ other.length;
        for (ours, theirs) in self.words.iter().zip(&other.words) {
            difference |= ours ^ theirs;
        }
        difference.ct_eq(&0)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_equal_only_in_every_byte_and_in_length() {
        let key = b"0123456789abcdef0";
        assert!(bool::from(Key::of(key).ct_eq(&Key::of(key))));
        for at in 0..key.len() {
            let mut other = *key;
            other[at] ^= 1;
            assert!(!bool::from(Key::of(key).ct_eq(&Key::of(&other))), "{at}");
            assert!(!bool::from(Key::of(key).ct_eq(&Key::of(&key[..at]))), "{at}");
        }
        // Zeros at the end are part of a key.
        for other in [&b"0123456789abcdef0\0"[..], b"0123456789abcdef0\0\0\0\0\0\0\0\0"] {
            assert!(!bool::from(Key::of(key).ct_eq(&Key::of(other))), "{other:?}");
            assert!(!bool::from(Key::of(other).ct_eq(&Key::of(key))), "{other:?}");
        }
        assert_eq!(format!("{:?}", Key::of(key)), "Key");
    }
}
