//! Paths below `/p/{provider}` of a Gemini provider. It has two APIs: its own at the root, as
//! `/v1beta/models/{model}:generateContent`, and OpenAI's, at `/v1beta/openai` or as at any other provider.

use http::Method;

use super::passthrough::endpoint_of;
use crate::providers::Upstream;

/// The call of a model by Gemini's own API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ModelCall<'a> {
    pub(crate) model: &'a str,
    /// True if the response is a stream: of events with `alt=sse`, otherwise a JSON array.
    pub(crate) stream: bool,
}

/// The path below the base URL of OpenAI's API; `None` where it is one of Gemini's own.
pub(crate) fn compatible<'a>(upstream: &Upstream, method: &Method, path: &'a str) -> Option<&'a str> {
    let mut segments = path.split('/').skip(1);
    let (first, second) = (segments.next().unwrap_or_default(), segments.next().unwrap_or_default());
    if is_version(first) && second == "openai" {
        return Some(&path["//openai".len() + first.len()..]);
    }
    if let Some(below) = path.strip_prefix("/v1")
        && below.starts_with('/')
        && upstream.supports(endpoint_of(method, below))
    {
        return Some(below);
    }
    // Uploads have their version behind `/upload`.
    (!is_version(first) && !is_version(second)).then_some(path)
}

/// `v1`, `v1beta`, `v1alpha`.
fn is_version(segment: &str) -> bool {
    matches!(segment.as_bytes(), [b'v', b'0'..=b'9', ..])
}

/// The model and the method of one of Gemini's own paths, where it calls a model.
pub(crate) fn model_call<'a>(method: &Method, path: &'a str) -> Option<ModelCall<'a>> {
    let (parent, last) = path.rsplit_once('/')?;
    let (model, call) = last.split_once(':')?;
    let is_below_models = parent.ends_with("/models") || parent.ends_with("/tunedModels");
    let is_call = method == Method::POST && is_below_models && !model.is_empty();
    is_call.then_some(ModelCall { model, stream: call == "streamGenerateContent" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_native_call_names_its_model_before_the_method() {
        fn call(path: &str) -> Option<(&str, bool)> {
            let call = model_call(&Method::POST, path)?;
            Some((call.model, call.stream))
        }
        assert_eq!(call("/v1beta/models/gemini-x:generateContent"), Some(("gemini-x", false)));
        assert_eq!(call("/v1/models/gemini-x:streamGenerateContent"), Some(("gemini-x", true)));
        assert_eq!(call("/v1beta/tunedModels/mine:generateContent"), Some(("mine", false)));
        for path in
            ["/v1beta/models/gemini-x", "/v1beta/models/:x", "/v1beta/cachedContents", "/v1beta/files/a:b"]
        {
            assert_eq!(call(path), None, "{path}");
        }
        assert_eq!(model_call(&Method::GET, "/v1beta/models/a:b"), None);
    }
}
