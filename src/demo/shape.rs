//! Completions in the forms of OpenAI's API and of Anthropic's messages: as one object, and as the events of a stream.

use serde_json::{Value, json};

use super::completion::Completion;

/// Facts that every object of one completion repeats.
#[derive(Debug, Clone)]
pub(crate) struct Head {
    /// 32 hexadecimal digits, to which each object adds its prefix.
    pub(crate) id: String,
    /// Seconds since 1970.
    pub(crate) created: u64,
    /// The requested model.
    pub(crate) model: String,
    /// True if the last event of a chat or completion stream carries the usage.
    pub(crate) include_usage: bool,
}

/// Endpoints that respond with text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TextEndpoint {
    /// `/v1/chat/completions`
    Chat,
    /// `/v1/completions`
    Completions,
    /// `/v1/responses`
    Responses,
    /// `/v1/messages`
    Messages,
}

impl TextEndpoint {
    /// The member of the request that holds the prompt.
    pub(crate) const fn prompt(self) -> &'static str {
        match self {
            Self::Chat | Self::Messages => "messages",
            Self::Completions => "prompt",
            Self::Responses => "input",
        }
    }

    /// Members of the request that limit the completion, the first given counts.
    pub(crate) const fn limits(self) -> &'static [&'static str] {
        match self {
            Self::Chat => &["max_completion_tokens", "max_tokens"],
            Self::Completions | Self::Messages => &["max_tokens"],
            Self::Responses => &["max_output_tokens"],
        }
    }

    /// The whole completion as one object.
    pub(crate) fn whole(self, head: &Head, completion: &Completion) -> Value {
        match self {
            Self::Chat => json!({
                "id": format!("chatcmpl-{}", head.id), "object": "chat.completion",
                "created": head.created, "model": head.model,
                "choices": [{
                    "index": 0,
                    "message": {"role": "assistant", "content": completion.text(), "refusal": null},
                    "logprobs": null,
                    "finish_reason": finish_reason(completion),
                }],
                "usage": usage(completion),
            }),
            Self::Completions => json!({
                "id": format!("cmpl-{}", head.id), "object": "text_completion",
                "created": head.created, "model": head.model,
                "choices": [{
                    "index": 0, "text": completion.text(), "logprobs": null, "finish_reason": finish_reason(completion),
                }],
                "usage": usage(completion),
            }),
            Self::Responses => response_object(head, Some(completion)),
            Self::Messages => {
                let content = json!([{"type": "text", "text": completion.text()}]);
                let usage = json!({"input_tokens": completion.input_tokens, "output_tokens": completion.output_tokens()});
                message_object(head, &content, &json!(stop_reason(completion)), &usage)
            }
        }
    }

    /// The completion as server-sent events, in order, each with its empty line.
    pub(crate) fn events(self, head: &Head, completion: &Completion) -> Vec<String> {
        match self {
            Self::Chat | Self::Completions => self.chunks(head, completion),
            Self::Responses => response_events(head, completion),
            Self::Messages => message_events(head, completion),
        }
    }

    fn chunks(self, head: &Head, completion: &Completion) -> Vec<String> {
        let mut choices = Vec::new();
        let end = finish_reason(completion);
        if self == Self::Chat {
            let start = json!({"role": "assistant", "content": ""});
            choices.push(json!({"index": 0, "delta": start, "finish_reason": null}));
            for token in &completion.tokens {
                choices.push(json!({"index": 0, "delta": {"content": token}, "finish_reason": null}));
            }
            choices.push(json!({"index": 0, "delta": {}, "finish_reason": end}));
        } else {
            for token in &completion.tokens {
                choices.push(json!({"index": 0, "text": token, "logprobs": null, "finish_reason": null}));
            }
            choices.push(json!({"index": 0, "text": "", "logprobs": null, "finish_reason": end}));
        }
        let mut events = Vec::new();
        for choice in choices {
            events.push(data(&self.chunk(head, &json!([choice]), &Value::Null)));
        }
        if head.include_usage {
            events.push(data(&self.chunk(head, &json!([]), &usage(completion))));
        }
        events.push("data: [DONE]\n\n".to_owned());
        events
    }

    fn chunk(self, head: &Head, choices: &Value, usage: &Value) -> Value {
        let (prefix, object) = match self {
            Self::Chat => ("chatcmpl", "chat.completion.chunk"),
            _ => ("cmpl", "text_completion"),
        };
        let mut chunk = json!({
            "id": format!("{prefix}-{}", head.id), "object": object,
            "created": head.created, "model": head.model, "choices": choices,
        });
        if head.include_usage {
            chunk["usage"] = usage.clone();
        }
        chunk
    }
}

fn data(value: &Value) -> String {
    format!("data: {value}\n\n")
}

fn finish_reason(completion: &Completion) -> &'static str {
    if completion.cut_short { "length" } else { "stop" }
}

fn usage(completion: &Completion) -> Value {
    let (input, output) = (completion.input_tokens, completion.output_tokens());
    json!({
        "prompt_tokens": input, "completion_tokens": output, "total_tokens": input + output,
        "prompt_tokens_details": {"cached_tokens": 0}, "completion_tokens_details": {"reasoning_tokens": 0},
    })
}

/// The object of the responses API: without a completion as it is created, with one as it ends.
fn response_object(head: &Head, completion: Option<&Completion>) -> Value {
    let status = match completion {
        None => "in_progress",
        Some(completion) if completion.cut_short => "incomplete",
        Some(_) => "completed",
    };
    let output: Vec<Value> = match completion {
        None => Vec::new(),
        Some(completion) => vec![message(head, status, Some(completion))],
    };
    let incomplete_details = match status {
        "incomplete" => json!({"reason": "max_output_tokens"}),
        _ => Value::Null,
    };
    json!({
        "id": format!("resp_{}", head.id), "object": "response", "created_at": head.created, "status": status,
        "model": head.model, "error": null, "instructions": null, "metadata": {},
        "incomplete_details": incomplete_details, "output": output,
        "parallel_tool_calls": true, "temperature": 1.0, "tool_choice": "auto", "tools": [], "top_p": 1.0,
        "usage": completion.map(response_usage),
    })
}

fn response_usage(completion: &Completion) -> Value {
    let (input, output) = (completion.input_tokens, completion.output_tokens());
    json!({
        "input_tokens": input, "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": output, "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": input + output,
    })
}

fn message(head: &Head, status: &str, completion: Option<&Completion>) -> Value {
    let content: Vec<Value> = match completion {
        None => Vec::new(),
        Some(completion) => vec![part(&completion.text())],
    };
    json!({
        "id": format!("msg_{}", head.id), "type": "message", "role": "assistant", "status": status,
        "content": content,
    })
}

fn part(text: &str) -> Value {
    json!({"type": "output_text", "text": text, "annotations": []})
}

fn response_events(head: &Head, completion: &Completion) -> Vec<String> {
    let end = if completion.cut_short { "incomplete" } else { "completed" };
    let mut events = vec![
        json!({"type": "response.created", "response": response_object(head, None)}),
        json!({"type": "response.in_progress", "response": response_object(head, None)}),
        json!({"type": "response.output_item.added", "output_index": 0, "item": message(head, "in_progress", None)}),
        part_event(head, "content_part.added", "part", &part("")),
    ];
    for token in &completion.tokens {
        events.push(part_event(head, "output_text.delta", "delta", &json!(token)));
    }
    events.extend([
        part_event(head, "output_text.done", "text", &json!(completion.text())),
        part_event(head, "content_part.done", "part", &part(&completion.text())),
        json!({"type": "response.output_item.done", "output_index": 0, "item": message(head, end, Some(completion))}),
        json!({"type": format!("response.{end}"), "response": response_object(head, Some(completion))}),
    ]);
    for (number, event) in events.iter_mut().enumerate() {
        event["sequence_number"] = json!(number);
    }
    events.iter().map(named).collect()
}

/// An event about the only part of the only item.
fn part_event(head: &Head, kind: &str, member: &str, value: &Value) -> Value {
    json!({
        "type": format!("response.{kind}"), "item_id": format!("msg_{}", head.id),
        "output_index": 0, "content_index": 0, member: value,
    })
}

/// An event that is named like its type.
fn named(event: &Value) -> String {
    format!("event: {}\ndata: {event}\n\n", event["type"].as_str().unwrap_or_default())
}

/// The object of Anthropic's messages, `content` and `stop_reason` as far as they are known.
fn message_object(head: &Head, content: &Value, stop_reason: &Value, usage: &Value) -> Value {
    json!({
        "id": format!("msg_{}", head.id), "type": "message", "role": "assistant", "model": head.model,
        "content": content, "stop_reason": stop_reason, "stop_sequence": null, "usage": usage,
    })
}

fn stop_reason(completion: &Completion) -> &'static str {
    if completion.cut_short { "max_tokens" } else { "end_turn" }
}

fn message_events(head: &Head, completion: &Completion) -> Vec<String> {
    let begun = json!({"input_tokens": completion.input_tokens, "output_tokens": 1});
    let start = message_object(head, &json!([]), &Value::Null, &begun);
    let mut events = vec![
        json!({"type": "message_start", "message": start}),
        json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}),
    ];
    for token in &completion.tokens {
        let delta = json!({"type": "text_delta", "text": token});
        events.push(json!({"type": "content_block_delta", "index": 0, "delta": delta}));
    }
    events.extend([
        json!({"type": "content_block_stop", "index": 0}),
        json!({
            "type": "message_delta", "delta": {"stop_reason": stop_reason(completion), "stop_sequence": null},
            "usage": {"output_tokens": completion.output_tokens()},
        }),
        json!({"type": "message_stop"}),
    ]);
    events.iter().map(named).collect()
}
