//! Programs that the machine has to bring.

use std::io::Write as _;
use std::process::{Command, Output, Stdio};

use crate::support::aurora::WAIT_LIMIT;

/// A program by its name; where it is missing the test ends with the line that installs it.
pub(crate) fn program(name: &str, package: &str) -> Command {
    // Debian has servers in /usr/sbin, which is not on every user's path.
    let places = [name.to_owned(), format!("/usr/sbin/{name}")];
    let starts = |path: &&String| Command::new(path).arg("--version").output().is_ok();
    let found = places.iter().find(starts);
    Command::new(found.unwrap_or_else(|| panic!("{name} is missing: apt-get install {package}")))
}

/// Runs a program to its end with this on its stdin.
pub(crate) fn piped(mut command: Command, input: &str) -> Output {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("it was found");
    // What does not read to the end says why in its output.
    drop(child.stdin.take().expect("piped").write_all(input.as_bytes()));
    child.wait_with_output().expect("a child")
}

/// A response as curl received it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Response {
    pub(crate) status: u16,
    /// Status line and headers, names in lower case.
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Response {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut fields = self.head.lines().filter_map(|line| line.split_once(": "));
        fields.find(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
}

/// One request with curl.
pub(crate) fn curl(url: &str, arguments: &[&str]) -> Response {
    let seconds = WAIT_LIMIT.as_secs().to_string();
    let output = program("curl", "curl")
        .args(["--silent", "--show-error", "--include", "--max-time", &seconds])
        .args(arguments)
        .arg(url)
        .output()
        .expect("it was found");
    assert!(output.status.success(), "curl {url}: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    let (head, body) = text.split_once("\r\n\r\n").expect("a head");
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status line");
    Response { status, head: head.to_owned(), body: body.to_owned() }
}

/// A chat with curl, the credential first when there is one.
pub(crate) fn chat(origin: &str, key: Option<&str>, model: &str, stream: bool) -> Response {
    let body = format!(
        r#"{{"model": "{model}", "stream": {stream}, "messages": [{{"role": "user", "content": "Hi"}}]}}"#
    );
    let credential = key.map(|key| format!("Authorization: Bearer {key}"));
    let mut arguments = vec!["--header", "Content-Type: application/json", "--data", &body];
    if let Some(credential) = &credential {
        arguments.extend(["--header", credential]);
    }
    curl(&format!("{origin}/v1/chat/completions"), &arguments)
}

/// The values above zero of one family, a line for each series.
pub(crate) fn counted(exposition: &str, family: &str) -> Vec<String> {
    let samples = exposition.lines().filter(|line| line.starts_with(&format!("{family}{{")));
    samples.filter(|line| !line.ends_with(" 0")).map(str::to_owned).collect()
}
