//! Which model names become label values.

use std::time::{Duration, Instant};

use crate::support::aurora::{Aurora, Setup};
use crate::support::client::chat_of;
use crate::support::exposition::yaml;
use crate::support::fixtures::{CHAT_RESPONSE, HELLO, MASTER_KEY, PROVIDER_KEY};
use crate::support::upstream::{Upstream, json, response, stream};

/// An instance whose provider has no configured models.
fn unlisted(upstream: &Upstream, metrics: &str) -> Aurora {
    let text = format!(
        "server: {{master_key: {MASTER_KEY}}}\nmetrics: {{enabled: true{metrics}}}\nlog: {{level: debug}}\n\
         providers: {{up: {{type: openai_compatible, base_url: \"http://{}/v1\", api_key: {PROVIDER_KEY}}}}}\n",
        upstream.address
    );
    Setup::new().yaml(&text).start()
}

fn good(names: std::ops::Range<usize>) -> Upstream {
    names.fold(Upstream::start(), |upstream, n| upstream.on(&format!("good-{n:02}"), json(CHAT_RESPONSE)))
}

#[test]
fn unlisted_models_get_a_label_after_a_success_twenty_per_provider() {
    let upstream = good(0..25).on("cut", stream(&[HELLO])).on("busy", response("429 Slow Down", "", "{}"));
    let aurora = unlisted(&upstream, "");
    let mut client = aurora.client();
    let mut send = |model: &str, streamed| {
        client.send(chat_of(model, streamed));
        client.response().status
    };
    assert_eq!((send("cut", true), send("busy", false), send("no-such", false)), (200, 429, 404));
    aurora.settles(
        "aurora_requests_total",
        &[
            "up unknown /chat/completions 200 error true 1",
            "up unknown /chat/completions 404 error false 1",
            "up unknown /chat/completions 429 error false 1",
        ],
    );
    for n in 0..25 {
        assert_eq!(send(&format!("good-{n:02}"), false), 200);
        assert_eq!(send(&format!("up/good-{n:02}"), false), 200);
    }
    let mut expected: Vec<String> =
        (0..20).map(|n| format!("up good-{n:02} /chat/completions 200 success false 2")).collect();
    expected.extend([
        "up unknown /chat/completions 200 error true 1".into(),
        "up unknown /chat/completions 200 success false 10".into(),
        "up unknown /chat/completions 404 error false 1".into(),
        "up unknown /chat/completions 429 error false 1".into(),
    ]);
    aurora.settles("aurora_requests_total", &expected.iter().map(String::as_str).collect::<Vec<_>>());
    // What each of the ten observations of five names beyond the twentieth would have counted under.
    aurora.settles(
        "aurora_metrics_label_overflow_total",
        &[
            "aurora_answers_total max_unlisted_models 10",
            "aurora_request_duration_seconds max_unlisted_models 10",
            "aurora_requests_total max_unlisted_models 10",
            "aurora_tokens_total max_unlisted_models 20",
            "aurora_upstream_attempts_total max_unlisted_models 10",
        ],
    );
    let lines = aurora.lines("unlisted models beyond the limit count as `unknown` in the metrics", 1);
    let cure = "raise metrics.max_unlisted_models (METRICS_MAX_UNLISTED_MODELS), or list the models that are in use under \
                `models:` of the provider";
    let expected = serde_json::json!({
        "level": "WARN",
        "msg": "unlisted models beyond the limit count as `unknown` in the metrics",
        "provider": "up",
        "model": "good-20",
        "limit": 20,
        "cure": cure,
    });
    assert_eq!(lines, [expected]);
}

#[test]
fn failing_model_names_add_no_series() {
    let upstream = Upstream::start().on("busy", response("429 Slow Down", "", "{}"));
    let aurora = unlisted(&upstream, "");
    let mut client = aurora.client();
    let mut send = |model: &str, streamed| {
        client.send(chat_of(model, streamed));
        client.response().status
    };
    assert_eq!(send("no-such", false), 404);
    assert_eq!(send("busy", true), 429);
    let counted = |samples: &str| samples.lines().count();
    aurora.settles("aurora_requests_in_flight", &[]);
    let before = counted(&aurora.scrape());
    for n in 0..1000 {
        assert_eq!(send(&format!("junk-{n}"), false), 404);
    }
    let junk = || {
        aurora
            .counts("aurora_requests_total")
            .contains(&"up unknown /chat/completions 404 error false 1001".into())
    };
    let until = Instant::now() + Duration::from_secs(3);
    while !junk() {
        assert!(Instant::now() < until, "not all requests are counted");
    }
    assert_eq!(counted(&aurora.scrape()), before);
}

#[test]
fn long_model_names_get_no_label() {
    let long = |n: usize| format!("{n:0129}");
    let upstream = (0..20).fold(good(0..20), |upstream, n| upstream.on(&long(n), json(CHAT_RESPONSE)));
    let aurora = unlisted(&upstream, "");
    let mut client = aurora.client();
    let mut send = |model: &str| {
        client.send(chat_of(model, false));
        assert_eq!(client.response().status, 200);
    };
    (0..20).for_each(|n| send(&long(n)));
    aurora.settles("aurora_requests_total", &["up unknown /chat/completions 200 success false 20"]);
    // They have not used up the places of others.
    (0..20).for_each(|n| send(&format!("good-{n:02}")));
    let mut expected: Vec<String> = (0..20).map(|n| format!("good-{n:02} ok 1")).collect();
    expected.push("unknown ok 20".into());
    aurora.settles("aurora_answers_total", &expected.iter().map(String::as_str).collect::<Vec<_>>());
}

#[test]
fn max_unlisted_models_limits_unlisted_model_labels() {
    let upstream = good(0..4).on("busy", response("429 Slow Down", "", "{}"));
    for (limit, expected) in [
        (0, vec!["unknown ok 4", "unknown rate_limited 1"]),
        (2, vec!["good-00 ok 1", "good-01 ok 1", "unknown ok 2", "unknown rate_limited 1"]),
    ] {
        let aurora = unlisted(&upstream, &format!(", max_unlisted_models: {limit}"));
        for n in 0..4 {
            assert_eq!(aurora.send(chat_of(&format!("good-{n:02}"), false)).status, 200);
        }
        assert_eq!(aurora.send(chat_of("busy", false)).status, 429);
        aurora.settles("aurora_answers_total", &expected);
        let overflow = aurora.counts("aurora_metrics_label_overflow_total");
        let line = format!("aurora_requests_total max_unlisted_models {}", 4 - limit);
        assert!(overflow.contains(&line), "{overflow:?}");
    }
}

#[test]
fn models_above_max_models_are_other() {
    let upstream = good(0..4).on("busy", response("429 Slow Down", "", "{}"));
    let aurora = unlisted(&upstream, ", max_models: 2");
    for n in 0..4 {
        assert_eq!(aurora.send(chat_of(&format!("good-{n:02}"), false)).status, 200);
    }
    assert_eq!(aurora.send(chat_of("busy", false)).status, 429);
    aurora.settles(
        "aurora_requests_total",
        &[
            "up good-00 /chat/completions 200 success false 1",
            "up good-01 /chat/completions 200 success false 1",
            "up other /chat/completions 200 success false 2",
            "up unknown /chat/completions 429 error false 1",
        ],
    );
    aurora.settles(
        "aurora_answers_total",
        &["good-00 ok 1", "good-01 ok 1", "other ok 2", "unknown rate_limited 1"],
    );
    aurora.settles(
        "aurora_tokens_total",
        &[
            "up good-00 input uncached 3",
            "up good-00 output text 2",
            "up good-01 input uncached 3",
            "up good-01 output text 2",
            "up other input uncached 6",
            "up other output text 4",
        ],
    );
}

#[test]
fn discovered_models_have_a_label_at_first_use() {
    let upstream = Upstream::start()
        .on("/v1/models", json(r#"{"object":"list","data":[{"id":"listed"},{"id":"also"}]}"#))
        .on("listed", response("500 Oops", "", "{}"));
    let aurora = unlisted(&upstream, "");
    aurora.line("models discovered");
    assert!(
        upstream.call("/v1/models").headers().contains(&&*format!("authorization: Bearer {PROVIDER_KEY}"))
    );
    assert_eq!(aurora.counts("aurora_requests_total"), [""; 0]);
    assert_eq!(aurora.get("/v1/models/listed").status, 200);
    assert_eq!(aurora.send(chat_of("listed", false)).status, 500);
    assert_eq!(aurora.send(chat_of("not-listed", false)).status, 404);
    aurora.settles(
        "aurora_requests_total",
        &["up listed /chat/completions 500 error false 1", "up unknown /chat/completions 404 error false 1"],
    );
}

#[test]
fn models_fold_above_max_series_and_outcomes_stay() {
    let names: Vec<String> = (0..12).map(|n| format!("m-{n:02}")).collect();
    let upstream =
        names.iter().fold(Upstream::start(), |upstream, name| upstream.on(name, json(CHAT_RESPONSE)));
    let text = yaml(&upstream, "", "").replace("{enabled: true}", "{enabled: true, max_series: 100}");
    let aurora = Setup::new().yaml(&text).start();
    for name in &names {
        assert_eq!(aurora.send(chat_of(name, false)).status, 200);
    }
    // Zeros of ten outcomes for `unknown` and nine models fill the family; what comes then is one set per outcome.
    let mut expected = vec!["other other success 3".to_owned()];
    expected.extend(names[..9].iter().map(|name| format!("up {name} success 1")));
    let expected: Vec<&str> = expected.iter().map(String::as_str).collect();
    aurora.settles("aurora_upstream_attempts_total", &expected);
    // Nine outcomes of a response leave room for `unknown`, ten models and the first outcome of the eleventh.
    aurora.settles(
        "aurora_metrics_label_overflow_total",
        &["aurora_answers_total max_series 1", "aurora_upstream_attempts_total max_series 3"],
    );
    for (family, sets) in [("aurora_upstream_attempts_total", 110), ("aurora_streams_total", 78)] {
        let line = format!("{family} {sets}");
        assert!(aurora.counts("aurora_metrics_label_sets").contains(&line), "{line}");
        let line = format!("{family} 100");
        assert!(aurora.counts("aurora_metrics_label_sets_limit").contains(&line), "{line}");
    }
}
