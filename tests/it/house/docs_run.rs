//! Blocks of the documentation, run as they are printed; those of the README are in `readme.rs`.

use std::fs;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use crate::house::docs;
use crate::support::aurora::Setup;
use crate::support::servers::{Server, free_port};

/// Runs a block whose `aurora` is the built binary; gives what it prints, once it has ended well.
fn run(lines: &str, folder: &Path, variables: &[(&str, &str)]) -> String {
    let bin = folder.join("path");
    fs::create_dir_all(&bin).expect("a folder in it");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_aurora"), bin.join("aurora")).expect("a link");
    let mut shell = Command::new("bash");
    let shell = shell.args(["-e", "-c", lines]).current_dir(folder).env_clear();
    let output =
        shell.env("PATH", format!("{}:/usr/bin:/bin", bin.display())).envs(variables.iter().copied());
    let output = output.output().expect("a shell");
    let printed = String::from_utf8(output.stdout).expect("UTF-8");
    assert!(output.status.success(), "{lines}\n{printed}\n{}", String::from_utf8_lossy(&output.stderr));
    printed
}

#[test]
fn checks_before_and_after_a_start_work() {
    let port = free_port().to_string();
    let key = "a-master-key-of-32-characters-xx";
    let variables = [
        ("PORT", port.as_str()),
        ("AURORA_MASTER_KEY", key),
        ("METRICS_ENABLED", "true"),
        ("OPENAI_API_KEY", "sk-of-the-test-0123456789"),
        ("OPENAI_MODELS", "gpt-4o"),
    ];
    let mut setup = Setup::bare();
    for (name, value) in variables {
        setup = setup.variable(name, value);
    }
    let aurora = setup.start();
    let printed =
        run(&docs::block("docs/operations.md", "sh", "aurora config check"), aurora.folder(), &variables);
    for expected in ["valid: 0 errors, 0 warnings\n", "ready: http://", "healthy: http://"] {
        assert!(printed.contains(expected), "{expected} in {printed}");
    }
}

#[test]
fn a_running_binary_is_replaced() {
    let folder = TempDir::new().expect("a temporary folder");
    let path = |name: &str| folder.path().join(name);
    // Copied by another process: a file that is open for writing cannot be started, and programs that other tests start
    // at this moment would inherit the descriptor of a copy made here.
    for name in ["aurora-new", "installed"] {
        let copied = Command::new("cp").arg(env!("CARGO_BIN_EXE_aurora")).arg(path(name)).status();
        assert!(copied.expect("cp is in every system").success(), "{name} was not copied");
    }
    fs::write(path("config.yaml"), "server:\n  port: 8080\n").expect("a file in it");
    let mut old = Command::new(path("installed"));
    old.args(["serve", "--demo", "--port", "0"]).env_clear();
    let listens = |log: &str| log.contains("listening").then_some(());
    let (_old, ()) = Server::start(old, TempDir::new().expect("a temporary folder"), listens);
    let lines = docs::block("docs/operations.md", "sh", "./aurora-new config check")
        .replace("/etc/aurora/config.yaml", "config.yaml")
        .replace("/usr/bin/aurora", "installed");
    let printed = run(&lines, folder.path(), &[]);
    assert!(printed.contains("valid: 0 errors"), "{printed}");
}

/// The block is part of a server as the sentence below it wants it.
#[cfg(feature = "real-software")]
#[test]
fn nginx_accepts_the_upstream_of_a_rolling_restart() {
    let folder = TempDir::new().expect("a temporary folder");
    let (pid, port) = (folder.path().join("pid"), free_port());
    let upstream = docs::block("docs/operations.md", "nginx", "upstream aurora");
    let server = format!(
        "pid {};\nevents {{}}\nhttp {{\n{upstream}\nserver {{ listen 127.0.0.1:{port}; location / {{ \
         proxy_pass http://aurora; proxy_http_version 1.1; proxy_set_header Connection \"\"; }} }} }}\n",
        pid.display()
    );
    let file = folder.path().join("nginx.conf");
    fs::write(&file, server).expect("a file in it");
    let mut nginx = crate::support::programs::program("nginx", "nginx-light");
    let output = nginx.args(["-t", "-q", "-e", "stderr", "-c"]).arg(&file).output().expect("it was found");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// As a drop-in of the unit, whose binary is not installed here.
#[cfg(feature = "real-software")]
#[test]
fn systemd_accepts_the_drop_in_with_credentials() {
    let folder = TempDir::new().expect("a temporary folder");
    let unit = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/systemd/aurora.service");
    let unit = fs::read_to_string(unit).expect("the unit").replace("/usr/bin/aurora", "/bin/true");
    fs::write(folder.path().join("aurora.service"), unit).expect("a file in it");
    fs::create_dir(folder.path().join("aurora.service.d")).expect("a folder in it");
    let credentials = docs::block("docs/deployment.md", "ini", "[Service]");
    fs::write(folder.path().join("aurora.service.d/keys.conf"), credentials).expect("a file in it");
    let mut verify = crate::support::programs::program("systemd-analyze", "systemd");
    let path = format!("{}:", folder.path().display());
    let output =
        verify.args(["verify", "--man=no", "aurora.service"]).env("SYSTEMD_UNIT_PATH", path).output();
    let output = output.expect("it was found");
    let printed = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && !printed.contains("aurora.service"), "{printed}");
}
