//! Three replicas behind a real nginx: what a real Prometheus adds up is what was sent.

use aurora::metrics::catalog::families::{FAMILIES, Kind};
use aurora::metrics::parser::{self, Exposition};

use crate::real_software::nginx::Nginx;
use crate::real_software::prometheus::Prometheus;
use crate::support::aurora::{Aurora, Setup};
use crate::support::programs::{chat, curl};

const REPLICAS: usize = 3;
/// How often the whole round of traffic is sent; a multiple of the replicas, so that each gets the same.
const ROUNDS: usize = 6;

/// What one round sends, and the statuses it gets.
const ROUND: [(&str, bool, u16); 5] = [
    ("demo-fast", false, 200),
    ("demo-fast", true, 200),
    ("demo-429", false, 429),
    ("demo-500", false, 500),
    ("no-such-model", false, 404),
];

fn exposition(aurora: &Aurora) -> Exposition {
    parser::parse(curl(&aurora.url("/metrics"), &[]).body.as_bytes()).expect("an exposition")
}

/// The sum of all samples of this name over the replicas.
fn parts(expositions: &[Exposition], name: &str) -> f64 {
    let samples =
        expositions.iter().flat_map(|exposition| &exposition.families).flat_map(|family| &family.samples);
    samples.filter(|sample| *sample.name == *name).map(|sample| sample.value).sum()
}

/// The number that a query gives.
fn number(prometheus: &Prometheus, expression: &str) -> f64 {
    let rows = prometheus.query(expression);
    assert_eq!(rows.len(), 1, "{expression}: {rows:?}");
    rows[0].parse().expect("a number")
}

#[test]
fn sums_over_replicas_are_the_sums_of_their_parts() {
    let replicas: Vec<Aurora> = (0..REPLICAS).map(|_| Setup::new().arguments(&["--demo"]).start()).collect();
    let targets: Vec<String> = replicas.iter().map(|aurora| format!("\"{}\"", aurora.address)).collect();
    let prometheus = Prometheus::start(&format!(
        "scrape_configs:\n  - job_name: aurora\n    scrape_interval: 1s\n    scrape_timeout: 1s\n    \
         static_configs: [{{targets: [{}]}}]\n",
        targets.join(", ")
    ));
    let all: Vec<&Aurora> = replicas.iter().collect();
    let nginx =
        Nginx::balancing("location / {\nproxy_pass http://aurora:8080;\nproxy_buffering off;\n}", &all);
    for _ in 0..ROUNDS {
        for (model, stream, status) in ROUND {
            assert_eq!(chat(&nginx.origin, None, model, stream).status, status, "{model}");
        }
    }
    prometheus.all_scraped(REPLICAS);
    let expositions: Vec<Exposition> = replicas.iter().map(exposition).collect();

    let sent = |wanted: &dyn Fn(&(&str, bool, u16)) -> bool| {
        (ROUND.iter().filter(|one| wanted(one)).count() * ROUNDS) as f64
    };
    for (expression, expected) in [
        ("sum(aurora_http_requests_total)", sent(&|_| true)),
        ("sum(aurora_answers_total)", sent(&|_| true)),
        ("sum(aurora_requests_total)", sent(&|one| one.0 != "no-such-model")),
        ("sum(aurora_request_duration_seconds_count)", sent(&|one| one.0 != "no-such-model")),
        ("sum(aurora_requests_total{status_type=\"success\"})", sent(&|one| one.2 == 200)),
        ("sum(aurora_upstream_attempts_total{outcome=\"rate_limited\"})", sent(&|one| one.2 == 429)),
        ("sum(aurora_streams_total{outcome=\"completed\"})", sent(&|one| one.1)),
        ("sum(aurora_build_info)", REPLICAS as f64),
        ("sum(aurora_requests_in_flight)", 0.0),
        ("sum(aurora_config_info)", REPLICAS as f64),
    ] {
        assert_eq!(number(&prometheus, expression), expected, "{expression}");
    }
    for instance in 0..REPLICAS {
        let share = parts(&expositions[instance..=instance], "aurora_http_requests_total");
        assert_eq!(share, (ROUND.len() * ROUNDS / REPLICAS) as f64, "replica {instance}");
    }

    let moving = ["aurora_metrics_scrapes_total", "process_cpu_seconds_total"];
    for family in FAMILIES.iter().filter(|family| !moving.contains(&family.name)) {
        let names = match family.kind {
            Kind::Gauge => continue,
            Kind::Counter => vec![family.name.to_owned()],
            Kind::Histogram => {
                ["_bucket", "_count", "_sum"].map(|part| format!("{}{part}", family.name)).to_vec()
            }
        };
        for name in names {
            let whole = prometheus.query(&format!("sum({name})"));
            let whole: f64 = whole.first().map_or(0.0, |whole| whole.parse().expect("a number"));
            let parts = parts(&expositions, &name);
            assert!(
                (whole - parts).abs() <= 1e-9 * parts.abs(),
                "{name}: {whole}, but its parts are {parts}"
            );
        }
    }
}
