//! Completions in bash, zsh and fish, and the man pages as mandoc reads them.

use std::path::Path;
use std::process::{Command, Output};

use crate::support::programs::program;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// Names of models with everything that a shell gives a meaning to.
const CONFIGURATION: &str = r#"
providers:
  main: {type: ollama, models: ["llama3:8b", "$(touch ran)", "it's a `touch ran`", "a;touch ran"]}
  lab: {type: vllm, models: [qwen-2.5]}
routes:
  quick: [lab/qwen-2.5]
"#;

struct Shells(tempfile::TempDir);

impl Shells {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("config.yaml"), CONFIGURATION).expect("a file");
        Self(folder)
    }

    fn run(&self, mut command: Command) -> Output {
        let binary = Path::new(env!("CARGO_BIN_EXE_aurora")).parent().expect("its folder");
        let path = format!("{}:/usr/local/bin:/usr/bin:/bin", binary.display());
        command.current_dir(&self.0).env_clear().env("PATH", path).env("HOME", self.0.path());
        command.output().expect("the shell runs")
    }

    /// Types the line into an interactive bash or zsh and presses Tab; what the terminal shows, and the line then.
    fn typed(&self, shell: &str, line: &str) -> (String, String) {
        let mut command = program("zsh", "zsh");
        let script = format!("{ROOT}/tests/it/testdata/shells/type.zsh");
        command.args(["-f", &script, shell, &format!("{ROOT}/completions"), line]);
        let output = self.run(command);
        let shown = String::from_utf8(output.stdout).expect("UTF-8");
        let line = shown.rsplit_once("<line>").and_then(|(_, rest)| rest.split_once("</line>"));
        let line =
            line.unwrap_or_else(|| panic!("{shell}: {line:?}: {} {shown}", output.status)).0.to_owned();
        (shown, line)
    }

    /// The candidates of fish for the line.
    fn fish(&self, line: &str) -> Vec<String> {
        let mut command = program("fish", "fish");
        let script = format!("source {ROOT}/completions/aurora.fish; complete -C $argv[1]");
        command.args(["--no-config", "-c", &script, "--", line]);
        let output = self.run(command);
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{line}");
        let text = String::from_utf8(output.stdout).expect("UTF-8");
        text.lines().map(|line| line.split('\t').next().unwrap_or_default().to_owned()).collect()
    }
}

const OPTIONS_OF_PROBE: [&str; 7] =
    ["--all", "--filter", "--format", "--max-size", "--over", "--require", "--token-env"];

#[test]
fn bash_and_zsh_complete_commands_options_values_and_names() {
    let shells = Shells::new();
    for (typed, completed) in [
        ("aurora met", "aurora metrics "),
        ("aurora metrics pro", "aurora metrics probe "),
        ("aurora metrics probe --req", "aurora metrics probe --require "),
        ("aurora metrics probe --format r", "aurora metrics probe --format raw "),
        ("aurora metrics probe --format=r", "aurora metrics probe --format=raw "),
        ("aurora metrics probe --filter qu", "aurora metrics probe --filter quick "),
        ("aurora metrics probe --filter qw", "aurora metrics probe --filter qwen-2.5 "),
        ("aurora metrics probe --filter llama3:", "aurora metrics probe --filter llama3:8b "),
        ("aurora metrics probe --filter la", "aurora metrics probe --filter lab "),
        ("aurora metrics list aurora_tok", "aurora metrics list aurora_tokens_total "),
        ("aurora config check --allow placeh", "aurora config check --allow placeholder-key "),
        ("aurora config check conf", "aurora config check config.yaml "),
    ] {
        for shell in ["bash", "zsh"] {
            assert_eq!(shells.typed(shell, typed).1, completed, "{shell}");
        }
    }
    for shell in ["bash", "zsh"] {
        let (shown, _) = shells.typed(shell, "aurora metrics probe --");
        for option in OPTIONS_OF_PROBE {
            assert!(shown.contains(&format!("{option} ")), "{shell}: {option} in {shown}");
        }
    }
}

#[test]
fn a_program_below_the_home_folder_completes_its_own_commands() {
    let shells = Shells::new();
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_aurora"), shells.0.path().join("aurora")).expect("a link");
    for shell in ["bash", "zsh"] {
        assert_eq!(shells.typed(shell, "~/aurora met").1, "~/aurora metrics ", "{shell}");
    }
    assert_eq!(shells.fish("~/aurora met"), ["metrics"]);
}

#[test]
fn names_with_the_characters_of_a_shell_are_inserted_as_text() {
    let shells = Shells::new();
    let filter = |rest: &str| format!("aurora metrics probe --filter {rest}");
    for (typed, completed) in [
        ("it", r"it\'s\ a\ \`touch\ ran\` "),
        ("'it", r"'it'\''s a `touch ran`' "),
        ("a\\;", r"a\;touch\ ran "),
        // As a pattern that matches it.
        ("\\\\", r"\\\$\\\(touch\ ran\\\) "),
    ] {
        for shell in ["bash", "zsh"] {
            assert_eq!(shells.typed(shell, &filter(typed)).1, filter(completed), "{shell}");
        }
    }
    let names = shells.fish("aurora metrics probe --require 'aurora_tokens_total{model=");
    let expected = ["$(touch ran)", "a;touch ran", "it's a `touch ran`", "llama3:8b", "quick", "qwen-2.5"];
    assert_eq!(names, expected.map(|name| format!("aurora_tokens_total{{model=\"{name}\"}}")));
    let files: Vec<_> =
        std::fs::read_dir(&shells.0).expect("the folder").map(|it| it.expect("a file").file_name()).collect();
    assert!(!files.iter().any(|name| name == "ran"), "a name was executed: {files:?}");
}

#[test]
fn fish_completes_commands_options_values_and_names() {
    let shells = Shells::new();
    assert_eq!(shells.fish("aurora met"), ["metrics"]);
    let options = shells.fish("aurora metrics probe --");
    for option in OPTIONS_OF_PROBE {
        assert!(options.iter().any(|offered| offered == option), "{options:?}");
    }
    assert_eq!(shells.fish("aurora metrics probe --format "), ["json", "raw", "text"]);
    assert_eq!(shells.fish("aurora metrics probe --format=j"), ["--format=json"]);
    assert_eq!(shells.fish("aurora metrics probe --filter qw"), ["qwen-2.5"]);
    assert_eq!(shells.fish("aurora metrics probe --filter la"), ["lab"]);
    assert_eq!(shells.fish("aurora config check conf"), ["config.yaml"]);
}

#[test]
fn completion_is_silent_without_a_usable_configuration() {
    let shells = Shells::new();
    std::fs::write(shells.0.path().join("config.yaml"), "providers: [").expect("a file");
    assert_eq!(shells.fish("aurora metrics probe --filter qw"), [""; 0]);
    assert_eq!(shells.typed("zsh", "aurora metrics pro").1, "aurora metrics probe ");
}

#[test]
fn man_pages_have_no_fault_that_mandoc_knows() {
    let mut mandoc = program("mandoc", "mandoc");
    let pages = std::fs::read_dir(format!("{ROOT}/man")).expect("the folder");
    let mut count = 0;
    mandoc.args(["-Tlint", "-Wstyle"]);
    for page in pages {
        mandoc.arg(page.expect("a page").path());
        count += 1;
    }
    assert!(count > 10, "{count} pages");
    let output = mandoc.output().expect("mandoc runs");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert!(output.status.success());
}
