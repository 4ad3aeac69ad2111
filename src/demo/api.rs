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

/// Length of an embedding unless `dimensions` says otherwise, and at most.
const DIMENSIONS: (usize, usize) = (256, 3072);

type Request = Map<String, Value>;

/// Every route of the demo.
pub(crate) fn router() -> Router {
    Router::new()
        .route("/v1/models", get(async || json_response(&models())))
        .route("/v1/models/{id}", get(async |Path(id): Path<String>| finished(one_model(&id))))
        .route(
            "/v1/chat/completions",
            post(async |body: Bytes| finished(text(TextEndpoint::Chat, &body).await)),
        )
        .route(
            "/v1/completions",
            post(async |body: Bytes| finished(text(TextEndpoint::Completions, &body).await)),
        )
        .route(
            "/v1/responses",
            post(async |body: Bytes| finished(text(TextEndpoint::Responses, &body).await)),
        )
        .route("/v1/messages", post(async |body: Bytes| finished(text(TextEndpoint::Messages, &body).await)))
        .route("/v1/messages/count_tokens", post(async |body: Bytes| finished(count_tokens(&body).await)))
        .route("/v1/embeddings", post(async |body: Bytes| finished(embeddings(&body).await)))
        .route("/v1/rerank", post(async |body: Bytes| finished(rerank(&body).await)))
        .fallback(async |method: Method, uri: Uri| {
            Refusal::unknown_route(method.as_str(), uri.path()).response()
        })
        .layer(DefaultBodyLimit::disable())
}

fn finished(completion: Result<Response, Refusal>) -> Response {
    completion.unwrap_or_else(|refusal| refusal.response())
}

fn models() -> Value {
    json!({"object": "list", "data": super::MODELS.iter().map(|id| model(id)).collect::<Vec<_>>()})
}

fn model(id: &str) -> Value {
    json!({"id": id, "object": "model", "created": 1_767_225_600, "owned_by": "aurora"})
}

fn one_model(id: &str) -> Result<Response, Refusal> {
    let known = super::MODELS.iter().find(|known| **known == id).ok_or_else(|| Refusal::unknown_model(id))?;
    Ok(json_response(&model(known)))
}

/// The request and its model, unless that one is unknown or fails at once.
async fn admitted(body: &[u8]) -> Result<(Request, &'static str), Refusal> {
    let request: Request = serde_json::from_slice(body)
        .map_err(|error| Refusal::invalid(None, format!("The body is not a JSON object: {error}.")))?;
    let name = request.get("model").and_then(Value::as_str);
    let name = name.ok_or_else(|| Refusal::invalid(Some("model"), "you must provide a model parameter"))?;
    let known = super::MODELS.iter().find(|known| **known == name);
    let model = *known.ok_or_else(|| Refusal::unknown_model(name))?;
    if model == "demo-slow" {
        tokio::time::sleep(SLOWNESS).await;
    }
    Refusal::of_model(model).map_or(Ok((request, model)), Err)
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
    let created = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    Head { id: uuid::Uuid::now_v7().simple().to_string(), created, model: model.to_owned(), include_usage }
}

async fn embeddings(body: &[u8]) -> Result<Response, Refusal> {
    let (request, model) = admitted(body).await?;
    if matches!(model, "demo-chat" | "demo-fast") {
        return Err(Refusal::invalid(
            Some("model"),
            format!("{model} makes text; for embeddings use demo-embed."),
        ));
    }
    let input = member(&request, "input")?;
    let texts = completion::texts(input);
    let dimensions = request
        .get("dimensions")
        .and_then(Value::as_u64)
        .map_or(DIMENSIONS.0, |size| usize::try_from(size).unwrap_or(DIMENSIONS.1).clamp(1, DIMENSIONS.1));
    let packed = request.get("encoding_format").and_then(Value::as_str) == Some("base64");
    let rows = texts.iter().enumerate().map(|(index, text)| {
        let vector = completion::embedding(text, dimensions);
        json!({"object": "embedding", "index": index, "embedding": if packed { base64(&vector) } else { json!(vector) }})
    });
    let tokens = completion::count(&texts);
    let whole = json!({
        "object": "list", "data": rows.collect::<Vec<_>>(), "model": model,
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
    });
    Ok(if model == "demo-cut" { cut_response(&whole) } else { json_response(&whole) })
}

/// The documents in the order of their likeness to the query, by the words they share.
async fn rerank(body: &[u8]) -> Result<Response, Refusal> {
    let (request, model) = admitted(body).await?;
    let query = completion::texts(member(&request, "query")?).join(" ");
    let documents = completion::texts(member(&request, "documents")?);
    let query_vector = completion::embedding(&query, DIMENSIONS.0);
    let likeness = |text: &String| {
        let vector = completion::embedding(text, DIMENSIONS.0);
        query_vector.iter().zip(vector).map(|(one, other)| one * other).sum::<f32>()
    };
    let mut results: Vec<(usize, f32)> = documents.iter().map(likeness).enumerate().collect();
    results.sort_by(|one, other| other.1.total_cmp(&one.1));
    if let Some(most) = request.get("top_n").and_then(Value::as_u64) {
        results.truncate(usize::try_from(most).unwrap_or(usize::MAX));
    }
    let results = results.into_iter().map(|(index, score)| json!({"index": index, "relevance_score": score}));
    let tokens = completion::count(&documents) + completion::count(&[query]);
    let results: Vec<Value> = results.collect();
    Ok(json_response(&json!({"model": model, "results": results, "usage": {"total_tokens": tokens}})))
}

async fn count_tokens(body: &[u8]) -> Result<Response, Refusal> {
    let (request, _) = admitted(body).await?;
    let tokens = completion::count(&completion::texts(member(&request, "messages")?));
    Ok(json_response(&json!({"input_tokens": tokens})))
}

/// A member that a request must have.
fn member<'a>(request: &'a Request, name: &'static str) -> Result<&'a Value, Refusal> {
    let missing = || Refusal::invalid(Some(name), format!("Missing required parameter: '{name}'."));
    request.get(name).ok_or_else(missing)
}

fn base64(vector: &[f32]) -> Value {
    let bytes: Vec<u8> = vector.iter().flat_map(|component| component.to_le_bytes()).collect();
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
    let end = breaks.then(|| Err(io::Error::other("demo-cut breaks here")));
    let steps = pieces.into_iter().map(|piece| Ok(Bytes::from(piece))).chain(end).enumerate();
    Body::from_stream(stream::iter(steps).then(move |(number, step)| async move {
        if number > 0 && !pace.is_zero() {
            tokio::time::sleep(pace).await;
        }
        step
    }))
}
