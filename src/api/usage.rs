//! Tokens as providers declare them, made a partition: every token is counted under exactly one kind.

use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::finder::Finder;
use super::tokens::{TokenKind, Tokens};

/// Most tokens that one declaration can hold; what is larger is no count.
const MAX_TOKENS: u64 = u32::MAX as u64;

/// A `usage` object: of chat and text completions, embeddings and rerankings (`prompt_tokens`, …), of responses,
/// images, audio and messages (`input_tokens`, …). Some providers send both, the second all zeros.
#[derive(Debug, Clone, Default, serde::Deserialize)]
#[serde(default)]
pub(crate) struct Usage {
    #[serde(alias = "promptTokenCount")]
    prompt_tokens: Count,
    input_tokens: Count,
    #[serde(alias = "candidatesTokenCount")]
    completion_tokens: Count,
    output_tokens: Count,
    #[serde(alias = "totalTokenCount")]
    total_tokens: Count,
    prompt_tokens_details: Lenient<InputDetails>,
    input_tokens_details: Lenient<InputDetails>,
    /// Of transcriptions.
    input_token_details: Lenient<InputDetails>,
    completion_tokens_details: Lenient<OutputDetails>,
    output_tokens_details: Lenient<OutputDetails>,
    /// Of messages, where neither is part of `input_tokens`.
    cache_read_input_tokens: Count,
    cache_creation_input_tokens: Count,
    /// As DeepSeek says it.
    prompt_cache_hit_tokens: Count,
    /// As Moonshot says it, and Gemini.
    #[serde(alias = "cachedContentTokenCount")]
    cached_tokens: Count,
    /// Gemini's own: results of its tools, no part of the prompt.
    #[serde(rename = "toolUsePromptTokenCount")]
    tool_tokens: Count,
    /// Gemini's own: no part of the candidates.
    #[serde(rename = "thoughtsTokenCount")]
    thought_tokens: Count,
    #[serde(rename = "promptTokensDetails")]
    prompt_modalities: Lenient<Modalities>,
    #[serde(rename = "candidatesTokensDetails")]
    candidate_modalities: Lenient<Modalities>,
}

#[derive(Debug, Clone, Copy, Default, serde::Deserialize)]
#[serde(default)]
struct InputDetails {
    cached_tokens: Count,
    cache_write_tokens: Count,
    audio_tokens: Count,
}

#[derive(Debug, Clone, Copy, Default, serde::Deserialize)]
#[serde(default)]
struct OutputDetails {
    reasoning_tokens: Count,
    audio_tokens: Count,
}

/// Tokens by what they stand for, as Gemini lists them; those of audio.
#[derive(Debug, Clone, Copy, Default)]
struct Modalities(Count);

impl<'de> Deserialize<'de> for Modalities {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(serde::Deserialize)]
        struct Modality {
            modality: String,
            #[serde(default, rename = "tokenCount")]
            count: Count,
        }
        let all = Vec::<Modality>::deserialize(deserializer)?;
        let audio = all.into_iter().find(|part| part.modality == "AUDIO");
        Ok(Self(audio.map_or(Count(None), |audio| audio.count)))
    }
}

impl Usage {
    /// Reads a `usage` object.
    pub(crate) fn read(usage: &str) -> Option<Self> {
        let read = serde_json::from_str(usage).ok();
        if read.is_some() || !usage.contains(['N', 'I']) {
            return read;
        }
        serde_json::from_str(&repaired(usage.as_bytes())).ok()
    }

    /// Replaces what a later declaration of the same response states anew.
    pub(crate) fn update(&mut self, later: &Self) {
        let counts = [
            (&mut self.input_tokens, later.input_tokens),
            (&mut self.cache_read_input_tokens, later.cache_read_input_tokens),
            (&mut self.cache_creation_input_tokens, later.cache_creation_input_tokens),
            (&mut self.output_tokens, later.output_tokens),
        ];
        for (count, later) in counts {
            *count = later.or(*count);
        }
    }

    /// The partition; `None` when no tokens are declared.
    pub(crate) fn tokens(&self) -> Option<Tokens> {
        let (input, output) =
            (self.prompt_tokens.or(self.input_tokens), self.completion_tokens.or(self.output_tokens));
        let (input, output) = match (input.0, output.0) {
            // A total alone is what went in: so some providers declare embeddings and rerankings.
            (None, None) => (self.total_tokens.0?, 0),
            (input, output) => (input.unwrap_or(0), output.unwrap_or(0)),
        };
        let (input, output) = (input + self.tool_tokens.or_zero(), output + self.thought_tokens.or_zero());
        let mut tokens = Tokens::default();
        let input = self.put_input(input, &mut tokens);
        self.put_output(input, output, &mut tokens);
        Some(tokens)
    }

    /// Divides the input among its kinds and returns all of it.
    fn put_input(&self, input: u64, tokens: &mut Tokens) -> u64 {
        let [chat, other, heard] =
            [self.prompt_tokens_details, self.input_tokens_details, self.input_token_details]
                .map(|part| part.0);
        let details = chat.or(other).or(heard).unwrap_or_default();
        let read = details.cached_tokens.or(self.prompt_cache_hit_tokens).or(self.cached_tokens);
        let read = read.or(self.cache_read_input_tokens);
        let write = details.cache_write_tokens.or(self.cache_creation_input_tokens);
        let (read, write) = (read.or_zero(), write.or_zero());
        let says_cache = self.cache_read_input_tokens.or(self.cache_creation_input_tokens).0.is_some();
        let all = if self.prompt_tokens.0.is_none() && says_cache { input + read + write } else { input };

        let read = read.min(all);
        let write = write.min(all - read);
        let audio = details.audio_tokens.or(self.prompt_modalities.0.unwrap_or_default().0);
        let audio = audio.or_zero().min(all - read - write);
        tokens[TokenKind::InputUncached as usize] = all - read - write - audio;
        tokens[TokenKind::InputCacheRead as usize] = read;
        tokens[TokenKind::InputCacheWrite as usize] = write;
        tokens[TokenKind::InputAudio as usize] = audio;
        all
    }

    /// Divides the output among its kinds. A total above the parts is reasoning that the provider left out of the
    /// completion: Gemini says nothing more of it, xAI declares it apart.
    fn put_output(&self, input: u64, output: u64, tokens: &mut Tokens) {
        let details = self.completion_tokens_details.0.or(self.output_tokens_details.0).unwrap_or_default();
        let surplus = self.total_tokens.or_zero().saturating_sub(input + output);
        let all = output + surplus;
        let reasoning = details.reasoning_tokens.or(self.thought_tokens).or_zero().min(all).max(surplus);
        let audio = details.audio_tokens.or(self.candidate_modalities.0.unwrap_or_default().0);
        let audio = audio.or_zero().min(all - reasoning);
        tokens[TokenKind::OutputText as usize] = all - reasoning - audio;
        tokens[TokenKind::OutputReasoning as usize] = reasoning;
        tokens[TokenKind::OutputAudio as usize] = audio;
    }
}

/// Place in JSON that declares the tokens it used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Declaration {
    /// None, or that of a response that was counted before.
    Nothing,
    /// `usage`.
    Usage,
    /// `usageMetadata` of an object, or of the last one of a list: Gemini's own API.
    Gemini,
}

impl Declaration {
    /// Finds it in JSON that passes.
    pub(crate) fn finder(self) -> Finder {
        match self {
            Self::Nothing | Self::Usage => Finder::new(&["usage"]),
            Self::Gemini => Finder::new(&["usageMetadata"]).in_elements(),
        }
    }
}

/// Declaration of a whole response, if any; `None` when it is neither a JSON object nor an array. What Python's `json`
/// writes and reads beyond JSON is accepted, see [`repaired`].
pub(crate) fn of_answer(bytes: &[u8]) -> Option<Option<Tokens>> {
    let declared = std::str::from_utf8(bytes).ok().and_then(of_json);
    declared.or_else(|| of_json(&repaired(bytes)))
}

fn of_json(text: &str) -> Option<Option<Tokens>> {
    let answer: Answer = serde_json::from_str(text).ok()?;
    let declared = answer.usage.and_then(|usage| Usage::read(usage.get()));
    let declared = declared.as_ref().and_then(Usage::tokens);
    Some(declared.or_else(|| billed(answer.meta?)))
}

/// A text with null for NaN and Infinity outside of strings, and without a byte order mark and invalid UTF-8.
fn repaired(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let mut rest = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let mut repaired = String::with_capacity(rest.len());
    while !rest.is_empty() {
        let (between, string) = rest.split_at(rest.find('"').unwrap_or(rest.len()));
        if between.contains(['N', 'I']) {
            let between =
                between.replace("NaN", "null").replace("-Infinity", "null").replace("Infinity", "null");
            repaired.push_str(&between);
        } else {
            repaired.push_str(between);
        }
        let (string, after) = string.split_at(string_length(string.as_bytes()));
        repaired.push_str(string);
        rest = after;
    }
    repaired
}

/// Length of the string that a text begins with, its quotes included; all of the text where it does not end.
fn string_length(text: &[u8]) -> usize {
    let mut at = 1;
    while let Some(next) = memchr::memchr2(b'"', b'\\', text.get(at..).unwrap_or_default()) {
        at += next + 1;
        if text[at - 1] == b'"' {
            return at;
        }
        at += 1;
    }
    text.len()
}

/// `meta` as Cohere declares rerankings and embeddings.
fn billed(meta: &RawValue) -> Option<Tokens> {
    #[derive(serde::Deserialize)]
    struct Meta {
        #[serde(default)]
        tokens: Lenient<Usage>,
        #[serde(default)]
        billed_units: Lenient<Usage>,
    }
    let meta: Meta = serde_json::from_str(meta.get()).ok()?;
    let tokens = |part: Lenient<Usage>| part.0?.tokens();
    tokens(meta.tokens).or_else(|| tokens(meta.billed_units))
}

/// Input and output tokens, for the request log.
pub(crate) fn totals(tokens: &Tokens) -> (u64, u64) {
    let sum = |direction| {
        let kinds = TokenKind::ALL.iter().filter(|kind| kind.direction() == direction);
        kinds.map(|kind| tokens[*kind as usize]).sum()
    };
    (sum("input"), sum("output"))
}

/// The members of interest; of members that stand twice the last one.
#[derive(Default)]
struct Answer<'a> {
    usage: Option<&'a RawValue>,
    meta: Option<&'a RawValue>,
}

/// An object of an array, as far as it is Gemini's.
#[derive(serde::Deserialize)]
struct NativeElement<'a> {
    #[serde(borrow, default, rename = "usageMetadata")]
    usage: Option<&'a RawValue>,
}

#[derive(serde::Deserialize)]
#[serde(field_identifier, rename_all = "lowercase")]
enum Member {
    #[serde(alias = "usageMetadata")]
    Usage,
    Meta,
    #[serde(other)]
    Other,
}

impl<'de: 'a, 'a> Deserialize<'de> for Answer<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AnswerVisitor;
        impl<'de> Visitor<'de> for AnswerVisitor {
            type Value = Answer<'de>;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("an object or an array")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut answer = Answer::default();
                while let Some(member) = map.next_key()? {
                    match member {
                        Member::Usage => answer.usage = Some(map.next_value()?),
                        Member::Meta => answer.meta = Some(map.next_value()?),
                        Member::Other => drop(map.next_value::<IgnoredAny>()?),
                    }
                }
                Ok(answer)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                // A stream of Gemini's that is no stream of events: every element declares what was used so far.
                let mut last = None;
                while let Some(element) = seq.next_element::<&RawValue>()? {
                    last = Some(element).filter(|element| element.get().starts_with('{')).or(last);
                }
                let native = last.and_then(|last| serde_json::from_str::<NativeElement>(last.get()).ok());
                Ok(Answer { usage: native.and_then(|element| element.usage), meta: None })
            }
        }
        deserializer.deserialize_any(AnswerVisitor)
    }
}

/// A number of tokens, where the value is one.
#[derive(Debug, Clone, Copy, Default)]
struct Count(Option<u64>);

impl Count {
    fn or(self, other: Self) -> Self {
        Self(self.0.or(other.0))
    }

    fn or_zero(self) -> u64 {
        self.0.unwrap_or(0)
    }
}

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = <&RawValue>::deserialize(deserializer)?.get();
        // Some providers write whole numbers as `12.0`.
        let whole = value.split_once('.').filter(|(_, rest)| rest.bytes().all(|digit| digit == b'0'));
        let count = whole.map_or(value, |(whole, _)| whole).parse().ok();
        Ok(Self(count.filter(|count| *count <= MAX_TOKENS)))
    }
}

/// A part that is passed over where it is not of the expected shape.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lenient<T>(pub(crate) Option<T>);

impl<T> Default for Lenient<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<'de, T: serde::de::DeserializeOwned> Deserialize<'de> for Lenient<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = <&RawValue>::deserialize(deserializer)?.get();
        Ok(Self(serde_json::from_str(value).ok().flatten()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// In the order of [`TokenKind`]: uncached, read from and written to the cache, audio; text, reasoning, audio.
    fn read(usage: &str) -> Option<Tokens> {
        Usage::read(usage)?.tokens()
    }

    #[test]
    fn chat_usage_is_a_partition() {
        let usage = r#"{"prompt_tokens":100,"completion_tokens":50,"total_tokens":150,
            "prompt_tokens_details":{"cached_tokens":60,"audio_tokens":10},
            "completion_tokens_details":{"reasoning_tokens":20,"audio_tokens":5}}"#;
        assert_eq!(read(usage), Some([30, 60, 0, 10, 25, 20, 5]));
        let cached = r#"{"prompt_tokens":10,"prompt_cache_hit_tokens":4,"prompt_cache_miss_tokens":6,"completion_tokens":2}"#;
        assert_eq!(read(cached), Some([6, 4, 0, 0, 2, 0, 0]));
        let written = r#"{"prompt_tokens":10,"completion_tokens":2,"prompt_tokens_details":{"cached_tokens":3,"cache_write_tokens":5}}"#;
        assert_eq!(read(written), Some([2, 3, 5, 0, 2, 0, 0]));
    }

    #[test]
    fn responses_embeddings_and_transcriptions() {
        let usage = r#"{"input_tokens":9,"output_tokens":7,"input_tokens_details":{"cached_tokens":4},
            "output_tokens_details":{"reasoning_tokens":3},"total_tokens":16}"#;
        assert_eq!(read(usage), Some([5, 4, 0, 0, 4, 3, 0]));
        assert_eq!(read(r#"{"prompt_tokens":8,"total_tokens":8}"#), Some([8, 0, 0, 0, 0, 0, 0]));
        assert_eq!(read(r#"{"total_tokens":8}"#), Some([8, 0, 0, 0, 0, 0, 0]));
        let heard = r#"{"type":"tokens","input_tokens":14,"input_token_details":{"text_tokens":4,"audio_tokens":10},
            "output_tokens":45,"total_tokens":59}"#;
        assert_eq!(read(heard), Some([4, 0, 0, 10, 45, 0, 0]));
        assert_eq!(read(r#"{"type":"duration","seconds":3}"#), None);
    }

    #[test]
    fn the_cache_of_messages_is_no_part_of_their_input() {
        let usage = r#"{"input_tokens":5,"cache_creation_input_tokens":7,"cache_read_input_tokens":100,"output_tokens":3}"#;
        assert_eq!(read(usage), Some([5, 100, 7, 0, 3, 0, 0]));
        let inside = r#"{"prompt_tokens":112,"cache_creation_input_tokens":7,"cache_read_input_tokens":100,
            "completion_tokens":3,"total_tokens":115}"#;
        assert_eq!(read(inside), Some([5, 100, 7, 0, 3, 0, 0]));
    }

    #[test]
    fn native_usage_of_gemini() {
        let usage = r#"{"promptTokenCount":10,"cachedContentTokenCount":4,"candidatesTokenCount":7,"thoughtsTokenCount":5,
            "toolUsePromptTokenCount":2,"totalTokenCount":24,"promptTokensDetails":[{"modality":"TEXT","tokenCount":7},
            {"modality":"AUDIO","tokenCount":3}],"candidatesTokensDetails":[{"modality":"AUDIO","tokenCount":6}]}"#;
        assert_eq!(read(usage), Some([5, 4, 0, 3, 1, 5, 6]));
        assert_eq!(
            read(r#"{"promptTokenCount":10,"thoughtsTokenCount":5,"totalTokenCount":15}"#),
            Some([10, 0, 0, 0, 0, 5, 0])
        );
        let list = r#"[{"usageMetadata":{"promptTokenCount":1}},{"usageMetadata":{"promptTokenCount":2}},7]"#;
        assert_eq!(of_answer(list.as_bytes()), Some(Some([2, 0, 0, 0, 0, 0, 0])));
        let object = r#"{"usageMetadata":{"promptTokenCount":1}}"#;
        assert_eq!(of_answer(object.as_bytes()), Some(Some([1, 0, 0, 0, 0, 0, 0])));
    }

    #[test]
    fn native_usage_is_found_in_lists_that_pass_in_parts() {
        let list = br#" [ {"usageMetadata":{"promptTokenCount":1},"x":{"usageMetadata":9}} ,
            {"a":[{"usageMetadata":8}],"usageMetadata" : {"promptTokenCount":2,"b":[1]} , "c":1}, {"d":"}"}, [{"usageMetadata":7}], 5 ]"#;
        for at in 0..list.len() {
            let mut finder = Declaration::Gemini.finder();
            finder.read(&list[..at]);
            assert!(finder.is_cut());
            finder.read(&list[at..]);
            assert!(!finder.is_cut());
            assert_eq!(finder.found().map(str::trim), Some(r#"{"promptTokenCount":2,"b":[1]}"#), "{at}");
        }
        let mut finder = Declaration::Usage.finder();
        finder.read(br#"[{"usage":{"prompt_tokens":2}}]"#);
        assert_eq!(finder.found(), None);
    }

    #[test]
    fn a_total_above_the_parts_is_reasoning() {
        assert_eq!(
            read(r#"{"prompt_tokens":6,"completion_tokens":20,"total_tokens":126}"#),
            Some([6, 0, 0, 0, 20, 100, 0])
        );
        let apart = r#"{"prompt_tokens":32,"completion_tokens":9,"total_tokens":135,"completion_tokens_details":{"reasoning_tokens":94}}"#;
        assert_eq!(read(apart), Some([32, 0, 0, 0, 9, 94, 0]));
        let both = r#"{"prompt_tokens":6,"completion_tokens":12,"total_tokens":18,"input_tokens":0,"output_tokens":0,
            "prompt_tokens_details":{"cached_tokens":5},"input_tokens_details":null,"completion_tokens_details":{"reasoning_tokens":11}}"#;
        assert_eq!(read(both), Some([1, 5, 0, 0, 1, 11, 0]));
    }

    #[test]
    fn details_beyond_their_total_do_not_add_tokens() {
        let usage = r#"{"prompt_tokens":10,"completion_tokens":4,"total_tokens":14,
            "prompt_tokens_details":{"cached_tokens":50,"audio_tokens":50},
            "completion_tokens_details":{"reasoning_tokens":9,"audio_tokens":9}}"#;
        assert_eq!(read(usage), Some([0, 10, 0, 0, 0, 4, 0]));
    }

    #[test]
    fn what_is_no_count_is_not_read() {
        for usage in ["{}", "null", "[]", r#"{"prompt_tokens":-1}"#, r#"{"prompt_tokens":"3"}"#] {
            assert_eq!(read(usage), None, "{usage}");
        }
        let odd = r#"{"prompt_tokens":3.0,"completion_tokens":18446744073709551615,"prompt_tokens_details":null,
            "completion_tokens_details":"none"}"#;
        assert_eq!(read(odd), Some([3, 0, 0, 0, 0, 0, 0]));
    }

    #[test]
    fn an_answer_declares_at_its_top_and_last() {
        let of = |answer: &str| of_answer(answer.as_bytes());
        assert_eq!(
            of(
                r#"{"usage":{"prompt_tokens":1},"x":{"usage":{"prompt_tokens":9}},"us\u0061ge":{"prompt_tokens":2}}"#
            ),
            Some(Some([2, 0, 0, 0, 0, 0, 0]))
        );
        assert_eq!(of(r#"{"usage":null}"#), Some(None));
        assert_eq!(of(r#"[{"usage":{"prompt_tokens":1}}]"#), Some(None));
        let billed = r#"{"results":[],"meta":{"billed_units":{"search_units":1,"input_tokens":4},"tokens":{"input_tokens":5,"output_tokens":1}}}"#;
        assert_eq!(of(billed), Some(Some([5, 0, 0, 0, 1, 0, 0])));
        for invalid_response in ["", "1", "\"x\"", "{", r#"{"a":1}x"#, "{\"\u{7}\":\"\n\"}"] {
            assert_eq!(of(invalid_response), None, "{invalid_response}");
        }
    }

    #[test]
    fn what_python_writes_beyond_json_is_read() {
        assert_eq!(read("{\"prompt_tokens\":2,\"x\":[NaN,-Infinity]}"), Some([2, 0, 0, 0, 0, 0, 0]));
        assert_eq!(
            of_answer(b"{\"a\":\"\xff\",\"usage\":{\"prompt_tokens\":2}}"),
            Some(Some([2, 0, 0, 0, 0, 0, 0]))
        );
        let odd = "\u{feff}{\"a\":[NaN,-Infinity, Infinity],\"NaN\\\\\":\"\\\"NaN\",\"usage\":{\"prompt_tokens\":2,\"x\":NaN}}";
        assert_eq!(of_answer(odd.as_bytes()), Some(Some([2, 0, 0, 0, 0, 0, 0])));
        for invalid_response in [
            "NaN",
            "{\"a\":xNaN}",
            "{\"a\":NaNNaN}",
            "{NaN:1}",
            "{\"a\":NaN",
            "{\"a\":NaN,\"",
            "{\"a\":NaN,\"\\",
            "<NaN>",
        ] {
            assert_eq!(of_answer(invalid_response.as_bytes()), None, "{invalid_response}");
        }
    }

    /// Mostly small, so that parts often exceed their whole.
    fn count() -> impl Strategy<Value = Option<u64>> {
        proptest::option::of(prop_oneof![3 => 0..20_u64, 1 => 0..=MAX_TOKENS])
    }

    fn object(members: &[(&str, Option<u64>)]) -> String {
        let members = members.iter().filter_map(|(name, count)| Some(format!("\"{name}\":{}", (*count)?)));
        format!("{{{}}}", members.collect::<Vec<_>>().join(","))
    }

    proptest! {
        #[test]
        fn the_kinds_of_chat_usage_sum_to_what_is_declared(
            input in count(), output in count(), total in count(), cached in count(), written in count(),
            heard in count(), reasoning in count(), spoken in count(), responses in any::<bool>(),
        ) {
            let names = if responses { ["input", "output"] } else { ["prompt", "completion"] };
            let counts = object(&[
                (&format!("{}_tokens", names[0]), input), (&format!("{}_tokens", names[1]), output), ("total_tokens", total),
            ]);
            let ins = [("cached_tokens", cached), ("cache_write_tokens", written), ("audio_tokens", heard)];
            let outs = [("reasoning_tokens", reasoning), ("audio_tokens", spoken)];
            let usage = format!(
                r#"{{"{}_tokens_details":{},"{}_tokens_details":{},"x":0{}{}"#,
                names[0], object(&ins), names[1], object(&outs), if counts == "{}" { "" } else { "," }, &counts[1..],
            );
            let tokens = read(&usage);
            prop_assert_eq!(tokens.is_some(), input.or(output).or(total).is_some());
            let Some(tokens) = tokens else { return Ok(()) };
            let (given, total) = (input.unwrap_or(0), total.unwrap_or(0));
            let expected = match (input, output) {
                (None, None) => (total, 0),
                _ => (given, output.unwrap_or(0).max(total.saturating_sub(given))),
            };
            prop_assert_eq!(totals(&tokens), expected);
        }

        #[test]
        fn the_kinds_of_message_usage_sum_to_what_is_declared(
            input in count(), read_from in count(), written in count(), output in count(),
        ) {
            let usage = object(&[
                ("input_tokens", input), ("cache_read_input_tokens", read_from),
                ("cache_creation_input_tokens", written), ("output_tokens", output),
            ]);
            let tokens = read(&usage);
            prop_assert_eq!(tokens.is_some(), input.or(output).is_some());
            let zero = |count: Option<u64>| count.unwrap_or(0);
            if let Some(tokens) = tokens {
                let expected = [zero(input), zero(read_from), zero(written), 0, zero(output), 0, 0];
                prop_assert_eq!(tokens, expected);
            }
        }
    }
}
