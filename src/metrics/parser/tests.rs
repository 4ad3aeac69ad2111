use std::time::{Duration, Instant};

use proptest::prelude::{ProptestConfig, any, proptest};

use super::*;

fn refusal(text: &str) -> String {
    parse(text.as_bytes()).expect_err(text).to_string()
}

fn histogram(samples: &str) -> String {
    format!("# TYPE h histogram\n{samples}")
}

#[test]
fn a_page_becomes_families_with_their_samples() {
    let page = "# HELP a_total Things\\nby \\\\ kind\n# TYPE a_total counter\n# a remark\n\
                a_total{kind=\"b\\\"\\\\\\n\",a = \"x\" , } 1e3 1700000000000\n\n\tfree 1\n\
                # TYPE h histogram\nh_bucket{le=\"0.5\"} 1\nh_bucket{le=\"+Inf\"} 2\nh_sum 3\nh_count 2\n\
                # TYPE s summary\ns{quantile=\"0.5\"} NaN\ns_sum -Inf\ns_count 0\n# TYPE empty gauge\n";
    let found = parse(page.as_bytes()).expect("valid");
    let names = found.families.iter().map(|family| (family.name.as_str(), family.kind, family.series()));
    let expected = [
        ("a_total", Kind::Counter, 1),
        ("free", Kind::Untyped, 1),
        ("h", Kind::Histogram, 1),
        ("s", Kind::Summary, 1),
        ("empty", Kind::Gauge, 0),
    ];
    assert_eq!(names.collect::<Vec<_>>(), expected);
    assert_eq!((found.series(), found.samples()), (4, 9));
    let first = found.family("a_total").expect("declared");
    assert_eq!(first.help.as_deref(), Some("Things\nby \\ kind"));
    let sample = &first.samples[0];
    assert_eq!(sample.to_string(), "a_total{a=\"x\",kind=\"b\\\"\\\\\\n\"}");
    assert_eq!((sample.value, sample.timestamp, sample.line), (1000.0, Some(1_700_000_000_000), 4));
    assert_eq!((sample.label("kind"), sample.label("absent")), ("b\"\\\n", ""));
}

#[test]
fn valid_syntax_is_accepted() {
    for page in [
        "a {b=\"c\" , }1\n",
        "a{} 1\n",
        "a{b=\"}\"} 1\n",
        "a NaN\nb +Inf\nc -inf\nd infinity\ne .5\nf 5.\ng 1E-3\n",
        "#\n# remark\n\n \t\n#HELP a\n#\tTYPE  a  gauge\n  a 1 -5\n",
        "# TYPE a gauge\n# HELP a the other way round\na:b 1\n",
        "# TYPE a gauge\na 1\na_count 2\n# TYPE a_sum counter\na_sum 1\n",
    ] {
        assert!(parse(page.as_bytes()).is_ok(), "{page}");
    }
}

#[test]
fn an_empty_page_has_no_families() {
    assert_eq!(parse(b""), Ok(Exposition::default()));
}

#[test]
fn malformed_lines_are_rejected() {
    let cases = [
        ("a 1", "line 1: the last line has no line feed: the page may be cut off"),
        ("a 1\nb{c=\"d", "line 2: the last line has no line feed: the page may be cut off"),
        ("a 1\r\n", "line 1: the line ends in CR LF: the format ends lines with a line feed alone"),
        ("<html>\n", "line 1: expected a metric name, found \"<html>\""),
        ("1a 1\n", "line 1: expected a metric name, found \"1a\""),
        ("a\n", "line 1: a has no value"),
        ("a one\n", "line 1: the value of a is \"one\", not a number"),
        ("a 1e999\n", "line 1: the value of a is \"1e999\", not a number"),
        ("a +NaN\n", "line 1: the value of a is \"+NaN\", not a number"),
        ("a 0x1p4\n", "line 1: the value of a is \"0x1p4\", not a number"),
        ("a 1 1.5\n", "line 1: the timestamp of a is \"1.5\", not milliseconds"),
        ("a 1 2 \n", "line 1: a blank at the end of the line of a"),
        ("a 1 2 3\n", "line 1: \"3\" after the timestamp of a"),
        ("a{b=\"c\" 1\n", "line 1: labels of a: expected `,` or `}` after b, found \"1\""),
        ("a{b=c} 1\n", "line 1: labels of a: the value of b is not in double quotes"),
        ("a{b=\"c} 1\n", "line 1: labels of a: the value of b has no closing quote"),
        ("a{b:c=\"d\"} 1\n", "line 1: labels of a: \"b:c\" is no label name"),
        ("a{__name__=\"d\"} 1\n", "line 1: labels of a: \"__name__\" is no label name"),
        ("a{b=\"c\",b=\"d\"} 1\n", "line 1: labels of a: b twice"),
        ("a{,} 1\n", "line 1: labels of a: expected name=\"value\", found \",} 1\""),
        ("a{b=\"\\t\"} 1\n", "line 1: labels of a: b: unknown escape \"\\\\t\""),
        ("# HELP a \\q\n", "line 1: HELP of a: unknown escape \"\\\\q\""),
        ("# HELP a \\\"\n", "line 1: HELP of a: unknown escape \"\\\\\\\"\""),
        ("# TYPE 9 gauge\n", "line 1: TYPE names \"9\", which is no metric name"),
        (
            "# TYPE a Counter\n",
            "line 1: TYPE of a is \"Counter\", not counter, gauge, histogram, summary or untyped",
        ),
    ];
    for (page, expected) in cases {
        assert_eq!(refusal(page), expected, "{page:?}");
    }
    let not_text = parse(b"a 1\nb{c=\"\xff\"} 1\n").map_err(|error| error.to_string());
    assert_eq!(not_text, Err("line 2: a byte that is not UTF-8".to_owned()));
}

/// Work that grows with the square of the number takes minutes with so many labels.
#[test]
fn a_line_of_very_many_labels_is_read_at_once() {
    let labels: Vec<String> = (0..100_000).map(|number| format!("l{number}=\"\"")).collect();
    let started = Instant::now();
    let page = parse(format!("a{{{}}} 1\n", labels.join(",")).as_bytes()).expect("valid");
    assert_eq!(page.families[0].samples[0].labels.iter().count(), 100_000);
    assert!(started.elapsed() < Duration::from_secs(30), "{:?}", started.elapsed());
}

#[test]
fn misplaced_lines_are_rejected() {
    let cases = [
        ("a 1\n# TYPE a gauge\n", "line 2: TYPE for a after its first sample on line 1"),
        ("a 1\n# HELP a text\n", "line 2: HELP for a after its first sample on line 1"),
        ("# TYPE a gauge\n# HELP a x\n# TYPE a gauge\n", "line 3: a second TYPE for a"),
        ("# HELP a x\n# HELP a x\n", "line 2: a second HELP for a"),
        ("a 1\na 2\n", "line 2: the series \"a\" was on line 1 already"),
        (
            "a{b=\"1\",c=\"2\"} 1\na{c=\"2\",b=\"1\",d=\"\"} 2\n",
            "line 2: the series \"a{b=\\\"1\\\",c=\\\"2\\\",d=\\\"\\\"}\" was on line 1 already",
        ),
        (
            "a{b=\"1\"} 1\nb 1\na{b=\"2\"} 2\n",
            "line 3: a goes on here, but began on line 1: the lines of a family must stand together",
        ),
        (
            "# TYPE h histogram\nb 1\nh_sum 1\n",
            "line 3: h goes on here, but began on line 1: the lines of a family must stand together",
        ),
        ("# TYPE h histogram\nh 1\n", "line 2: h is a histogram: its samples end in _bucket, _sum or _count"),
    ];
    for (page, expected) in cases {
        assert_eq!(refusal(page), expected, "{page:?}");
    }
}

#[test]
fn inconsistent_families_are_rejected() {
    let good = "h_bucket{le=\"1\"} 2\nh_bucket{le=\"+Inf\"} 3\nh_sum 4\nh_count 3\n";
    assert_eq!(parse(histogram(good).as_bytes()).map(|page| page.series()), Ok(1));
    let infinite = "h_bucket{le=\"+Inf\"} 3\n";
    let cases = [
        (
            histogram("h_bucket{le=\"1\"} 4\nh_bucket{le=\"+Inf\"} 3\n"),
            "line 3: the bucket le=\"+Inf\" of h_bucket counts 3, the one before it 4: buckets are cumulative",
        ),
        (
            histogram("h_bucket{le=\"2\"} 1\nh_bucket{le=\"1\"} 1\n"),
            "line 3: the bucket le=\"1\" of h_bucket is out of order",
        ),
        (
            histogram("h_bucket{le=\"1\"} 1\nh_bucket{le=\"1.0\"} 1\n"),
            "line 3: the bucket le=\"1.0\" of h_bucket is out of order",
        ),
        (histogram("h_bucket 1\n"), "line 2: the bucket edge le of h_bucket is \"\", not a number"),
        (
            histogram("h_bucket{le=\"1\"} 1\nh_sum 1\nh_count 1\n"),
            "line 2: a series of h has no bucket le=\"+Inf\"",
        ),
        (histogram(&format!("{infinite}h_sum 1\n")), "line 2: a series of h has no h_count"),
        (histogram(&format!("{infinite}h_count 3\n")), "line 2: a series of h has no h_sum"),
        (
            histogram(&format!("{infinite}h_sum 1\nh_count 4\n")),
            "line 4: h_count is 4, but its bucket le=\"+Inf\" counts 3",
        ),
        (
            "# TYPE c counter\nc -1\n".to_owned(),
            "line 2: the counter c is -1: a counter starts at 0 and grows",
        ),
        ("# TYPE s summary\ns 1\n".to_owned(), "line 2: the quantile of s is \"\", not a number"),
    ];
    for (page, expected) in cases {
        assert_eq!(refusal(&page), expected, "{page:?}");
    }
}

#[test]
fn long_foreign_text_is_truncated() {
    let expected = format!("line 1: expected a metric name, found \"-{}\"…", "x".repeat(79));
    assert_eq!(refusal(&format!("-{}\n", "x".repeat(500))), expected);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn label_values_survive_writing_and_reading(value in any::<String>(), number in any::<f64>()) {
        let labels = Interner::default().labels(vec![("kind".to_owned(), value)]);
        let sample = Sample { name: "a".into(), labels, value: number, timestamp: None, line: 1 };
        let written = match number {
            number if number.is_nan() => "NaN".to_owned(),
            number => number.to_string(),
        };
        let found = parse(format!("{sample} {written}\n").as_bytes()).expect("written as the format wants");
        let read = &found.families[0].samples[0];
        assert_eq!((read.to_string(), read.label("kind")), (sample.to_string(), sample.label("kind")));
        assert!(read.value == number || number.is_nan() && read.value.is_nan());
    }

    #[test]
    fn no_text_makes_the_parser_panic(text in "([a#HELPTY{}\"=,\\\\ \n\t+0-9le]|\\PC){0,80}") {
        drop(parse(text.as_bytes()));
    }
}
