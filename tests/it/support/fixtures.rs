//! Constants that many tests share: keys, responses, stream events, errors.

/// Master key of every locked instance.
pub(crate) const MASTER_KEY: &str = "canary-master-key-0123456789abcdef";

/// Master key after a rotation.
pub(crate) const NEXT_KEY: &str = "canary-next-key-0123456789abcdef";

/// Key that opens metrics only.
pub(crate) const METRICS_TOKEN: &str = "canary-metrics-token-0123456789";

/// Key of the scripted provider.
pub(crate) const PROVIDER_KEY: &str = "canary-provider-key-0123456789";

/// Header line of a JSON body.
pub(crate) const JSON: &str = "content-type: application/json\r\n";

/// Smallest response to a chat.
pub(crate) const OK: &str = r#"{"choices":[]}"#;

/// Response to a chat, with three input and two output tokens.
pub(crate) const CHAT_RESPONSE: &str =
    r#"{"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5}}"#;

/// First event of a streamed chat.
pub(crate) const ROLE: &str = "data: {\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"},\"finish_reason\":null}]}\n\n";

/// Event with the first token.
pub(crate) const HELLO: &str =
    "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hello\"},\"finish_reason\":null}]}\n\n";

/// Event after the last token.
pub(crate) const STOP: &str =
    "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";

/// Usage of four input and two output tokens.
pub(crate) const USAGE: &str =
    "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":4,\"completion_tokens\":2,\"total_tokens\":6}}\n\n";

/// Usage of seven input and five output tokens.
pub(crate) const LARGER_USAGE: &str =
    "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":5,\"total_tokens\":12}}\n\n";

/// Event after the last token that holds the usage, three input and two output tokens.
pub(crate) const STOP_WITH_USAGE: &str = "data: {\"choices\":[{\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":2}}\n\n";

/// End of a stream.
pub(crate) const DONE: &str = "data: [DONE]\n\n";

/// Body of an error that is worth a retry.
pub(crate) const BUSY: &str = r#"{"error":{"message":"busy"}}"#;

/// Body of the 404 of an unknown route.
pub(crate) const NO_ROUTE: &str = r#"{"error":{"message":"There is no such route.","type":"invalid_request_error","param":null,"code":"unknown_route"}}"#;

/// A 4xx about the request.
pub(crate) fn refusal(message: &str, param: &str, code: &str) -> String {
    let param = if param.is_empty() { "null".to_owned() } else { format!("\"{param}\"") };
    format!(
        r#"{{"error":{{"message":"{message}","type":"invalid_request_error","param":{param},"code":"{code}"}}}}"#
    )
}
