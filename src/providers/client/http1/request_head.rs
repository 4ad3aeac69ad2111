//! The head of a request, as it is sent.

use std::io::Write as _;

use http::header::{CONTENT_LENGTH, HOST, PROXY_AUTHORIZATION};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};

/// What a connection adds to the head of a request.
#[derive(Debug)]
pub(crate) struct Peer {
    /// The Host header of the upstream.
    pub(crate) host: HeaderValue,
    /// `Some` where the connection ends at a proxy, which gets absolute addresses and its credential, if it has one.
    pub(crate) proxy: Option<Option<HeaderValue>>,
}

impl Peer {
    /// Writes the head of a request with a body of so many bytes.
    pub(crate) fn write_head(
        &self,
        (method, uri, headers): (&Method, &Uri, &HeaderMap),
        length: usize,
        into: &mut Vec<u8>,
    ) {
        into.extend_from_slice(method.as_str().as_bytes());
        into.push(b' ');
        self.write_target(uri, into);
        into.extend_from_slice(b" HTTP/1.1\r\n");
        write_header(&HOST, self.host.as_bytes(), into);
        for (name, value) in headers {
            write_header(name, value.as_bytes(), into);
        }
        if let Some(Some(credential)) = &self.proxy {
            write_header(&PROXY_AUTHORIZATION, credential.as_bytes(), into);
        }
        if length > 0 || expects_body(method) {
            write_header(&CONTENT_LENGTH, itoa::Buffer::new().format(length).as_bytes(), into);
        }
        into.extend_from_slice(b"\r\n");
    }

    fn write_target(&self, uri: &Uri, into: &mut Vec<u8>) {
        if self.proxy.is_some() {
            // Writing to a vector does not fail.
            drop(write!(into, "{uri}"));
            return;
        }
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        into.extend_from_slice(path.as_bytes());
    }
}

fn write_header(name: &HeaderName, value: &[u8], into: &mut Vec<u8>) {
    into.extend_from_slice(name.as_str().as_bytes());
    into.extend_from_slice(b": ");
    into.extend_from_slice(value);
    into.extend_from_slice(b"\r\n");
}

/// Returns true if a request of this method has a body, be it an empty one (RFC 9110, 8.6).
fn expects_body(method: &Method) -> bool {
    matches!(*method, Method::POST | Method::PUT | Method::PATCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(proxy: Option<Option<&'static str>>, method: &Method, uri: &str, length: usize) -> String {
        let proxy = proxy.map(|credential| credential.map(HeaderValue::from_static));
        let peer = Peer { host: HeaderValue::from_static("up:81"), proxy };
        let mut headers = HeaderMap::new();
        headers.append("x-a", HeaderValue::from_static("1"));
        headers.append("x-a", HeaderValue::from_static("2"));
        let mut written = Vec::new();
        peer.write_head((method, &uri.parse().unwrap(), &headers), length, &mut written);
        String::from_utf8(written).unwrap()
    }

    #[test]
    fn an_upstream_gets_the_path_and_a_proxy_the_address() {
        assert_eq!(
            head(None, &Method::POST, "http://up:81/v1/x?y=z", 12),
            "POST /v1/x?y=z HTTP/1.1\r\nhost: up:81\r\nx-a: 1\r\nx-a: 2\r\ncontent-length: 12\r\n\r\n"
        );
        assert_eq!(
            head(Some(Some("Basic eDp5")), &Method::GET, "http://up:81/v1/x?y=z", 0),
            "GET http://up:81/v1/x?y=z HTTP/1.1\r\nhost: up:81\r\nx-a: 1\r\nx-a: 2\r\n\
             proxy-authorization: Basic eDp5\r\n\r\n"
        );
        assert_eq!(
            head(Some(None), &Method::GET, "http://up:81", 0),
            "GET http://up:81/ HTTP/1.1\r\nhost: up:81\r\nx-a: 1\r\nx-a: 2\r\n\r\n"
        );
    }

    #[test]
    fn an_empty_body_is_declared_where_one_is_expected() {
        let length = "content-length: 0\r\n";
        for (method, expected) in [(Method::POST, true), (Method::PUT, true), (Method::DELETE, false)] {
            assert_eq!(head(None, &method, "http://up/", 0).contains(length), expected, "{method}");
        }
    }
}
