use proptest::prelude::*;

use super::*;
use crate::api::Finder;

mod long;

const CHAT: &str = "data: {\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":\"\"},\"finish_reason\":null}]}\n\n\
    : keep-alive\n\n\
    data: {\"choices\":[{\"delta\":{\"content\":\"Hi\"},\"finish_reason\":null}],\"usage\":null}\r\n\r\n\
    data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n\
    data: {\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":2,\"total_tokens\":5}}\n\n\
    data: [DONE]\n\n";
const USAGE: &str =
    "data: {\"id\":\"1\",\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":2}}\n\n";

fn chat() -> Tap {
    Tap::new(Endpoint::ChatCompletions, false)
}

/// Bytes of these parts that a tap lets pass, and those that remain at their end.
fn pass(tap: &mut Tap, parts: &[&[u8]]) -> Vec<u8> {
    let mut passed = Vec::new();
    for part in parts {
        passed.extend_from_slice(&tap.read(&Bytes::copy_from_slice(part)));
    }
    passed.extend_from_slice(&tap.end());
    passed
}

fn read(tap: &mut Tap, text: &str) -> String {
    String::from_utf8(tap.read(&Bytes::copy_from_slice(text.as_bytes())).to_vec()).unwrap()
}

/// Input, output and paced tokens.
type Counts = (u64, u64, Option<u64>);

/// First token, end, and the final declaration.
fn seen(tap: &mut Tap) -> (bool, bool, Option<Counts>) {
    let declared = tap.declared().map(|declared| {
        let (input, output) = crate::api::usage::totals(&declared.tokens);
        (input, output, declared.paced)
    });
    (tap.seen().first_token, tap.seen().ended, declared)
}

#[test]
fn any_split_of_the_bytes_reads_the_same() {
    for size in 1..CHAT.len() {
        let mut tap = chat();
        let parts: Vec<&[u8]> = CHAT.as_bytes().chunks(size).collect();
        assert_eq!(pass(&mut tap, &parts), CHAT.as_bytes(), "in parts of {size}");
        assert_eq!(seen(&mut tap), (true, true, Some((3, 2, Some(2)))), "in parts of {size}");
        assert_eq!((tap.seen().events, tap.is_inside_event()), (5, false), "in parts of {size}");
    }
}

#[test]
fn repeated_events_are_read_as_any_other() {
    let token = |text: &str| format!("data: {{\"choices\":[{{\"delta\":{{\"content\":\"{text}\"}}}}]}}\n\n");
    let finish = "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";
    // A token behind the end of the stream contradicts it, as its first one would.
    let stream = [&*token("a"), &token("b"), &token("c"), "data: [DONE]\n\n", &token("d"), finish].concat();
    for (events, is_ended) in [(1, false), (3, false), (4, true), (5, false), (6, true)] {
        let part: String = stream.split_inclusive("\n\n").take(events).collect();
        for size in [part.len(), 7] {
            let mut tap = chat();
            let parts: Vec<&[u8]> = part.as_bytes().chunks(size).collect();
            assert_eq!(pass(&mut tap, &parts), part.as_bytes());
            let events = events as u64;
            assert_eq!((tap.seen().events, tap.seen().ended), (events, is_ended), "{events} by {size}");
        }
    }
}

#[test]
fn the_first_token_is_the_first_content() {
    let mut tap = chat();
    for (event, expected) in CHAT.split_inclusive("\n\n").zip([false, false, true]) {
        read(&mut tap, event);
        assert_eq!(tap.seen().first_token, expected, "{event}");
    }
    for member in ["content", "reasoning_content", "reasoning", "refusal", "function_call", "audio"] {
        let mut tap = chat();
        read(&mut tap, &format!("data: {{\"choices\":[{{\"delta\":{{\"{member}\":null}}}}]}}\n\n"));
        read(&mut tap, &format!("data: {{\"choices\":[{{\"delta\":{{\"{member}\":\"\"}}}}]}}\n\n"));
        assert!(!tap.seen().first_token, "{member}");
        read(&mut tap, &format!("data: {{\"choices\":[{{\"delta\":{{\"{member}\":\"x\"}}}}]}}\n\n"));
        assert!(tap.seen().first_token, "{member}");
        assert_eq!(tap.seen().reasoning, member.starts_with("reasoning"));
    }
    for (value, expected) in [("[]", false), ("[{\"index\":0}]", true)] {
        let mut tap = chat();
        read(&mut tap, &format!("data: {{\"choices\":[{{\"delta\":{{\"tool_calls\":{value}}}}}]}}\n\n"));
        assert_eq!(tap.seen().first_token, expected, "{value}");
    }
}

#[test]
fn reasoning_that_was_not_streamed_is_not_paced() {
    const USAGE: &str = "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":9,\"completion_tokens_details\":{\"reasoning_tokens\":6}}}\n\n";
    fn delta(delta: &str, index: u64) -> String {
        format!("data: {{\"choices\":[{{\"index\":{index},\"delta\":{{{delta}}}}}]}}\n\n")
    }
    fn paced(events: &[String]) -> Option<u64> {
        let mut tap = chat();
        for event in events {
            read(&mut tap, event);
        }
        read(&mut tap, USAGE);
        seen(&mut tap).2.unwrap().2
    }
    assert_eq!(paced(&[delta("\"content\":\"a\"", 0)]), Some(3));
    assert_eq!(paced(&[delta("\"reasoning\":\"a\"", 0), delta("\"content\":\"a\"", 0)]), Some(9));
    assert_eq!(paced(&[delta("\"content\":\"a\"", 0), delta("\"content\":\"a\"", 1)]), None);
    assert_eq!(paced(&[]), None);
}

#[test]
fn only_the_last_declaration_counts_and_only_once_it_is_final() {
    fn chunk(tokens: u64, finish: &str) -> String {
        format!(
            "data: {{\"choices\":[{{\"delta\":{{\"content\":\"x\"}},\"finish_reason\":{finish}}}],\"usage\":{{\"prompt_tokens\":7,\"completion_tokens\":{tokens}}}}}\n\n"
        )
    }
    let mut tap = chat();
    read(&mut tap, &chunk(1, "null"));
    read(&mut tap, &chunk(2, "null"));
    assert_eq!(tap.declared(), None);
    read(&mut tap, &chunk(3, "\"stop\""));
    assert_eq!(seen(&mut tap), (true, true, Some((7, 3, Some(3)))));
    assert_eq!(tap.declared(), None);
    read(&mut tap, "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":4}}\n\n");
    assert_eq!(seen(&mut tap), (true, true, Some((7, 4, Some(4)))));
}

#[test]
fn responses_end_with_their_own_event() {
    let mut tap = Tap::new(Endpoint::Responses, false);
    read(
        &mut tap,
        "event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"delta\":\"H\"}\n\n",
    );
    assert_eq!(seen(&mut tap), (true, false, None));
    read(
        &mut tap,
        "data: {\"type\":\"response.completed\",\"response\":{\"usage\":{\"input_tokens\":1,\"output_tokens\":2}}}\n\n",
    );
    assert_eq!(seen(&mut tap), (true, true, Some((1, 2, Some(2)))));
    assert!(!tap.seen().reported_error);
    read(&mut tap, "data: {\"type\":\"response.failed\",\"response\":{\"usage\":null}}\n\n");
    assert!(tap.seen().reported_error);
}

#[test]
fn lines_end_with_lf_cr_or_both() {
    for (first, second) in
        ["\n", "\r", "\r\n"].into_iter().flat_map(|first| ["\n", "\r", "\r\n"].map(|second| (first, second)))
    {
        if first.ends_with('\r') && second.starts_with('\n') {
            continue;
        }
        let text = CHAT.replace("\r\n\r\n", "\n\n").replace("\n\n", &format!("{first}{second}"));
        for withholds in [false, true] {
            let usage = text.find("data: {\"choices\":[],").unwrap();
            let done = text.find("data: [DONE]").unwrap();
            let expected =
                if withholds { format!("{}{}", &text[..usage], &text[done..]) } else { text.clone() };
            for at in 0..text.len() {
                let (start, rest) = text.as_bytes().split_at(at);
                let mut tap = Tap::new(Endpoint::ChatCompletions, withholds);
                let passed = pass(&mut tap, &[start, rest]);
                assert_eq!(String::from_utf8(passed).unwrap(), expected, "cut at {at}");
                assert_eq!(seen(&mut tap), (true, true, Some((3, 2, Some(2)))), "cut at {at}");
                assert_eq!((tap.seen().events, tap.is_inside_event()), (5, false), "cut at {at}");
            }
        }
        let bytes: Vec<&[u8]> = text.as_bytes().chunks(1).collect();
        let mut tap = chat();
        assert_eq!(pass(&mut tap, &bytes), text.as_bytes());
        assert_eq!(tap.seen().events, 5);
    }
}

#[test]
fn the_last_event_of_a_stream_with_cr_is_read_when_it_is_there() {
    let mut tap = chat();
    read(&mut tap, "data: [DONE]\r\r");
    assert!(tap.seen().ended && !tap.is_inside_event());
    read(&mut tap, "\n");
    assert!(!tap.is_inside_event());
}

#[test]
fn errors_are_known_by_their_shape_or_their_name() {
    for (endpoint, event) in [
        (Endpoint::ChatCompletions, "data: {\"error\":{\"message\":\"x\"}}\n\n"),
        (Endpoint::ChatCompletions, "event: error\ndata: {\"message\":\"x\"}\n\n"),
        (Endpoint::Completions, "data: {\"error\":\"x\"}\n\n"),
        (Endpoint::Responses, "data: {\"type\":\"error\",\"message\":\"x\"}\n\n"),
        (
            Endpoint::Messages,
            "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\"}}\n\n",
        ),
        (Endpoint::Speech, "data: {\"type\":\"error\"}\n\n"),
    ] {
        let mut tap = Tap::new(endpoint, true);
        assert_eq!(read(&mut tap, event), event);
        assert!(tap.seen().reported_error, "{event}");
    }
    let mut tap = chat();
    read(&mut tap, "data: {\"error\":null,\"choices\":[]}\n\n");
    assert!(!tap.seen().reported_error);
}

#[test]
fn the_declaration_that_was_asked_for_by_us_is_withheld_wherever_it_is_cut() {
    let before =
        "data: {\"id\":\"1\",\"choices\":[{\"delta\":{\"content\":\"choices\\\":[]\"}}]}\n\n: note\n";
    let after = "data: [DONE]\n\n";
    for usage in [
        USAGE.to_owned(),
        USAGE.replace("\n\n", "\r\n\r\n"),
        USAGE.replace("\"choices\":[],", "").replace("}}\n", "},\"choices\" : [ ] }\n"),
        format!("event: chunk\nid: 7\n{USAGE}"),
        USAGE.replace("data: ", "data:"),
        USAGE.replace(",\"choices\"", "\ndata: ,\"choices\""),
        USAGE.replace("\"1\"", "\"\\\"{é\""),
        USAGE.replace("\"1\"", "[-1.5E-3,0.25,true,null,\"\\ud83d\\ude00\\n\"]"),
    ] {
        let whole = [before, &usage, after].concat();
        for at in 0..whole.len() {
            let (first, second) = whole.as_bytes().split_at(at);
            let mut tap = Tap::new(Endpoint::ChatCompletions, true);
            let passed = pass(&mut tap, &[first, second]);
            assert_eq!(String::from_utf8(passed).unwrap(), [before, after].concat(), "{usage} cut at {at}");
            assert_eq!(seen(&mut tap), (true, true, Some((3, 2, Some(2)))));
        }
        let bytes: Vec<&[u8]> = whole.as_bytes().chunks(1).collect();
        let mut tap = Tap::new(Endpoint::ChatCompletions, true);
        assert_eq!(pass(&mut tap, &bytes), [before, after].concat().as_bytes());
        let mut tap = Tap::new(Endpoint::ChatCompletions, false);
        assert_eq!(pass(&mut tap, &bytes), whole.as_bytes());
    }
}

#[test]
fn no_other_event_is_withheld() {
    for event in [
        USAGE.replace("[]", "[{}]"),
        USAGE.replace("[]", "null"),
        USAGE.replace("{\"prompt_tokens\":3,\"completion_tokens\":2}", "null"),
        USAGE.replace("{\"prompt_tokens\":3,\"completion_tokens\":2}", "[1]"),
        USAGE.replace("\"choices\":[],", ""),
        USAGE.replace("\"id\":\"1\"", "\"error\":{\"message\":\"x\"}"),
        USAGE.replace("data: ", "data: ["),
        USAGE.replace("data: ", "date: "),
        USAGE.replace("data: ", ": data: "),
        USAGE.replace("}}", "}"),
    ] {
        for at in 0..event.len() {
            let (first, second) = event.as_bytes().split_at(at);
            let mut tap = Tap::new(Endpoint::ChatCompletions, true);
            let passed = pass(&mut tap, &[first, second]);
            assert_eq!(String::from_utf8(passed).unwrap(), event, "cut at {at}");
        }
    }
}

#[test]
fn events_that_cannot_be_the_usage_event_are_not_held() {
    for (part, passes) in [
        ("data: {\"id\":\"1\",\"choices\":[", false),
        ("data: {\"id\":\"1\",\"choices\":[{", true),
        ("data: {\"id\":\"1\",\"choices\":[]", false),
        ("data: {\"id\":\"1\",\"usage\":nul", false),
        ("data: {\"id\":\"1\",\"usage\":null,\"choices\":[", false),
        ("data: {\"id\":\"1\",\"choices\":[],\"usage\":nul", false),
        ("data: {\"id\":\"1\",\"usage\":0", true),
        ("data: [", true),
        ("data: x", true),
        ("da", false),
        (":", true),
        (": data: {", true),
        ("data: {\"choices\":[]}", true),
        ("data: {\"choices\":[],\"usage\":{}}", false),
    ] {
        let mut tap = Tap::new(Endpoint::ChatCompletions, true);
        let event = "data: {\"choices\":[{\"delta\":{}}]}\n\n";
        let expected = if passes { format!("{event}{part}") } else { event.to_owned() };
        assert_eq!(read(&mut tap, &format!("{event}{part}")), expected);
        assert_eq!(tap.holds(), !passes, "{part}");
    }
    let mut tap = Tap::new(Endpoint::ChatCompletions, true);
    let beginning = "data: {\"id\":\"";
    let long = format!("{beginning}{}", "x".repeat(MAX_EVENT - beginning.len()));
    assert_eq!(read(&mut tap, &long), "");
    assert!(read(&mut tap, "x") == format!("{long}x"));
    assert!(!tap.holds());
}

#[test]
fn held_bytes_are_passed_at_the_end_unless_they_are_the_usage_event() {
    let mut tap = Tap::new(Endpoint::ChatCompletions, true);
    assert_eq!(pass(&mut tap, &[b"data: {\"choices\":[],\"us"]), b"data: {\"choices\":[],\"us");
    let mut tap = Tap::new(Endpoint::ChatCompletions, true);
    assert_eq!(pass(&mut tap, &[USAGE.trim_end().as_bytes()]), b"");
    assert_eq!(seen(&mut tap), (false, false, Some((3, 2, None))));
}

/// Judged at every byte, 60,000 of them take half a minute here.
#[test]
fn an_event_that_comes_byte_by_byte_takes_linear_time() {
    let event = USAGE.replace("\"1\"", &format!("\"{}\"", "x".repeat(60_000)));
    let bytes: Vec<&[u8]> = event.as_bytes().chunks(1).collect();
    let begun = std::time::Instant::now();
    let mut tap = Tap::new(Endpoint::ChatCompletions, true);
    assert_eq!(pass(&mut tap, &bytes), b"");
    assert!(begun.elapsed() < std::time::Duration::from_secs(5), "{:?}", begun.elapsed());
}

fn endpoint() -> impl Strategy<Value = Endpoint> {
    proptest::sample::select(Endpoint::ALL)
}

/// Bytes such as streams are made of, in any order.
fn pieces() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let word = proptest::sample::select(vec![
        "data: ",
        "event: error",
        "\n",
        "\r\n",
        "\r",
        "\r\r",
        "\n\n",
        "\u{feff}",
        "NaN",
        ":",
        "{",
        "}",
        "[",
        "]",
        ",",
        "\"",
        "\\",
        "\"choices\":",
        "\"usage\":",
        "\"delta\":",
        "\"type\":\"message_delta\"",
        "\"response\":",
        "\"content\":\"x\"",
        "[DONE]",
        "null",
        "12",
        "é",
        USAGE,
    ]);
    let word = prop_oneof![
        4 => word.prop_map(|word| word.as_bytes().to_vec()),
        1 => proptest::collection::vec(any::<u8>(), 0..6),
        1 => (1000..70_000_usize).prop_map(|size| vec![b'x'; size]),
    ];
    proptest::collection::vec(word, 0..40)
}

proptest! {
    #[test]
    fn any_bytes_pass_unchanged_within_bounds(
        parts in pieces(), endpoint in endpoint(), withholds in any::<bool>(), size in 1..5000_usize,
    ) {
        let whole = parts.concat();
        let mut all = Tap::new(endpoint, withholds);
        let expected = pass(&mut all, &[&whole]);
        prop_assert!(withholds || expected == whole);
        for parts in [parts, whole.chunks(size).map(<[u8]>::to_vec).collect()] {
            let mut tap = Tap::new(endpoint, withholds);
            let mut passed = Vec::new();
            for part in parts {
                passed.extend_from_slice(&tap.read(&Bytes::from(part)));
                prop_assert!(tap.unfinished.len() <= MAX_EVENT);
            }
            passed.extend_from_slice(&tap.end());
            prop_assert!(passed == expected);
            prop_assert_eq!(tap.seen().events, all.seen().events);
        }
    }

    #[test]
    fn a_member_is_found_in_any_chunking(
        noise in "[a-z\\\\\"{}\\[\\]:,]{0,20}", nested in any::<bool>(), size in 1..50_usize, count in any::<u32>(),
    ) {
        let noise = serde_json::Value::from(noise).to_string();
        let usage = format!("{{\"a\":[{noise},{{\"b\":{noise}}}],\"prompt_tokens\":{count}}}");
        let inner = format!("{{{noise}:[[{{}}],{noise}],\"x\":{{\"usage\":0}},\"usage\":{usage},\"z\":[{noise}]}}");
        let (json, path): (_, &[&str]) = if nested {
            (format!(" {{\"usage\":1,\"response\":{inner} ,\"x\":{{\"usage\":2}}}}"), &["response", "usage"])
        } else {
            (inner, &["usage"])
        };
        serde_json::from_str::<serde_json::Value>(&json).unwrap();
        let mut finder = Finder::new(path);
        for part in json.as_bytes().chunks(size) {
            prop_assert_eq!(finder.found(), None);
            finder.read(part);
        }
        prop_assert_eq!(finder.found(), Some(usage.as_str()));
    }

    #[test]
    fn a_finder_takes_anything(parts in pieces()) {
        let mut finder = Finder::new(&["response", "usage"]);
        for part in &parts {
            finder.read(part);
        }
        prop_assert!(finder.found().is_none_or(|found| found.len() <= MAX_EVENT));
    }
}
