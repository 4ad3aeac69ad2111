//! Both scrape configurations, loaded by a real Prometheus.

use super::page;
use crate::house::readme;
use crate::real_software::prometheus::Prometheus;
use crate::support::aurora::Aurora;

/// The README's block, which is the page's, with the address of this instance; and fast, as a test wants it.
fn scrapes(block: &str, aurora: &Aurora) {
    let config = block
        .replace("your-aurora-host:8080", &aurora.address.to_string())
        .replace("scrape_interval: 15s", "scrape_interval: 1s")
        .replace("scrape_timeout: 10s", "scrape_timeout: 1s");
    assert_eq!(config.matches("interval: 1s").count(), 1, "{config}");
    let prometheus = Prometheus::start(&config);
    prometheus.scraped();
    assert_eq!(prometheus.query("count by (version) (aurora_build_info)"), ["version=\"0.1.0\" 1"]);
    assert_eq!(prometheus.query("up{job=\"aurora\"}"), ["1"]);
}

fn default_block() -> &'static str {
    let mut blocks = readme::blocks("yaml").into_iter();
    blocks.find(|block| block.contains("metrics_path: \"/metrics\"")).expect("the block of an open endpoint")
}

/// > which allows Prometheus to scrape metrics without credentials
#[test]
fn prometheus_scrapes_without_credentials() {
    scrapes(default_block(), &page("export METRICS_ENABLED=true").start());
}

/// > Scrape Config
#[test]
fn prometheus_loads_the_default_config() {
    let block = default_block();
    for line in ["scrape_interval: 15s", "scrape_timeout: 10s", "job_name: aurora\n"] {
        assert_eq!(block.matches(line).count(), 1, "{line}");
    }
    scrapes(block, &page("").yaml("metrics: {enabled: true}\n").start());
}

/// > With Custom Endpoint
#[test]
fn prometheus_loads_the_config_of_a_custom_endpoint() {
    let lines = "export METRICS_ENABLED=true\nexport METRICS_ENDPOINT=/internal/prometheus";
    scrapes(readme::block("yaml", "metrics_path: \"/internal/prometheus\""), &page(lines).start());
}
