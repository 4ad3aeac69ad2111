//! `http.proxy`: one URL in the file, and the variables that other programs read as well.

use std::fmt;
use std::net::IpAddr;

use url::Url;

use crate::config::problem::{Fault, Layer, Place, Problems};
use crate::config::raw::given::{Content, Given};
use crate::config::raw::layers::Layers;
use crate::config::sources::variables::Variables;
use crate::config::{Config, Key, Proxy};

/// Meaning of a variable of the setting; its lower case wins over its upper case.
pub(crate) fn meaning(variable: &str) -> &'static str {
    match variable {
        "NO_PROXY" | "no_proxy" => {
            "Hosts, domains and networks that are called without a proxy, separated by commas"
        }
        "HTTP_PROXY" | "http_proxy" => "Proxy on the way to http upstreams, over the file's",
        _ => "Proxy on the way to https upstreams, over the file's",
    }
}

/// Reads the setting from every layer; returns the effective value, as it is shown, and its place.
pub(crate) fn read(layers: &mut Layers<'_, '_>, config: &mut Config) -> (String, Place) {
    if layers.sources.demo.is_some() {
        return ("none".to_owned(), Place::new(Layer::Default, "--demo"));
    }
    let file = match layers.in_file(Key::HttpProxy).pop() {
        Some(Given { content: Content::Text(text), place }) => checked(&text, &place, layers.problems),
        Some(Given { place, .. }) => return ("taken for set".to_owned(), place),
        None => None,
    };
    let https = overlaid(layers, ["HTTPS_PROXY", "https_proxy"], file.as_ref());
    let http = overlaid(layers, ["HTTP_PROXY", "http_proxy"], file.as_ref());
    let direct = if https.is_some() || http.is_some() {
        variable(layers.variables, ["NO_PROXY", "no_proxy"])
    } else {
        None
    };
    let proxies = [&https, &http].into_iter().flatten().map(|(_, place)| place);
    let place = place_of_all(proxies.chain(direct.map(|(_, place)| place)));
    if let Some((text, place)) = direct {
        check_networks(text, place, layers.problems);
    }
    config.http.proxy = Proxy {
        https: https.map(|(url, _)| url),
        http: http.map(|(url, _)| url),
        no_proxy: match direct {
            Some((text, _)) => Content::items(text),
            None => Vec::new(),
        },
    };
    (config.http.proxy.to_string(), place)
}

/// Warns of networks that are none, and are therefore compared with names.
fn check_networks(text: &str, place: &Place, problems: &mut Problems) {
    for item in Content::items(text) {
        let Some((address, bits)) = item.split_once('/') else { continue };
        let most = match address.parse::<IpAddr>() {
            Ok(IpAddr::V4(_)) => 32,
            Ok(IpAddr::V6(_)) => 128,
            Err(_) => 0,
        };
        if most == 0 || !bits.parse::<u8>().is_ok_and(|bits| bits <= most) {
            let what =
                format!("not a network (got {item:?}, expected an address and the bits of its prefix)");
            let fault = Fault::new("bad-network", what, "write for example 10.0.0.0/8");
            problems.warn(place, Key::HttpProxy, fault);
        }
    }
}

/// The proxy of a variable, or the file's where none is set.
fn overlaid(
    layers: &mut Layers<'_, '_>,
    names: [&str; 2],
    file: Option<&(Url, Place)>,
) -> Option<(Url, Place)> {
    match variable(layers.variables, names) {
        Some((text, place)) => checked(text, place, layers.problems),
        None => file.cloned(),
    }
}

/// The higher layer wins, then the lower case, as in other programs.
fn variable<'v>(variables: &'v Variables, names: [&str; 2]) -> Option<(&'v str, &'v Place)> {
    names.into_iter().filter_map(|name| variables.find(name)).max_by_key(|(_, place)| place.layer)
}

/// The place of a value that several places make.
fn place_of_all<'p>(places: impl Iterator<Item = &'p Place>) -> Place {
    let mut named: Vec<String> = Vec::new();
    let mut layer = Layer::Default;
    for place in places {
        layer = layer.max(place.layer);
        if !named.contains(&place.provenance()) {
            named.push(place.provenance());
        }
    }
    if named.is_empty() { Place::default_value() } else { Place::new(layer, named.join(", ")) }
}

fn checked(text: &str, place: &Place, problems: &mut Problems) -> Option<(Url, Place)> {
    match url(text) {
        Ok(url) => Some((url, place.clone())),
        Err(fault) => {
            problems.error(place, Key::HttpProxy, fault);
            None
        }
    }
}

/// `http://HOST:PORT`, with or without its scheme; not repeated where it is wrong, as it may hold a password.
fn url(text: &str) -> Result<Url, Fault> {
    let text = text.trim();
    let whole = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
    let url = match Url::parse(&whole) {
        Ok(url) => url,
        Err(error) => return Err(fault(&format!("not a URL ({error})"))),
    };
    if url.scheme() != "http" {
        let what = format!("not an http proxy (its scheme is {:?})", url.scheme());
        return Err(fault(&what));
    }
    if !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some() {
        return Err(fault("more than a host and a port"));
    }
    Ok(url)
}

fn fault(what: &str) -> Fault {
    Fault::new("bad-proxy", what, "write for example http://proxy.internal:3128")
}

/// Without the credential it may carry.
fn shown(url: &Url) -> String {
    let credential = if url.username().is_empty() && url.password().is_none() { "" } else { "…@" };
    let port = match url.port() {
        Some(port) => format!(":{port}"),
        None => String::new(),
    };
    format!("http://{credential}{}{port}", url.host_str().unwrap_or_default())
}

impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.https, &self.http) {
            (None, None) => return f.write_str("none"),
            (Some(https), Some(http)) if https == http => f.write_str(&shown(https))?,
            (Some(https), Some(http)) => write!(f, "https: {}, http: {}", shown(https), shown(http))?,
            (Some(https), None) => write!(f, "https: {}", shown(https))?,
            (None, Some(http)) => write!(f, "http: {}", shown(http))?,
        }
        if !self.no_proxy.is_empty() {
            write!(f, "; not for {}", self.no_proxy.join(", "))?;
        }
        Ok(())
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls() {
        for (text, expected) in [
            ("http://proxy:3128", Ok("http://proxy:3128")),
            ("proxy:3128", Ok("http://proxy:3128")),
            ("http://10.0.0.1:3128/", Ok("http://10.0.0.1:3128")),
            ("http://[::1]:3128", Ok("http://[::1]:3128")),
            ("http://user:password@proxy", Ok("http://…@proxy")),
            ("https://proxy", Err("not an http proxy (its scheme is \"https\")")),
            ("socks5://proxy", Err("not an http proxy (its scheme is \"socks5\")")),
            ("http://proxy/path", Err("more than a host and a port")),
            ("http://", Err("not a URL (empty host)")),
        ] {
            let found = url(text).map(|url| shown(&url)).map_err(|fault| fault.message);
            assert_eq!(found.as_deref().map_err(String::as_str), expected, "{text}");
        }
    }
}
