//! Output of the demo models and its token counts.

use serde_json::Value;

/// Maximum number of words of the prompt that a completion repeats.
const ECHO: usize = 30;

/// A completion, and the two counts that a usage object is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Completion {
    /// The text in pieces, one token each; joined they are the completion.
    pub(crate) tokens: Vec<String>,
    /// Words of the whole prompt.
    pub(crate) input_tokens: usize,
    /// True if the client's limit ended it.
    pub(crate) cut_short: bool,
}

impl Completion {
    /// Completes the last of `texts`, in at most `limit` tokens.
    pub(crate) fn new(texts: &[String], limit: Option<u64>) -> Self {
        let prompt = texts.last().map_or("", String::as_str);
        let text = match prompt.split_whitespace().count() {
            0 => "Hello! You sent no words, and this is still counted: look at the metrics endpoint."
                .to_owned(),
            words => format!("Hello! You asked: \"{}\" {}", echo(prompt, words), REMARK),
        };
        let mut tokens = tokens(&text);
        let limit = limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX);
        let cut_short = tokens.len() > limit;
        tokens.truncate(limit);
        Self { tokens, input_tokens: count(texts), cut_short }
    }

    pub(crate) fn text(&self) -> String {
        self.tokens.concat()
    }

    pub(crate) fn output_tokens(&self) -> usize {
        self.tokens.len()
    }
}

const REMARK: &str = "I am a demo inside Aurora: every word of this answer is a token, \
                      and you find each of them on the metrics endpoint.";

fn echo(prompt: &str, words: usize) -> String {
    let first: Vec<&str> = prompt.split_whitespace().take(ECHO).collect();
    format!("{}{}", first.join(" "), if words > ECHO { " …" } else { "" })
}

/// Words with the white space before them.
fn tokens(text: &str) -> Vec<String> {
    let mut words = text.split(' ');
    let first = words.next().map(str::to_owned);
    first.into_iter().chain(words.map(|word| format!(" {word}"))).collect()
}

/// Words of all texts, which the demo counts as tokens.
pub(crate) fn count(texts: &[String]) -> usize {
    texts.iter().map(|text| text.split_whitespace().count()).sum()
}

/// The texts of a prompt, whatever shape the endpoint allows: a string, strings, token numbers, messages, messages
/// of parts.
pub(crate) fn texts(prompt: &Value) -> Vec<String> {
    match prompt {
        Value::String(text) => vec![text.clone()],
        Value::Array(items) if items.first().is_some_and(Value::is_number) => {
            vec![items.iter().flat_map(texts).collect::<Vec<_>>().join(" ")]
        }
        Value::Array(items) => items.iter().map(|item| texts(item).join(" ")).collect(),
        Value::Object(item) => {
            item.get("content").or_else(|| item.get("text")).map(texts).unwrap_or_default()
        }
        Value::Number(token) => vec![token.to_string()],
        Value::Null | Value::Bool(_) => Vec::new(),
    }
}

/// Unit vector in `dimensions` that depends only on the words.
pub(crate) fn embedding(text: &str, dimensions: usize) -> Vec<f32> {
    let mut vector = vec![0.0_f32; dimensions];
    for word in text.split_whitespace() {
        // FNV-1a of the word seeds a linear congruential generator.
        let mut state = 0xcbf2_9ce4_8422_2325_u64;
        for byte in word.bytes() {
            state = (state ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        for component in &mut vector {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let [high, ..] = state.to_be_bytes();
            *component += f32::from(high) - 127.5;
        }
    }
    let length = square(&vector).sqrt();
    if length > 0.0 {
        for component in &mut vector {
            *component /= length;
        }
    }
    vector
}

/// Square of a vector's length.
fn square(vector: &[f32]) -> f32 {
    vector.iter().map(|component| component * component).sum()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn completion_quotes_the_last_message_and_counts_all() {
        let messages = json!([
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": [{"type": "text", "text": "Say"}, {"type": "text", "text": "hi"}]},
        ]);
        let completion = Completion::new(&texts(&messages), None);
        assert_eq!(completion.input_tokens, 4);
        assert!(
            completion.text().starts_with("Hello! You asked: \"Say hi\" I am a demo"),
            "{}",
            completion.text()
        );
        assert_eq!(completion.output_tokens(), completion.text().split_whitespace().count());
        assert!(!completion.cut_short);
    }

    #[test]
    fn token_limit_truncates_the_completion() {
        let completion = Completion::new(&["Hi".to_owned()], Some(2));
        assert_eq!((completion.text().as_str(), completion.cut_short), ("Hello! You", true));
    }

    #[test]
    fn long_prompt_is_echoed_in_part() {
        let completion = Completion::new(&["ping ".repeat(1000)], None);
        assert_eq!(completion.input_tokens, 1000);
        assert_eq!(completion.text().matches("ping ").count(), ECHO);
    }

    #[test]
    fn embeddings_have_length_one_and_differ_by_word() {
        let (one, other) = (embedding("cat", 8), embedding("dog", 8));
        assert_eq!(one, embedding("cat", 8));
        assert_ne!(one, other);
        let length = square(&one);
        assert!((length - 1.0).abs() < 1e-5, "{length}");
        assert_eq!(embedding("", 2), [0.0, 0.0]);
    }
}
