//! A headless Chromium, driven through chromedriver by its JSON protocol.

use std::net::SocketAddr;
use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::client::{Client, request};
use crate::support::programs::program;
use crate::support::servers::{Server, free_port, wait_for};

/// Keys that are no characters.
pub(crate) const TAB: &str = "\u{E004}";
pub(crate) const ENTER: &str = "\u{E007}";
pub(crate) const SPACE: &str = " ";

const FLAGS: [&str; 9] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
];

/// One browser with one tab; both end when this is dropped.
pub(crate) struct Browser {
    driver: SocketAddr,
    session: String,
    _server: Server,
}

impl Browser {
    pub(crate) fn start() -> Self {
        drop(program("chromium", "chromium"));
        let driver = program("chromedriver", "chromium-driver");
        let folder = TempDir::new().expect("a temporary folder");
        let profile = folder.path().join("profile");
        // With port 0 it takes one for IPv6 that may be in use for IPv4. It says on stdout that it listens.
        let port = free_port();
        let mut command = Command::new("/bin/sh");
        command.args(["-c", "exec \"$0\" --port=$1 >&2"]).arg(driver.get_program()).arg(port.to_string());
        let (server, ()) =
            Server::start(command, folder, |log| log.contains("started successfully on port ").then_some(()));
        let driver = SocketAddr::from(([127, 0, 0, 1], port));
        let mut arguments: Vec<String> = FLAGS.iter().map(|flag| (*flag).to_owned()).collect();
        arguments.push(format!("--user-data-dir={}", profile.display()));
        let capabilities = json!({"capabilities": {"alwaysMatch": {
            "browserName": "chrome",
            "goog:chromeOptions": {"args": arguments},
            "goog:loggingPrefs": {"browser": "ALL"},
        }}});
        let session = send(driver, "POST", "/session", &capabilities);
        let session = session["sessionId"].as_str().expect("a session").to_owned();
        Self { driver, session, _server: server }
    }

    fn post(&self, command: &str, body: &Value) -> Value {
        send(self.driver, "POST", &format!("/session/{}/{command}", self.session), body)
    }

    pub(crate) fn open(&self, url: &str) {
        self.post("url", &json!({"url": url}));
    }

    /// Runs the body of a function in the page and gives what it returns.
    pub(crate) fn run(&self, script: &str) -> Value {
        self.post("execute/sync", &json!({"script": script, "args": []}))
    }

    /// The same, for a text.
    pub(crate) fn text(&self, script: &str) -> String {
        self.run(script).as_str().unwrap_or_default().to_owned()
    }

    /// Text of an element by its selector, as a reader sees it; empty where it is hidden or missing.
    pub(crate) fn shown(&self, selector: &str) -> String {
        let script = "const found = document.querySelector(SELECTOR); return found?.checkVisibility() ? found.innerText.trim() : ''";
        self.text(&script.replace("SELECTOR", &format!("{selector:?}")))
    }

    /// Waits until the text of an element is this one.
    pub(crate) fn shows(&self, selector: &str, expected: &str) {
        self.waits_for(selector, |text| text == expected);
    }

    /// Waits until the text of an element is as wanted.
    pub(crate) fn waits_for(&self, selector: &str, wanted: impl Fn(&str) -> bool) -> String {
        let mut last = String::new();
        let found = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            wait_for(selector, || {
                last = self.shown(selector);
                wanted(&last).then(|| last.clone())
            })
        }));
        found.unwrap_or_else(|_| panic!("{selector} is {last:?}"))
    }

    /// Presses keys, one after the other.
    pub(crate) fn press(&self, keys: &str) {
        let strokes: Vec<Value> = keys
            .chars()
            .flat_map(|key| ["keyDown", "keyUp"].map(|kind| json!({"type": kind, "value": key.to_string()})))
            .collect();
        self.post("actions", &json!({"actions": [{"type": "key", "id": "keyboard", "actions": strokes}]}));
    }

    /// A command of the browser's own protocol.
    pub(crate) fn devtools(&self, command: &str, parameters: &Value) {
        self.post("goog/cdp/execute", &json!({"cmd": command, "params": parameters}));
    }

    pub(crate) fn resize(&self, width: u32) {
        let size = json!({"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": false});
        self.devtools("Emulation.setDeviceMetricsOverride", &size);
    }

    pub(crate) fn prefer(&self, scheme: &str) {
        let features = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        self.devtools("Emulation.setEmulatedMedia", &features);
    }

    /// Lines of the console since the last call; violations of the content security policy are among them.
    pub(crate) fn console(&self) -> Vec<String> {
        let lines = self.post("se/log", &json!({"type": "browser"}));
        let lines = lines.as_array().expect("lines").iter();
        lines.map(|line| line["message"].as_str().expect("a message").to_owned()).collect()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Ends the browser, which would outlive its driver.
        if let Some(mut client) = Client::try_connect(self.driver)
            && client.try_send(request("DELETE", &format!("/session/{}", self.session), "", ""))
        {
            drop(client.try_response());
        }
    }
}

fn send(driver: SocketAddr, method: &str, path: &str, body: &Value) -> Value {
    let mut client = Client::connect(driver);
    client.send(request(method, path, "content-type: application/json\r\n", body.to_string()));
    let response = client.response();
    let value: Value = serde_json::from_str(response.text()).expect("JSON");
    assert_eq!(response.status, 200, "{path}: {value}");
    value["value"].clone()
}
