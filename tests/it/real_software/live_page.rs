//! The live page in a real browser.

use serde_json::{Value, json};

use crate::support::aurora::{Aurora, Setup};
use crate::support::browser::{Browser, ENTER, SPACE, TAB};
use crate::support::client::{chat_of, request};
use crate::support::fixtures::{MASTER_KEY, OK};
use crate::support::servers::free_port;
use crate::support::upstream::{Upstream, json as body};

fn demo() -> Setup {
    Setup::new().arguments(&["--demo"])
}

/// Chats without a key.
fn traffic(aurora: &Aurora, model: &str, count: usize) {
    for _ in 0..count {
        let text = format!(r#"{{"model":"{model}","messages":[{{"role":"user","content":"Hi"}}]}}"#);
        aurora.send(request("POST", "/v1/chat/completions", "content-type: application/json\r\n", text));
    }
}

/// Texts of the cells of a table, row by row, as they are in the document.
fn cells(browser: &Browser, body: &str) -> Vec<Vec<String>> {
    let rows = browser.run(&format!(
        "return [...document.querySelectorAll({body:?} + ' tr')].map((row) => [...row.children].map((cell) => cell.textContent))"
    ));
    serde_json::from_value(rows).expect("rows of texts")
}

fn focused(browser: &Browser) -> String {
    browser.text("return document.activeElement.id || document.activeElement.textContent")
}

/// Waits until a reading is shown that was made after this call.
fn next_reading(browser: &Browser) {
    let before = browser.shown("#connection");
    browser.waits_for("#connection", |text| text.starts_with("Live ") && text != before);
}

#[test]
fn the_page_moves_when_traffic_flows() {
    let aurora = demo().start();
    let browser = Browser::start();
    browser.open(&aurora.url("/"));
    browser.shows("#health-word", "Well");
    browser.shows("#health-reasons", "Idle: no requests in the last minute");
    browser.shows("#tile-rate .note", "0 since the start");
    assert_eq!(
        browser.shown("#tile-rate .help"),
        "Authenticated model calls by requested model and outcome for the client."
    );
    assert_eq!(cells(&browser, "#models tbody"), Vec::<Vec<String>>::new());

    traffic(&aurora, "demo-fast", 12);
    traffic(&aurora, "demo-500", 3);
    traffic(&aurora, "demo-429", 2);
    browser.shows("#tile-rate .note", "17 since the start");
    browser.shows("#tile-errors .note", "5 failed of 17");
    browser.shows("#health-word", "Failing");
    browser.shows("#health-reasons", "Requests fail: 29 %");
    assert!(browser.shown("#tile-rate .value span").parse::<f64>().expect("a rate") > 0.0);
    let models = cells(&browser, "#models tbody");
    let (model, errors, total): (Vec<&str>, Vec<&str>, Vec<&str>) =
        (column(&models, 0), column(&models, 3), column(&models, 9));
    assert_eq!(model, ["demo-fast", "demo-500", "demo-429"]);
    assert_eq!(errors, ["0 %", "100 %", "100 %"]);
    assert_eq!(total, ["12", "3", "2"]);
    let outcomes = cells(&browser, "#outcomes");
    assert_eq!(column(&outcomes, 0), ["ok", "client error", "cancelled", "throttled", "error"]);
    assert_eq!(column(&outcomes, 2), ["71 %", "0 %", "0 %", "12 %", "18 %"]);
    for drawn in ["#outcomes-chart .fill-ok", "#outcomes-chart .fill-error", "#tile-rate .line"] {
        let path = browser.text(&format!("return document.querySelector({drawn:?}).getAttribute('d')"));
        assert!(path.starts_with('M'), "{drawn}: {path}");
    }
    assert_eq!(browser.console(), Vec::<String>::new());
}

fn column(rows: &[Vec<String>], index: usize) -> Vec<&str> {
    rows.iter().map(|row| row[index].as_str()).collect()
}

#[test]
fn a_key_is_asked_for_once_and_kept_in_memory_only() {
    let aurora = demo().variable("AURORA_MASTER_KEY", MASTER_KEY).start();
    let browser = Browser::start();
    browser.open(&aurora.url("/"));
    browser.shows("#login-title", "The metrics are locked");
    browser.shows("#connection", "Key required");
    assert_eq!((focused(&browser), browser.shown("#figures")), ("key".to_owned(), String::new()));
    assert_eq!(browser.shown("#login-error"), "");

    // By keyboard alone.
    browser.press(&format!("not-the-key{ENTER}"));
    let refused = browser.waits_for("#login-error", |text| !text.is_empty());
    assert!(refused.starts_with("This key was refused. "), "{refused}");
    browser.press(&format!("schlüssel{ENTER}"));
    browser.shows("#login-error", "A key has only visible ASCII characters.");
    browser.run("document.getElementById('key').value = ''");
    browser.press(&format!("{MASTER_KEY}{ENTER}"));
    browser.shows("#health-word", "Well");
    assert_eq!(focused(&browser), "main");
    assert_eq!(browser.shown("#login"), "");
    let kept = browser.run(
        "return [localStorage.length, sessionStorage.length, document.cookie, location.href, document.documentElement.outerHTML, \
         document.getElementById('key').value]",
    );
    let html = kept[4].as_str().expect("text");
    assert!(!html.contains(MASTER_KEY) && !html.contains("not-the-key"));
    assert_eq!(
        [&kept[0], &kept[1], &kept[2], &kept[3], &kept[5]],
        [&json!(0), &json!(0), &json!(""), &json!(aurora.url("/")), &json!("")]
    );

    // The models' headings sort, by keyboard too; the next Tab stops before them are those of the header.
    aurora.send(chat_of("demo-fast", false));
    browser.waits_for("#models tbody", |text| text.contains("demo-fast"));
    browser.run("document.querySelector('#models thead button').focus()");
    browser.press(SPACE);
    assert_eq!(
        browser.text("return document.querySelector('#models thead th').getAttribute('aria-sort')"),
        "ascending"
    );
    browser.press(TAB);
    assert_eq!(focused(&browser), "provider");

    browser.run("document.getElementById('pause').focus()");
    browser.press(ENTER);
    browser.waits_for("#connection", |text| text.starts_with("Paused "));
    browser.shows("#pause", "Resume");
    browser.press(ENTER);
    next_reading(&browser);

    browser.press(&format!("{TAB}{ENTER}"));
    browser.shows("#login-title", "The metrics are locked");
    browser.open(&aurora.url("/"));
    browser.shows("#login-title", "The metrics are locked");
    let console = browser.console();
    let unexpected: Vec<&String> = console.iter().filter(|line| !line.contains("status of 401")).collect();
    assert_eq!(unexpected, Vec::<&String>::new());
}

#[test]
fn a_lost_connection_is_said_and_a_restart_is_no_dip() {
    let port = free_port().to_string();
    let start = || {
        let setup = Setup::bare().variable("LOG_FORMAT", "json");
        setup.arguments(&["serve", "--demo", "--host", "127.0.0.1", "--port", &port]).start()
    };
    let aurora = start();
    let browser = Browser::start();
    browser.open(&aurora.url("/"));
    browser.shows("#health-word", "Well");
    traffic(&aurora, "demo-fast", 20);
    browser.shows("#tile-rate .note", "20 since the start");
    aurora.stop();
    let lost = browser.waits_for("#notice", |text| !text.is_empty());
    let time = lost
        .strip_prefix("Connection lost, last figures from ")
        .and_then(|rest| rest.strip_suffix(". Trying again."));
    assert_eq!(time.map(str::len), Some("12:03:04".len()), "{lost}");
    browser.shows("#connection", &format!("Lost {}", time.expect("a time")));
    browser.shows("#health-word", "Unknown");
    browser.shows("#tile-rate .note", "20 since the start");

    let aurora = start();
    let restarted = browser.waits_for("#notice", |text| text.starts_with("The gateway restarted at "));
    assert!(restarted.ends_with("; its figures began again."), "{restarted}");
    browser.shows("#health-word", "Well");
    traffic(&aurora, "demo-fast", 3);
    browser.shows("#tile-rate .note", "3 since the start");
    let rates = browser.run(
        "return [...document.querySelectorAll('.value span, #outcomes .number, #models tbody .number')].map((cell) => cell.textContent)",
    );
    let negative: Vec<&Value> = rates
        .as_array()
        .expect("texts")
        .iter()
        .filter(|text| text.as_str().is_some_and(|text| text.contains('-')))
        .collect();
    assert_eq!(negative, Vec::<&Value>::new());
    let mark = browser.text("return document.querySelector('#outcomes-chart .mark').getAttribute('d')");
    assert!(mark.starts_with('M'), "{mark}");
    let unexpected: Vec<String> =
        browser.console().into_iter().filter(|line| !line.contains("net::ERR_CONNECTION_REFUSED")).collect();
    assert_eq!(unexpected, Vec::<String>::new());
}

#[test]
fn hostile_names_of_models_are_inert_text() {
    let names = [
        r#"<img src=x onerror="document.title='hit'">"#,
        "</td><script>document.title='hit'</script>",
        "\u{202E}reversed\u{200B}",
        "quote\\\"back\\\\slash",
    ];
    let mut upstream = Upstream::start();
    for name in names {
        upstream = upstream.on(name, body(OK));
    }
    let yaml = format!(
        "metrics: {{enabled: true}}\nproviders:\n  up: {{type: openai_compatible, base_url: \"http://{}/v1\", api_key: k, models: {}}}\n",
        upstream.address,
        json!(names)
    );
    let aurora = Setup::new().yaml(&yaml).start();
    let browser = Browser::start();
    browser.open(&aurora.url("/"));
    browser.shows("#health-word", "Well");
    for name in names {
        let call = json!({"model": name, "messages": []}).to_string();
        let response =
            aurora.send(request("POST", "/v1/chat/completions", "content-type: application/json\r\n", call));
        assert_eq!(response.status, 200, "{name}");
    }
    browser.shows("#tile-rate .note", "4 since the start");
    let models = cells(&browser, "#models tbody");
    let mut shown = column(&models, 0);
    shown.sort_unstable();
    let mut expected = [names[0], names[1], "U+202EreversedU+200B", names[3]];
    expected.sort_unstable();
    assert_eq!(shown, expected);
    assert_eq!(
        browser.run("return document.querySelectorAll('img, script').length"),
        json!(1),
        "only its own script"
    );
    assert!(!browser.text("return document.title").contains("hit"));
    assert_eq!(browser.console(), Vec::<String>::new());
}

/// Texts whose contrast with their background is below that of WCAG AA, and how many were looked at.
const CONTRAST: &str = "
    const channel = (value) => (value /= 255) <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
    const numbers = (colour) => colour.match(/[\\d.]+/g).map(Number);
    const luminance = ([red, green, blue]) => 0.2126 * channel(red) + 0.7152 * channel(green) + 0.0722 * channel(blue);
    const background = (element) => {
        for (let at = element; at; at = at.parentElement) {
            const colour = numbers(getComputedStyle(at).backgroundColor);
            if (colour.length < 4 || colour[3] === 1) return colour;
        }
    };
    const low = [];
    let count = 0;
    for (const element of document.body.querySelectorAll('*')) {
        const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
        if (!own || !element.checkVisibility() || element.closest('.hidden, svg')) continue;
        count += 1;
        const [one, other] = [luminance(numbers(getComputedStyle(element).color)), luminance(background(element))];
        const ratio = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
        if (ratio < 4.5) low.push(`${element.textContent.trim().slice(0, 40)}: ${ratio.toFixed(2)}`);
    }
    return {low, count};";

#[test]
fn the_page_is_readable_at_any_width_and_in_both_schemes() {
    let aurora = demo().start();
    let browser = Browser::start();
    browser.open(&aurora.url("/"));
    browser.shows("#health-word", "Well");
    traffic(&aurora, "demo-fast", 8);
    traffic(&aurora, "demo-500", 8);
    browser.shows("#health-word", "Failing");
    for scheme in ["light", "dark"] {
        browser.prefer(scheme);
        for width in [1280, 390, 360] {
            browser.resize(width);
            let overflow = browser
                .run("return document.documentElement.scrollWidth - document.documentElement.clientWidth");
            assert_eq!(overflow, json!(0), "{scheme}, {width} pixels");
            let contrast = browser.run(CONTRAST);
            assert_eq!(contrast["low"], json!([]), "{scheme}, {width} pixels");
            assert!(contrast["count"].as_u64() > Some(60), "{contrast}");
        }
    }
    let structure = browser.run(
        "const all = (selector) => [...document.querySelectorAll(selector)];
         const named = (element) => element.getAttribute('aria-labelledby')?.split(' ').every((id) => document.getElementById(id)?.textContent.trim());
         return {
             landmarks: ['header', 'main', 'footer'].map((name) => all(name).length),
             heading: all('h1').map((heading) => heading.textContent),
             nameless: all('section, form, [role=region], [role=img]').filter((element) => !named(element)).length,
             headless: all('table').filter((table) => !named(table) || !table.querySelector('th[scope=col]')).length,
             rowless: all('tbody tr').filter((row) => !row.querySelector('th[scope=row]')).length,
             unlabelled: all('input').filter((input) => !input.labels.length).length,
             unhelped: all('.help').filter((line) => !line.textContent.trim()).length,
             twice: all('[id]').length - new Set(all('[id]').map((element) => element.id)).size,
             shapes: all('.shape').filter((element) => getComputedStyle(element, '::before').content === 'none').length,
         }",
    );
    let expected = json!({
        "landmarks": [1, 1, 1], "heading": ["Aurora"], "nameless": 0, "headless": 0, "rowless": 0, "unlabelled": 0,
        "unhelped": 0, "twice": 0, "shapes": 0
    });
    assert_eq!(structure, expected);
    assert_eq!(browser.console(), Vec::<String>::new());
}
