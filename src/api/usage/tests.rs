use proptest::prelude::*;

use super::*;

/// In the order of [`TokenKind`]: uncached, read from and written to the cache, audio; text, reasoning, audio.
fn read(usage: &str) -> Option<Tokens> {
    Usage::read(usage.as_bytes())?.tokens()
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
    assert_eq!(of_response(list.as_bytes()), Some(Some([2, 0, 0, 0, 0, 0, 0])));
    let object = r#"{"usageMetadata":{"promptTokenCount":1}}"#;
    assert_eq!(of_response(object.as_bytes()), Some(Some([1, 0, 0, 0, 0, 0, 0])));
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
fn invalid_counts_are_not_read() {
    for usage in ["{}", "null", "[]", r#"{"prompt_tokens":-1}"#, r#"{"prompt_tokens":"3"}"#] {
        assert_eq!(read(usage), None, "{usage}");
    }
    let odd = r#"{"prompt_tokens":3.0,"completion_tokens":18446744073709551615,"prompt_tokens_details":null,
        "completion_tokens_details":"none"}"#;
    assert_eq!(read(odd), Some([3, 0, 0, 0, 0, 0, 0]));
}

#[test]
fn usage_is_read_at_the_top_and_the_last_member_counts() {
    fn of(response: &str) -> Option<Option<Tokens>> {
        of_response(response.as_bytes())
    }
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
fn pythons_extensions_of_json_are_read() {
    assert_eq!(read("{\"prompt_tokens\":2,\"x\":[NaN,-Infinity]}"), Some([2, 0, 0, 0, 0, 0, 0]));
    assert_eq!(
        of_response(b"{\"a\":\"\xff\",\"usage\":{\"prompt_tokens\":2}}"),
        Some(Some([2, 0, 0, 0, 0, 0, 0]))
    );
    let odd = "\u{feff}{\"a\":[NaN,-Infinity, Infinity],\"NaN\\\\\":\"\\\"NaN\",\"usage\":{\"prompt_tokens\":2,\"x\":NaN}}";
    assert_eq!(of_response(odd.as_bytes()), Some(Some([2, 0, 0, 0, 0, 0, 0])));
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
        assert_eq!(of_response(invalid_response.as_bytes()), None, "{invalid_response}");
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
    fn the_kinds_of_chat_usage_sum_to_the_declared_totals(
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
    fn the_kinds_of_message_usage_sum_to_the_declared_totals(
        input in count(), read_from in count(), written in count(), output in count(),
    ) {
        let usage = object(&[
            ("input_tokens", input), ("cache_read_input_tokens", read_from),
            ("cache_creation_input_tokens", written), ("output_tokens", output),
        ]);
        let tokens = read(&usage);
        prop_assert_eq!(tokens.is_some(), input.or(output).is_some());
        if let Some(tokens) = tokens {
            let counts = [input, read_from, written, None, output, None, None];
            prop_assert_eq!(tokens, counts.map(Option::unwrap_or_default));
        }
    }
}
