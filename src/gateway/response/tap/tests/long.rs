//! Events that are too long to be held, and those that cannot be parsed as they are.

use super::*;

#[test]
fn a_response_over_the_limit_ends_its_stream_and_declares_its_use() {
    for (name, failed) in [("completed", false), ("incomplete", false), ("failed", true)] {
        let event = format!(
            "event: response.{name}\ndata: {{\"type\":\"response.{name}\",\"usage\":1,\"response\":{{\"x\":\"{}\",\
             \"y\":{{\"usage\":{{\"input_tokens\":9}}}},\"usage\":{{\"input_tokens\":1,\"output_tokens\":2}},\"user\":null}}}}\n\n",
            "\\\"x".repeat(MAX_EVENT)
        );
        for size in [1000, MAX_EVENT + 1, event.len() - 2, event.len()] {
            let mut tap = Tap::new(Endpoint::Responses, false);
            for part in event.as_bytes().chunks(size) {
                assert_eq!(tap.read(&Bytes::copy_from_slice(part)), part);
                assert!(tap.unfinished.len() <= MAX_EVENT);
            }
            assert_eq!(seen(&mut tap), (false, true, Some((1, 2, None))), "{name} in parts of {size}");
            assert_eq!(tap.seen().events, 1);
            assert_eq!((tap.seen().reported_error, tap.is_inside_event()), (failed, false));
        }
    }
}

#[test]
fn an_event_over_the_limit_is_read_as_it_passes() {
    for withholds in [false, true] {
        let mut tap = Tap::new(Endpoint::ChatCompletions, withholds);
        read(&mut tap, "data: {\"choices\":[{\"delta\":{\"content\":\"");
        for _ in 0..100 {
            assert_eq!(tap.read(&Bytes::from_static(&[b'x'; 1024])).len(), 1024);
        }
        assert_eq!(tap.unfinished.len(), 3);
        read(&mut tap, "\"}}]}\n");
        read(&mut tap, "\n");
        assert_eq!(seen(&mut tap), (true, false, None));
        read(&mut tap, "data: [DONE]\n\n");
        assert_eq!(seen(&mut tap), (true, true, None));
        assert_eq!(tap.seen().events, 2);
    }
}

/// A tool call in one event, as Gemini's compatible endpoint sends it.
fn long_tool_call() -> String {
    let arguments = "\\\"é\\\\ {[\\u00e9]},:".repeat(MAX_EVENT / 16);
    format!(
        "data: {{\"id\":\"1\",\"choices\":[{{\"index\" : 0,\"delta\":{{\"role\":\"assistant\",\"tool_calls\":[{{\"extra\":\
         [{{}}],\"function\":{{\"name\":\"f\",\"arguments\":\"{arguments}\"}}}}]}},\"finish_reason\":\"tool_calls\"}}],\
         \"usage\":{{\"prompt_tokens\":3,\"completion_tokens\":2,\"details\":{{\"x\":[1, -2.5e3]}}}},\"n\":NaN}}\n\n"
    )
}

#[test]
fn a_tool_call_over_the_limit_ends_its_stream_wherever_it_is_cut() {
    let event = long_tool_call();
    assert!(event.len() > MAX_EVENT);
    let ends = (0..180).chain(event.len() - 180..event.len());
    for at in ends.chain((180..event.len() - 180).step_by(4999)) {
        let (first, second) = event.as_bytes().split_at(at);
        let mut tap = chat();
        assert!(pass(&mut tap, &[first, second]) == event.as_bytes(), "cut at {at}");
        assert_eq!(seen(&mut tap), (true, true, Some((3, 2, Some(2)))), "cut at {at}");
        assert_eq!((tap.seen().events, tap.is_inside_event()), (1, false), "cut at {at}");
    }
    for size in [1, 3, 64, 1000] {
        let mut tap = chat();
        for part in event.as_bytes().chunks(size) {
            assert_eq!(tap.read(&Bytes::copy_from_slice(part)), part);
            assert!(tap.unfinished.len() <= MAX_EVENT);
        }
        assert_eq!(seen(&mut tap), (true, true, Some((3, 2, Some(2)))), "in parts of {size}");
    }
}

/// Long events, each with whether it holds a token, the end of its stream, an error.
#[rustfmt::skip]
fn long_events() -> Vec<(Endpoint, String, [bool; 3])> {
    let long = "x".repeat(MAX_EVENT);
    let numbers = "1,".repeat(MAX_EVENT);
    vec![
        (Endpoint::ChatCompletions, format!("data: {{\"choices\":[{{\"text\":\"{long}\"}}]}}"), [true, false, false]),
        (Endpoint::ChatCompletions, format!("data: {{\"choices\":[{{\"delta\":{{}},\"logprobs\":[{numbers}0]}}]}}"), [false, false, false]),
        (Endpoint::ChatCompletions, format!("data: {{\"error\":{{\"message\":\"{long}\"}}}}"), [false, false, true]),
        (Endpoint::ChatCompletions, format!("event:error\ndata: {{\"message\":\"{long}\"}}"), [false, false, true]),
        (Endpoint::ChatCompletions, format!("\u{feff}data: {{\"x\":\"{long}\",\r\ndata:\"choices\":[{{\"finish_reason\":\rdata: \"length\"}}]}}"), [false, true, false]),
        (Endpoint::Responses, format!("data: {{\"delta\":\"{long}\",\"type\":\"response.audio.delta\"}}"), [true, false, false]),
        (Endpoint::Messages, format!("data: {{\"type\":\"content_block_delta\",\"delta\":{{\"type\":\"input_json_delta\",\"partial_json\":\"{long}\"}}}}"), [true, false, false]),
        (Endpoint::Messages, format!("data: {{\"x\":[{numbers}0],\"type\":\"message_stop\"}}"), [false, true, false]),
        (Endpoint::Speech, format!("data: {{\"type\":\"speech.audio.delta\",\"audio\":\"{long}\"}}"), [true, false, false]),
        (Endpoint::Other, format!("data: {{\"candidates\":[{{\"content\":{{\"parts\":[{{\"text\":\"{long}\"}}]}},\"finishReason\":\"STOP\"}}],\"usageMetadata\":{{\"promptTokenCount\":1}}}}"), [true, true, false]),
    ]
}

#[test]
fn events_over_the_limit_are_read_in_every_shape() {
    for (endpoint, event, expected) in long_events() {
        let mut tap = Tap::new(endpoint, false);
        read(&mut tap, &format!("{event}\n\n"));
        let seen = tap.seen();
        let start = &event[..60];
        assert_eq!([seen.first_token, seen.ended, seen.reported_error], expected, "{start}");
        assert!(!seen.unread, "{start}");
    }
}

#[test]
fn a_stream_may_end_after_an_event_that_went_unread() {
    let many = format!("data: {{\"choices\":[{}]}}\n\n", "{\"index\":0},".repeat(MAX_EVENT));
    let no_json = format!("data: {}\n\n", "x".repeat(MAX_EVENT));
    for event in [&many, &no_json] {
        let mut tap = chat();
        read(&mut tap, event);
        assert_eq!((tap.may_end(true), tap.may_end(false)), (true, false));
        read(&mut tap, "data: {");
        assert!(!tap.may_end(true));
        // Cut, it is no event.
        let mut tap = chat();
        pass(&mut tap, &[&event.as_bytes()[..event.len() - 2]]);
        assert!(!tap.may_end(true));
    }
}

#[test]
fn events_that_serde_cannot_read_count_all_the_same() {
    let event = b"data: {\"choices\":[{\"delta\":{\"content\":\"\xff\"},\"logprobs\":[NaN,-Infinity],\"finish_reason\":\"st\top\"}],\
        \"usage\":{\"prompt_tokens\":3,\"completion_tokens\":2,\"rate\":Infinity}}\n\n";
    for at in 0..event.len() {
        let mut tap = chat();
        assert_eq!(pass(&mut tap, &[&event[..at], &event[at..]]), event);
        assert_eq!(seen(&mut tap), (true, true, Some((3, 2, Some(2)))), "cut at {at}");
    }
}

fn format() -> impl Strategy<Value = StreamFormat> {
    proptest::sample::select(vec![
        StreamFormat::Chat,
        StreamFormat::Responses,
        StreamFormat::Messages,
        StreamFormat::Plain,
    ])
}

/// Objects such as events hold.
fn event() -> impl Strategy<Value = serde_json::Value> {
    use serde_json::Value;
    let name = proptest::sample::select(vec![
        "audio",
        "choices",
        "completion_tokens",
        "content",
        "delta",
        "error",
        "finish_reason",
        "index",
        "message",
        "other",
        "prompt_tokens",
        "reasoning",
        "response",
        "stop_reason",
        "text",
        "tool_calls",
        "type",
        "usage",
        "x_groq",
    ]);
    let word = proptest::sample::select(vec![
        "",
        "stop",
        "error",
        "é\"\\{[",
        "content_block_delta",
        "message_delta",
        "message_stop",
        "response.audio.delta",
        "response.completed",
        "response.failed",
        "text_delta",
        "thinking_delta",
        "tool_calls",
    ]);
    let scalar = prop_oneof![
        3 => word.prop_map(Value::from),
        1 => (0..200_usize).prop_map(|length| Value::from("x".repeat(length))),
        1 => any::<i32>().prop_map(Value::from),
        1 => (-1.0..1.0).prop_map(Value::from),
        1 => any::<bool>().prop_map(Value::from),
        1 => Just(Value::Null),
    ];
    let value = scalar.prop_recursive(6, 60, 6, move |value| {
        prop_oneof![
            proptest::collection::vec(value.clone(), 0..4).prop_map(Value::from),
            object_of(name.clone(), value),
        ]
    });
    value.prop_filter("an object", Value::is_object)
}

fn object_of(
    name: impl Strategy<Value = &'static str>,
    value: impl Strategy<Value = serde_json::Value>,
) -> impl Strategy<Value = serde_json::Value> {
    let members = proptest::collection::vec((name, value), 0..6);
    members.prop_map(|members| members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

proptest! {
    #[test]
    fn an_excerpt_reads_like_its_event(event in event(), format in format(), size in 1..50_usize) {
        let json = event.to_string();
        let (mut all, mut short) = (Seen::default(), Seen::default());
        let mut excerpt = Excerpt::default();
        for part in json.as_bytes().chunks(size) {
            prop_assert_eq!(excerpt.text(), None);
            excerpt.read(part);
        }
        let text = excerpt.text().unwrap().into_owned();
        prop_assert!(text.len() <= json.len());
        prop_assert_eq!(read_data(format, &json, &mut all), read_data(format, &text, &mut short), "{}", text);
        prop_assert_eq!(format!("{all:?}"), format!("{short:?}"), "{}", text);
    }

    #[test]
    fn an_excerpt_takes_anything(parts in pieces()) {
        let mut excerpt = Excerpt::default();
        for part in &parts {
            excerpt.read(part);
        }
        prop_assert!(excerpt.text().is_none_or(|text| text.len() <= 3 * MAX_EVENT));
    }
}
