//! The routes of the demo upstream.

use std::io;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, Path};
use axum::http::{HeaderValue, Method, Uri, header};
use axum::response::Response;
use axum::routing::{get, post};
use base64::Engine as _;
use futures_util::{StreamExt as _, stream};
use serde_json::{Map, Value, json};

use super::completion::{self, Completion};
use super::fault::{Refusal, SLOWNESS};
use super::shape::{Head, TextEndpoint};

/// Between two words of demo-chat: about as fast as one reads.
const PACE: Duration = Duration::from_millis(50);

/// Between two pieces of demo-cut, so that the first ones are on their way when it breaks.
const CUT_PACE: Duration = Duration::from_millis(10);

/// Length of an embedding without `dimensions`, and the limit of `dimensions`.
const DIMENSIONS: (usize, usize) = (256, 3072);

type Request = Map<String, Value>;

/// Every route of the demo.
pub(crate) fn router() -> Router {
    Router::new()
        .route("/v1/models", get(models))
        .route("/v1/models/{id}", get(one_model))
        .route("/v1/chat/completions", post(chat))
        .route("/v1/completions", post(completions))
        .route("/v1/responses", post(responses))
        .route("/v1/messages", post(messages))
        .route("/v1/messages/count_tokens", post(count_tokens))
        .route("/v1/embeddings", post(embeddings))
        .route("/v1/rerank", post(rerank))
        .fallback(unknown_route)
        .layer(DefaultBodyLimit::disable())
}

async fn unknown_route(method: Method, uri: Uri) -> Refusal {
    Refusal::unknown_route(method.as_str(), uri.path())
}

async fn models() -> Response {
    let models: Vec<Value> = super::MODELS.iter().copied().map(model).collect();
    json_response(&json!({"object": "list", "data": models}))
}

fn model(id: &str) -> Value {
    json!({"id": id, "object": "model", "created": 1_767_225_600, "owned_by": "aurora"})
}

async fn one_model(Path(id): Path<String>) -> Result<Response, Refusal> {
    Ok(json_response(&model(known(&id)?)))
}

fn known(id: &str) -> Result<&'static str, Refusal> {
    match super::MODELS.iter().find(|known| **known == id) {
        Some(known) => Ok(known),
        None => Err(Refusal::unknown_model(id)),
    }
}

async fn chat(body: Bytes) -> Result<Response, Refusal> {
    text(TextEndpoint::Chat, &body).await
}

async fn completions(body: Bytes) -> Result<Response, Refusal> {
    text(TextEndpoint::Completions, &body).await
}

async fn responses(body: Bytes) -> Result<Response, Refusal> {
    text(TextEndpoint::Responses, &body).await
}

async fn messages(body: Bytes) -> Result<Response, Refusal> {
    text(TextEndpoint::Messages, &body).await
}

/// The request and its model, unless that one is unknown or fails at once.
async fn admitted(body: &[u8]) -> Result<(Request, &'static str), Refusal> {
    let request: Request = serde_json::from_slice(body)
        .map_err(|error| Refusal::invalid(None, format!("The body is not a JSON object: {error}.")))?;
    let Some(name) = request.get("model").and_then(Value::as_str) else {
        return Err(Refusal::invalid(Some("model"), "you must provide a model parameter"));
    };
    let model = known(name)?;
    if model == "demo-slow" {
        tokio::time::sleep(SLOWNESS).await;
    }
    match Refusal::of_model(model) {
        Some(refusal) => Err(refusal),
        None => Ok((request, model)),
    }
}

async fn text(kind: TextEndpoint, body: &[u8]) -> Result<Response, Refusal> {
    let (request, model) = admitted(body).await?;
    if model == "demo-embed" {
        return Err(Refusal::invalid(Some("model"), "demo-embed makes embeddings; for text use demo-chat."));
    }
    let prompt = member(&request, kind.prompt())?;
    let limit = kind.limits().iter().find_map(|name| request.get(*name)?.as_u64());
    let completion = Completion::new(&completion::texts(prompt), limit);
    let head = head(model, wants_usage(&request));
    if request.get("stream") == Some(&Value::Bool(true)) {
        return Ok(events_response(model, kind.events(&head, &completion)));
    }
    let whole = kind.whole(&head, &completion);
    Ok(if model == "demo-cut" { cut_response(&whole) } else { json_response(&whole) })
}

fn wants_usage(request: &Request) -> bool {
    request.get("stream_options").is_some_and(|options| options["include_usage"] == Value::Bool(true))
}

fn head(model: &str, include_usage: bool) -> Head {
    let created = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    Head { id: uuid::Uuid::now_v7().simple().to_string(), created, model: model.to_owned(), include_usage }
}

async fn embeddings(body: Bytes) -> Result<Response, Refusal> {
    let (request, model) = admitted(&body).await?;
    if matches!(model, "demo-chat" | "demo-fast") {
        return Err(Refusal::invalid(
            Some("model"),
            format!("{model} makes text; for embeddings use demo-embed."),
        ));
    }
    let input = member(&request, "input")?;
    let texts = completion::texts(input);
    let dimensions = match request.get("dimensions").and_then(Value::as_u64) {
        Some(size) => usize::try_from(size).unwrap_or(DIMENSIONS.1).clamp(1, DIMENSIONS.1),
        None => DIMENSIONS.0,
    };
    let packed = request.get("encoding_format").and_then(Value::as_str) == Some("base64");
    let mut rows = Vec::new();
    for (index, text) in texts.iter().enumerate() {
        let vector = completion::embedding(text, dimensions);
        let vector = if packed { base64(&vector) } else { json!(vector) };
        rows.push(json!({"object": "embedding", "index": index, "embedding": vector}));
    }
    let tokens = completion::count(&texts);
    let whole = json!({
        "object": "list", "data": rows, "model": model,
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
    });
    Ok(if model == "demo-cut" { cut_response(&whole) } else { json_response(&whole) })
}

/// The documents in the order of their likeness to the query, by the words they share.
async fn rerank(body: Bytes) -> Result<Response, Refusal> {
    let (request, model) = admitted(&body).await?;
    let query = completion::texts(member(&request, "query")?).join(" ");
    let documents = completion::texts(member(&request, "documents")?);
    let query_vector = completion::embedding(&query, DIMENSIONS.0);
    let mut scores = Vec::new();
    for (index, document) in documents.iter().enumerate() {
        let vector = completion::embedding(document, DIMENSIONS.0);
        scores.push((index, likeness(&query_vector, &vector)));
    }
    scores.sort_by(|one, other| other.1.total_cmp(&one.1));
    if let Some(most) = request.get("top_n").and_then(Value::as_u64) {
        scores.truncate(usize::try_from(most).unwrap_or(usize::MAX));
    }
    let mut results = Vec::new();
    for (index, score) in scores {
        results.push(json!({"index": index, "relevance_score": score}));
    }
    let tokens = completion::count(&documents) + completion::count(&[query]);
    Ok(json_response(&json!({"model": model, "results": results, "usage": {"total_tokens": tokens}})))
}

/// Cosine of the angle between two unit vectors.
fn likeness(one: &[f32], other: &[f32]) -> f32 {
    one.iter().zip(other).map(|(one, other)| one * other).sum()
}

async fn count_tokens(body: Bytes) -> Result<Response, Refusal> {
    let (request, _) = admitted(&body).await?;
    let tokens = completion::count(&completion::texts(member(&request, "messages")?));
    Ok(json_response(&json!({"input_tokens": tokens})))
}

/// A member that a request must have.
fn member<'a>(request: &'a Request, name: &'static str) -> Result<&'a Value, Refusal> {
    match request.get(name) {
        Some(member) => Ok(member),
        None => Err(Refusal::invalid(Some(name), format!("Missing required parameter: '{name}'."))),
    }
}

fn base64(vector: &[f32]) -> Value {
    let bytes: Vec<u8> = vector.iter().copied().flat_map(f32::to_le_bytes).collect();
    Value::String(base64::engine::general_purpose::STANDARD.encode(bytes))
}

fn json_response(value: &Value) -> Response {
    typed("application/json", Body::from(value.to_string()))
}

/// Half of what its Content-Length declares, then the connection closes.
fn cut_response(value: &Value) -> Response {
    let mut text = value.to_string();
    let length = text.len();
    text.truncate((0..=length / 2).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0));
    let mut response = typed("application/json", paced(vec![text], CUT_PACE, true));
    response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    response
}

fn events_response(model: &str, mut events: Vec<String>) -> Response {
    let body = match model {
        "demo-chat" => paced(events, PACE, false),
        "demo-cut" => {
            events.truncate(events.len() / 2);
            paced(events, CUT_PACE, true)
        }
        _ => paced(events, Duration::ZERO, false),
    };
    typed("text/event-stream", body)
}

fn typed(content_type: &'static str, body: Body) -> Response {
    let mut response = Response::new(body);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// Sends piece by piece, `pace` apart; one that breaks fails at its end, which closes the connection.
fn paced(pieces: Vec<String>, pace: Duration, breaks: bool) -> Body {
    let mut steps: Vec<io::Result<Bytes>> = pieces.into_iter().map(Bytes::from).map(Ok).collect();
    if breaks {
        steps.push(Err(io::Error::other("demo-cut breaks here")));
    }
    Body::from_stream(stream::iter(steps).enumerate().then(move |(number, step)| async move {
        if number > 0 && !pace.is_zero() {
            tokio::time::sleep(pace).await;
        }
        step
    }))
}
