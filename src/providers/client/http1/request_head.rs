//! The head of a request, as it is sent.

use std::io::Write as _;

use bytes::Buf as _;
use http::header::{CONTENT_LENGTH, HOST, PROXY_AUTHORIZATION};
use http::{HeaderValue, Method, Uri};

use crate::providers::upstream_request::{self, UpstreamRequest};

/// The part of a request's head that its connection adds.
#[derive(Debug)]
pub(crate) struct Peer {
    /// The Host header of the upstream.
    pub(crate) host: HeaderValue,
    /// `Some` where the connection ends at a proxy, which gets absolute addresses and its credential, if it has one.
    pub(crate) proxy: Option<Option<HeaderValue>>,
}

impl Peer {
    /// Writes the head of a request.
    pub(crate) fn write_head(&self, request: &UpstreamRequest, into: &mut Vec<u8>) {
        let UpstreamRequest { method, uri, headers, body } = request;
        let length = body.remaining();
        into.extend_from_slice(method.as_str().as_bytes());
        into.push(b' ');
        self.write_target(uri, into);
        into.extend_from_slice(b" HTTP/1.1\r\n");
        upstream_request::write(&HOST, self.host.as_bytes(), into);
        into.extend_from_slice(headers.as_bytes());
        if let Some(Some(credential)) = &self.proxy {
            upstream_request::write(&PROXY_AUTHORIZATION, credential.as_bytes(), into);
        }
        if length > 0 || expects_body(method) {
            upstream_request::write(&CONTENT_LENGTH, itoa::Buffer::new().format(length).as_bytes(), into);
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

/// Returns true if a request of this method has a body, be it an empty one (RFC 9110, 8.6).
fn expects_body(method: &Method) -> bool {
    matches!(*method, Method::POST | Method::PUT | Method::PATCH)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::HeaderName;

    use super::*;
    use crate::providers::HeaderLines;

    fn head(proxy: Option<Option<&'static str>>, method: &Method, uri: &str, length: usize) -> String {
        let proxy = proxy.map(|credential| credential.map(HeaderValue::from_static));
        let peer = Peer { host: HeaderValue::from_static("up:81"), proxy };
        let mut headers = HeaderLines::default();
        headers.add(&HeaderName::from_static("x-a"), &HeaderValue::from_static("1"));
        headers.add(&HeaderName::from_static("x-a"), &HeaderValue::from_static("2"));
        assert_eq!(format!("{headers:?}"), "HeaderLines(16 bytes)");
        let body = Bytes::from(vec![0; length]).into();
        let request = UpstreamRequest { method: method.clone(), uri: uri.parse().unwrap(), headers, body };
        let mut written = Vec::new();
        peer.write_head(&request, &mut written);
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
