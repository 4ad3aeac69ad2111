//! The live page: HTML with its style and its script, which reads the exposition and draws it. The page itself holds no
//! figure and nothing of a client, so it needs no key; its script asks for one where the metrics endpoint does.

use std::sync::LazyLock;

use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, VARY, X_CONTENT_TYPE_OPTIONS,
    X_FRAME_OPTIONS,
};
use http::{HeaderMap, HeaderValue, StatusCode};
use uuid::Uuid;

use crate::gateway::http::error::GatewayError;
use crate::gateway::response::client_response::Response;
use crate::metrics::CallOutcome;

const PAGE: &str = include_str!("page.html");
const STYLE: &str = include_str!("page.css");
/// Parts of the script, in the order in which they use each other.
const PARTS: &[&str] = &[
    include_str!("exposition.js"),
    include_str!("figures.js"),
    include_str!("charts.js"),
    include_str!("format.js"),
    include_str!("tiles.js"),
    include_str!("panels.js"),
    include_str!("page.js"),
];

/// The script as it is sent: without its comments, a quarter of its size.
static SCRIPT: LazyLock<String> = LazyLock::new(|| without_comments(&PARTS.concat()));

/// Responds with the page for the metrics endpoint at this path, below the path of the page itself.
pub(crate) fn respond(endpoint: &str) -> Response {
    // 122 random bits of a cryptographic generator.
    let nonce = Uuid::new_v4().simple().to_string();
    let Ok(policy) = HeaderValue::try_from(policy(&nonce)) else {
        return GatewayError::Internal.into_response();
    };
    let headers = HeaderMap::from_iter([
        (CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8")),
        (CONTENT_SECURITY_POLICY, policy),
        (X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
        (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
        (CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (VARY, HeaderValue::from_static("accept")),
    ]);
    Response::full(StatusCode::OK, headers, html(&nonce, endpoint).into(), CallOutcome::Ok)
}

/// Style and script of this response only, requests to this origin only. Trusted types forbid the script to make markup
/// of text.
fn policy(nonce: &str) -> String {
    format!(
        "default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; connect-src 'self'; \
         frame-ancestors 'none'; base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'"
    )
}

/// Drops the comments `/** … */`, and the lines that are empty or a comment with `//`.
fn without_comments(script: &str) -> String {
    let mut code = String::with_capacity(script.len());
    for (index, part) in script.split("/**").enumerate() {
        let behind = part.split_once("*/").map_or("", |(_, behind)| behind.trim_start_matches(' '));
        code.push_str(if index == 0 { part } else { behind });
    }
    let is_code = |line: &&str| !line.trim().is_empty() && !line.trim_start().starts_with("//");
    code.lines().filter(is_code).collect::<Vec<_>>().join("\n")
}

fn html(nonce: &str, endpoint: &str) -> String {
    PAGE.replace("{{nonce}}", nonce)
        .replace("{{style}}", STYLE)
        .replace("{{script}}", &SCRIPT)
        .replace("{{endpoint}}", &attribute(endpoint))
}

/// The text as a value of an attribute in double quotes; no character but letters, digits and `/-._~` stays as it is.
fn attribute(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_ascii_alphanumeric() || "/-._~".contains(character) {
            escaped.push(character);
        } else {
            escaped.push_str(&format!("&#{};", u32::from(character)));
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use regex_lite::Regex;

    use super::*;
    use crate::metrics::catalog::families::FAMILIES;

    #[test]
    fn every_placeholder_is_filled_and_nothing_else_is() {
        let page = html("NONCE", "/metrics");
        for placeholder in ["{{nonce}}", "{{style}}", "{{script}}", "{{endpoint}}"] {
            assert!(!page.contains(placeholder), "{placeholder} is left");
        }
        assert_eq!(page.matches("NONCE").count(), 2);
        assert_eq!(page.matches("nonce=\"NONCE\"").count(), 2);
        assert_eq!(page.matches("data-endpoint=\"/metrics\"").count(), 1);
        for part in [STYLE, &SCRIPT] {
            assert_eq!(page.matches(part).count(), 1);
        }
        assert!(page.len() < 60_000, "{} bytes", page.len());
    }

    #[test]
    fn an_endpoint_stays_within_its_attribute() {
        assert_eq!(attribute("/a-b/c.d_~9"), "/a-b/c.d_~9");
        assert_eq!(
            attribute("\"><script>{{nonce}} é"),
            "&#34;&#62;&#60;script&#62;&#123;&#123;nonce&#125;&#125;&#32;&#233;"
        );
        let hostile = html("NONCE", "/\"></main><script>{{script}}{{nonce}}");
        assert_eq!(hostile.matches("NONCE").count(), 2);
        assert_eq!(hostile.matches("<script").count(), 1);
    }

    #[test]
    fn every_family_of_the_script_and_every_outcome_exists() {
        let script = PARTS.concat() + PAGE;
        let name = Regex::new(r"\b(aurora|process)_[a-z_]+\b").expect("a pattern");
        for found in name.find_iter(&script) {
            let family = found.as_str().trim_end_matches("_bucket");
            assert!(FAMILIES.iter().any(|known| known.name == family), "{family}");
        }
        for outcome in CallOutcome::WORDS {
            assert!(script.contains(&format!(" {outcome}: '")), "{outcome} has no meaning");
        }
    }

    #[test]
    fn comments_are_dropped_and_nothing_else_is() {
        let script =
            "// A.\n/** B\n * @param {x} y\n */\nlet a = (/** @type {any} */ b) / 2;\n\n  // C.\n  a * b;\n";
        assert_eq!(without_comments(script), "let a = (b) / 2;\n  a * b;");
    }

    #[test]
    fn text_never_becomes_markup() {
        let script = PARTS.concat();
        for forbidden in [
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "document.write",
            "eval(",
            "Function(",
            "localStorage",
            "sessionStorage",
            "document.cookie",
            "indexedDB",
        ] {
            assert!(!script.contains(forbidden), "{forbidden}");
        }
    }
}
