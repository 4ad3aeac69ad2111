//! The endpoint table: one row for every operation of the API that goes to a provider. Routes, labels, request and
//! response handling and the documentation are made from it.

use super::stream_format::StreamFormat;
use super::usage::Declaration;
use super::{closed_set, paths};

/// Handling of an endpoint.
#[derive(Debug)]
struct Row {
    /// Methods of its own path, as an `Allow` header lists them; empty where that path is no route.
    methods: &'static str,
    /// Paths below its own that count as the same endpoint.
    below: &'static [Path],
    body: Body,
    /// Content of a 2xx response.
    content: Content,
    stream: StreamFormat,
    usage: Usage,
    /// Streams declare their usage only with `stream_options.include_usage`, which Aurora adds.
    injects_usage: bool,
    /// The operation is one of a deployment where the provider has those (Azure).
    of_deployment: bool,
    /// Anthropic has the operation in its copy of OpenAI's API, which takes a bearer key.
    bearer_at_anthropic: bool,
}

/// A path of an endpoint.
#[derive(Debug, Clone, Copy)]
pub struct Path {
    /// Below the provider's base URL; `{…}` stands for one segment.
    pub path: &'static str,
    /// Methods, as an `Allow` header lists them.
    pub methods: &'static str,
    /// Content of a 2xx response.
    pub content: Content,
}

/// Kind of request body, and with it the choice of the provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Body {
    /// JSON that names the model.
    Json,
    /// A form (multipart/form-data) that names the model.
    Form,
    /// Either of them, by its content type.
    FormOrJson,
    /// Any bytes, or none, passed as they are: the `provider` query parameter chooses, or there is only one.
    AsIs,
}

/// Content that a 2xx response may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// JSON or a stream of events.
    Json,
    /// The same, or nothing.
    JsonOrNothing,
    /// Bytes or text, but no page.
    NoPage,
    /// Anything, or nothing.
    Any,
}

impl Content {
    /// Returns true if it need not be JSON.
    #[must_use]
    pub const fn is_free(self) -> bool {
        matches!(self, Self::NoPage | Self::Any)
    }
}

/// Usage that a response declares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Usage {
    /// A response declares its tokens; one that does not counts as missing.
    Expected,
    /// A response may declare the tokens that it used.
    Possible,
    /// None, or that of a response that was counted before.
    Nothing,
}

/// A call that names its model in a JSON body.
const MODEL_CALL: Row = Row {
    methods: "POST",
    below: &[],
    body: Body::Json,
    content: Content::Json,
    stream: StreamFormat::Plain,
    usage: Usage::Possible,
    injects_usage: false,
    of_deployment: false,
    bearer_at_anthropic: false,
};

/// A call about what a provider keeps.
const STORED: Row = Row { body: Body::AsIs, usage: Usage::Nothing, ..MODEL_CALL };

const fn json(path: &'static str, methods: &'static str) -> Path {
    Path { path, methods, content: Content::Json }
}

const fn download(path: &'static str) -> Path {
    Path { path, methods: "GET", content: Content::Any }
}

macro_rules! endpoints {
    ($($(#[$doc:meta])* $name:ident = $path:literal { $($row:tt)* })+) => {
        closed_set! {
            /// An operation of a provider; operations below an id count with it.
            Endpoint { $($(#[$doc])* $name = $path),+ }
        }

        static ROWS: [Row; Endpoint::COUNT] = [$(Row { $($row)* }),+];
    };
}

endpoints! {
    /// Chat completions.
    ChatCompletions = "/chat/completions" {
        stream: StreamFormat::Chat, usage: Usage::Expected, injects_usage: true, of_deployment: true,
        bearer_at_anthropic: true, ..MODEL_CALL
    }
    /// Text completions.
    Completions = "/completions" {
        stream: StreamFormat::Chat, usage: Usage::Expected, injects_usage: true, of_deployment: true, ..MODEL_CALL
    }
    /// Responses.
    Responses = "/responses" { stream: StreamFormat::Responses, usage: Usage::Expected, ..MODEL_CALL }
    /// One stored response: its state, its items, its cancellation.
    Response = "/responses/{id}" {
        methods: "GET,DELETE",
        below: &[json("/responses/{id}/cancel", "POST"), json("/responses/{id}/input_items", "GET")],
        stream: StreamFormat::Responses, ..STORED
    }
    /// Tokens a response would take in.
    InputTokens = "/responses/input_tokens" { usage: Usage::Nothing, ..MODEL_CALL }
    /// A shorter form of a conversation.
    Compact = "/responses/compact" { usage: Usage::Expected, ..MODEL_CALL }
    /// Conversations.
    Conversations = "/conversations" { ..STORED }
    /// One conversation and its items.
    Conversation = "/conversations/{id}" {
        methods: "GET,POST,DELETE",
        below: &[
            json("/conversations/{id}/items", "GET,POST"),
            json("/conversations/{id}/items/{item_id}", "GET,DELETE"),
        ],
        ..STORED
    }
    /// Embeddings.
    Embeddings = "/embeddings" { usage: Usage::Expected, of_deployment: true, ..MODEL_CALL }
    /// Reranking.
    Rerank = "/rerank" { ..MODEL_CALL }
    /// Messages, in Anthropic's format.
    Messages = "/messages" { stream: StreamFormat::Messages, usage: Usage::Expected, ..MODEL_CALL }
    /// Tokens a message would have.
    CountTokens = "/messages/count_tokens" { usage: Usage::Nothing, ..MODEL_CALL }
    /// Batches of messages.
    MessageBatches = "/messages/batches" { methods: "GET,POST", ..STORED }
    /// One batch of messages, its cancellation and its results.
    MessageBatch = "/messages/batches/{id}" {
        methods: "GET,DELETE",
        below: &[json("/messages/batches/{id}/cancel", "POST"), download("/messages/batches/{id}/results")],
        ..STORED
    }
    /// Moderations.
    Moderations = "/moderations" { ..MODEL_CALL }
    /// Images from text.
    ImageGenerations = "/images/generations" { of_deployment: true, ..MODEL_CALL }
    /// Images from images and text.
    ImageEdits = "/images/edits" { body: Body::FormOrJson, of_deployment: true, ..MODEL_CALL }
    /// Variations of an image.
    ImageVariations = "/images/variations" { body: Body::Form, ..MODEL_CALL }
    /// Speech from text.
    Speech = "/audio/speech" { content: Content::NoPage, of_deployment: true, ..MODEL_CALL }
    /// Text from speech.
    Transcriptions = "/audio/transcriptions" {
        body: Body::Form, content: Content::NoPage, of_deployment: true, ..MODEL_CALL
    }
    /// English text from speech.
    Translations = "/audio/translations" {
        body: Body::Form, content: Content::NoPage, of_deployment: true, ..MODEL_CALL
    }
    /// Uploaded files.
    Files = "/files" { methods: "GET,POST", ..STORED }
    /// One file and its content.
    File = "/files/{id}" { methods: "GET,DELETE", below: &[download("/files/{id}/content")], ..STORED }
    /// Uploads of files in parts.
    Uploads = "/uploads" { ..STORED }
    /// One upload: its parts, its completion, its cancellation.
    Upload = "/uploads/{id}" {
        methods: "",
        below: &[
            json("/uploads/{id}/parts", "POST"),
            json("/uploads/{id}/complete", "POST"),
            json("/uploads/{id}/cancel", "POST"),
        ],
        ..STORED
    }
    /// Vector stores.
    VectorStores = "/vector_stores" { methods: "GET,POST", ..STORED }
    /// One vector store, its files and a search in it.
    VectorStore = "/vector_stores/{id}" {
        methods: "GET,POST,DELETE",
        below: &[
            json("/vector_stores/{id}/search", "POST"),
            json("/vector_stores/{id}/files", "GET,POST"),
            json("/vector_stores/{id}/files/{file_id}", "GET,POST,DELETE"),
            json("/vector_stores/{id}/files/{file_id}/content", "GET"),
            json("/vector_stores/{id}/file_batches", "POST"),
            json("/vector_stores/{id}/file_batches/{batch_id}", "GET"),
            json("/vector_stores/{id}/file_batches/{batch_id}/cancel", "POST"),
            json("/vector_stores/{id}/file_batches/{batch_id}/files", "GET"),
        ],
        ..STORED
    }
    /// Batches.
    Batches = "/batches" { methods: "GET,POST", ..STORED }
    /// One batch and its cancellation.
    Batch = "/batches/{id}" { methods: "GET", below: &[json("/batches/{id}/cancel", "POST")], ..STORED }
    /// The provider's own list of models.
    Models = "/models" { methods: "", ..STORED }
    /// Anything else that a provider has.
    Other = "other" { methods: "", ..STORED }
}

impl Endpoint {
    const fn row(self) -> &'static Row {
        &ROWS[self as usize]
    }

    /// Its routed paths, the shortest first; none where only a passthrough leads to it.
    pub fn paths(self) -> impl Iterator<Item = Path> {
        let Row { methods, below, content, .. } = self.row();
        let own = Path { path: self.as_str(), methods, content: *content };
        let own = (!methods.is_empty()).then_some(own);
        own.into_iter().chain(below.iter().copied())
    }

    /// Returns true if it has an address of its own: a known path without an id.
    #[must_use]
    pub fn is_fixed(self) -> bool {
        self != Self::Other && !self.as_str().contains('{')
    }

    /// Kind of its request bodies.
    #[must_use]
    pub const fn body(self) -> Body {
        self.row().body
    }

    /// Content of its 2xx responses.
    #[must_use]
    pub const fn content(self) -> Content {
        self.row().content
    }

    /// Format of its streams, and of the error event in them.
    #[must_use]
    pub const fn stream_format(self) -> StreamFormat {
        self.row().stream
    }

    /// Place in its responses that declares new tokens.
    #[must_use]
    pub(crate) const fn declaration(self) -> Declaration {
        match self.row().usage {
            Usage::Expected | Usage::Possible => Declaration::Usage,
            Usage::Nothing => Declaration::Nothing,
        }
    }

    /// Usage that its responses declare, in a word.
    #[must_use]
    pub const fn usage_word(self) -> &'static str {
        match self.row().usage {
            Usage::Expected => "declared",
            Usage::Possible => "optional",
            Usage::Nothing => "none",
        }
    }

    /// Returns true if its responses declare the tokens they used, so that one without them counts as missing.
    #[must_use]
    pub const fn bears_tokens(self) -> bool {
        matches!(self.row().usage, Usage::Expected)
    }

    /// Returns true if its streams declare their usage only on request.
    #[must_use]
    pub const fn injects_usage(self) -> bool {
        self.row().injects_usage
    }

    /// Returns true if it is an operation of a deployment, where models are deployments.
    #[must_use]
    pub const fn is_of_deployment(self) -> bool {
        self.row().of_deployment
    }

    /// Returns true if Anthropic takes a bearer key for it.
    #[must_use]
    pub const fn is_bearer_at_anthropic(self) -> bool {
        self.row().bearer_at_anthropic
    }

    /// Model and endpoint of a path below Azure's `/deployments/`; a model may hold slashes.
    #[must_use]
    pub fn of_deployment_path(path: &str) -> Option<(&str, Self)> {
        let mut shortest: Option<(&str, Self)> = None;
        for endpoint in Self::ALL {
            if endpoint.is_of_deployment()
                && let Some(model) = path.strip_suffix(endpoint.as_str())
                && shortest.is_none_or(|(other, _)| model.len() < other.len())
            {
                shortest = Some((model, *endpoint));
            }
        }
        let (model, endpoint) = shortest?;
        (!model.is_empty()).then_some((model, endpoint))
    }

    /// The endpoint of a path below a provider's base URL. Below an id any path counts with it.
    #[must_use]
    pub fn of_path(method: &str, path: &str) -> Self {
        for endpoint in Self::ALL {
            if method == "POST" && endpoint.body() != Body::AsIs && endpoint.as_str() == path {
                return *endpoint;
            }
        }
        let kept = Self::ALL.iter().filter(|endpoint| endpoint.body() == Body::AsIs && endpoint.keeps(path));
        kept.max_by_key(|endpoint| endpoint.as_str().len()).copied().unwrap_or(Self::Other)
    }

    /// Returns true if a path is its own or, where that ends in an id, below it. All paths of models are those of the
    /// list.
    fn keeps(self, path: &str) -> bool {
        if self == Self::Models {
            return paths::is_below(path, self.as_str());
        }
        match self.as_str().strip_suffix("{id}") {
            Some(parent) => path.starts_with(parent),
            None => self.as_str() == path,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_counts_as_its_endpoint() {
        for (method, path, expected) in [
            ("POST", "/chat/completions", Endpoint::ChatCompletions),
            ("GET", "/chat/completions", Endpoint::Other),
            ("POST", "/chat/completions/c", Endpoint::Other),
            ("POST", "/responses", Endpoint::Responses),
            ("GET", "/responses", Endpoint::Other),
            ("GET", "/responses/r/x/y", Endpoint::Response),
            ("POST", "/messages/count_tokens", Endpoint::CountTokens),
            ("POST", "/messages/batches", Endpoint::MessageBatches),
            ("GET", "/messages/batches/b/results", Endpoint::MessageBatch),
            ("POST", "/responses/compact", Endpoint::Compact),
            ("GET", "/files", Endpoint::Files),
            ("POST", "/files/", Endpoint::File),
            ("GET", "/files/f/content", Endpoint::File),
            ("GET", "/filesystem", Endpoint::Other),
            ("POST", "/batches/b/cancel", Endpoint::Batch),
            ("GET", "/models", Endpoint::Models),
            ("DELETE", "/models/m", Endpoint::Models),
            ("POST", "other", Endpoint::Other),
            ("POST", "/files/{id}", Endpoint::File),
        ] {
            assert_eq!(Endpoint::of_path(method, path), expected, "{method} {path}");
        }
    }

    #[test]
    fn a_deployment_path_names_the_model_before_the_endpoint() {
        let of = Endpoint::of_deployment_path;
        assert_eq!(of("m/chat/completions"), Some(("m", Endpoint::ChatCompletions)));
        assert_eq!(of("up/m/completions"), Some(("up/m", Endpoint::Completions)));
        assert_eq!(of("m/images/edits"), Some(("m", Endpoint::ImageEdits)));
        for path in ["", "m", "/chat/completions", "m/responses", "m/files", "m/chat/completions/x"] {
            assert_eq!(of(path), None, "{path}");
        }
    }

    #[test]
    fn paths_begin_with_the_name_of_their_endpoint() {
        let mut all = Vec::new();
        for endpoint in Endpoint::ALL {
            for Path { path, methods, .. } in endpoint.paths() {
                assert!(path.starts_with(endpoint.as_str()) && !methods.is_empty(), "{path}");
                let own = methods.split(',').next().unwrap_or_default();
                assert_eq!(Endpoint::of_path(own, path), *endpoint, "{path}");
                all.push(path);
            }
        }
        let count = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), count, "a path has two endpoints");
    }
}
