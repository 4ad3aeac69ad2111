//! What the demo models say, and how many tokens that is.

use serde_json::Value;

/// Words of the prompt that an answer repeats at most.
const ECHO: usize = 30;

/// An answer, and the two counts that a usage object is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    /// The text in pieces, one token each; joined they are the answer.
    pub(crate) tokens: Vec<String>,
    /// Words of everything that was asked.
    pub(crate) input_tokens: usize,
    /// Whether the caller's limit ended it.
    pub(crate) cut_short: bool,
}

impl Answer {
    /// Answers the last of `texts`, in at most `limit` tokens.
    pub(crate) fn new(texts: &[String], limit: Option<u64>) -> Self {
        let asked = texts.last().map_or("", String::as_str);
        let text = match asked.split_whitespace().count() {
            0 => "Hello! You sent no words, and this is still counted: look at the metrics endpoint."
                .to_owned(),
            words => format!("Hello! You asked: \"{}\" {}", echo(asked, words), REMARK),
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

fn echo(asked: &str, words: usize) -> String {
    let first: Vec<&str> = asked.split_whitespace().take(ECHO).collect();
    format!("{}{}", first.join(" "), if words > ECHO { " …" } else { "" })
}

/// Words with the white space before them.
fn tokens(text: &str) -> Vec<String> {
    let mut words = text.split(' ');
    let first = words.next().map(str::to_owned);
    first.into_iter().chain(words.map(|word| format!(" {word}"))).collect()
}

/// Words of all texts: what the demo takes for tokens.
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

/// A direction in `dimensions` that depends on the words alone, of length 1.
pub(crate) fn embedding(text: &str, dimensions: usize) -> Vec<f32> {
    let mut vector = vec![0.0_f32; dimensions];
    for word in text.split_whitespace() {
        let hash = word.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        let mut state = hash;
        for component in &mut vector {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let [high, ..] = state.to_be_bytes();
            *component += f32::from(high) - 127.5;
        }
    }
    let length = vector.iter().map(|component| component * component).sum::<f32>().sqrt();
    if length > 0.0 {
        vector.iter_mut().for_each(|component| *component /= length);
    }
    vector
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_answer_relates_to_the_last_message_and_counts_all() {
        let messages = json!([
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": [{"type": "text", "text": "Say"}, {"type": "text", "text": "hi"}]},
        ]);
        let answer = Answer::new(&texts(&messages), None);
        assert_eq!(answer.input_tokens, 4);
        assert!(answer.text().starts_with("Hello! You asked: \"Say hi\" I am a demo"), "{}", answer.text());
        assert_eq!(answer.output_tokens(), answer.text().split_whitespace().count());
        assert!(!answer.cut_short);
    }

    #[test]
    fn the_limit_of_the_caller_ends_it() {
        let answer = Answer::new(&["Hi".to_owned()], Some(2));
        assert_eq!((answer.text().as_str(), answer.cut_short), ("Hello! You", true));
    }

    #[test]
    fn a_long_prompt_is_echoed_in_part_only() {
        let answer = Answer::new(&["ping ".repeat(1000)], None);
        assert_eq!(answer.input_tokens, 1000);
        assert_eq!(answer.text().matches("ping ").count(), ECHO);
    }

    #[test]
    fn embeddings_have_length_one_and_tell_words_apart() {
        let (one, other) = (embedding("cat", 8), embedding("dog", 8));
        assert_eq!(one, embedding("cat", 8));
        assert_ne!(one, other);
        let length: f32 = one.iter().map(|component| component * component).sum();
        assert!((length - 1.0).abs() < 1e-5, "{length}");
        assert_eq!(embedding("", 2), [0.0, 0.0]);
    }
}
