//! The commands that `serve --demo` prints, run as they are printed.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

struct Demo {
    child: Child,
    folder: TempDir,
    text: String,
}

impl Demo {
    /// Started as `./bin/aurora` in a folder of its own; its text, up to the probe.
    fn start(variables: &[(&str, &str)]) -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        let bin = folder.path().join("bin");
        std::fs::create_dir(&bin).expect("a folder in it");
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_aurora"), bin.join("aurora")).expect("a link");
        let mut child = Command::new("/bin/sh")
            .args(["-c", "exec ./bin/aurora serve --demo --port 0"])
            .current_dir(folder.path())
            .envs(variables.iter().copied())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("a shell");
        let mut text = String::new();
        let mut stdout = BufReader::new(child.stdout.take().expect("piped"));
        while !text.contains("metrics probe") {
            assert_ne!(stdout.read_line(&mut text).expect("UTF-8"), 0, "it ended: {text}");
        }
        Self { child, folder, text }
    }

    /// Every command, in order: indented lines, ended by one that is not.
    fn commands(&self) -> Vec<String> {
        let mut commands = vec![String::new()];
        for line in self.text.lines() {
            match (line.strip_prefix("  "), commands.last_mut()) {
                (Some(part), Some(command)) => *command += &format!("{part}\n"),
                _ => commands.push(String::new()),
            }
        }
        commands.retain(|command| !command.is_empty());
        commands
    }

    fn printed(&self, command: &str, variables: &[(&str, &str)]) -> String {
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", command]).current_dir(self.folder.path()).envs(variables.iter().copied());
        let output = shell.output().expect("a shell");
        let printed = String::from_utf8(output.stdout).expect("UTF-8");
        assert!(output.status.success(), "{command}: {printed}{}", String::from_utf8_lossy(&output.stderr));
        printed
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[test]
fn commands_of_the_demo_work_where_it_was_started() {
    for variables in [
        &[][..],
        &[("AURORA_MASTER_KEY", "a-key-of-the-tests-1")],
        &[("METRICS_TOKEN", "a-token-of-the-tests"), ("BASE_PATH", "/gw")],
    ] {
        let demo = Demo::start(variables);
        assert!(demo.text.contains(". In another terminal, in this folder:\n"), "{}", demo.text);
        let commands = demo.commands();
        let [chat, stream, probe] = commands.as_slice() else { panic!("{commands:#?}") };
        assert!(demo.printed(chat, variables).contains("chat.completion"), "{chat}");
        assert!(demo.printed(stream, variables).ends_with("data: [DONE]\n\n"), "{stream}");
        assert!(probe.starts_with("./bin/aurora metrics probe http://127.0.0.1:"), "{probe}");
        assert!(demo.printed(probe, variables).starts_with("healthy: "), "{probe}");
    }
}

#[test]
fn a_demo_with_a_key_file_prints_the_file() {
    let folder = TempDir::new().expect("a temporary folder");
    let file = folder.path().join("the key");
    std::fs::write(&file, "a-key-of-the-tests-1").expect("a file in it");
    let demo = Demo::start(&[("AURORA_MASTER_KEY_FILE", file.to_str().expect("UTF-8"))]);
    for command in demo.commands() {
        assert!(command.contains(&format!("'{}'", file.display())), "{command}");
        drop(demo.printed(&command, &[]));
    }
}
