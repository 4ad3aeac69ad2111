//! `aurora config init`: the files it writes, and what it leaves alone.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use tempfile::TempDir;

const SECRET: &str = "sk-a-secret-of-the-tests";

/// Exit code, stdout and stderr of `aurora config init`.
fn init(folder: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> (Option<i32>, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_aurora"));
    command.args(["config", "init"]).args(arguments).env_clear().envs(variables.iter().copied());
    let output = command.current_dir(folder).stdin(Stdio::null()).output().expect("aurora runs");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    (output.status.code(), text(output.stdout), text(output.stderr))
}

fn read(folder: &TempDir, name: &str) -> String {
    fs::read_to_string(folder.path().join(name)).unwrap_or_default()
}

fn mode(folder: &TempDir, name: &str) -> u32 {
    fs::metadata(folder.path().join(name)).expect("the file").permissions().mode() & 0o777
}

#[test]
fn keys_of_the_environment_become_providers() {
    let folder = TempDir::new().expect("a temporary folder");
    let variables = [
        ("OPENAI_API_KEY", SECRET),
        ("OPENAI_EAST_API_KEY", SECRET),
        ("AZURE_API_KEY", SECRET),
        ("AZURE_BASE_URL", "https://a.example"),
        ("AZURE_MODELS", "gpt-4o,o3"),
        ("UNRELATED_API_KEY", SECRET),
    ];
    let (code, stdout, stderr) = init(folder.path(), &[], &variables);
    assert_eq!((code, stderr.as_str()), (Some(0), ""), "{stdout}");
    let written = format!(
        "wrote ./.env, readable only by you: AURORA_MASTER_KEY, the key of clients\n\
         wrote ./config.yaml: azure, openai, openai-east\n\
         start it with: {} serve\n\n",
        env!("CARGO_BIN_EXE_aurora")
    );
    assert!(stdout.starts_with(&written), "{stdout}");
    assert!(stdout.ends_with("\nvalid: 0 errors, 0 warnings\n"), "{stdout}");

    let yaml = read(&folder, "config.yaml");
    let providers = "\nproviders:\n  azure:\n    type: azure\n    api_key: ${AZURE_API_KEY}\n    base_url: \
                     \"https://a.example\"\n    models: [\"gpt-4o\",\"o3\"]\n  openai:\n    type: openai\n    \
                     api_key: ${OPENAI_API_KEY}\n  openai-east:\n    type: openai\n    api_key: \
                     ${OPENAI_EAST_API_KEY}\n\n";
    assert!(yaml.contains(providers) && yaml.contains("  master_key: ${AURORA_MASTER_KEY}\n"), "{yaml}");
    let env = read(&folder, ".env");
    let key = env.lines().find_map(|line| line.strip_prefix("AURORA_MASTER_KEY=")).expect("a key");
    assert!(key.len() == 64 && key.bytes().all(|byte| byte.is_ascii_hexdigit()), "{key}");
    assert_eq!((mode(&folder, ".env"), mode(&folder, "config.yaml")), (0o600, 0o600));
    for text in [&yaml, &env, &stdout] {
        assert!(!text.contains(SECRET), "{text}");
    }
    assert!(!stdout.contains(key), "{stdout}");
}

#[test]
fn two_runs_make_two_keys() {
    let [one, two] = [(); 2].map(|()| {
        let folder = TempDir::new().expect("a temporary folder");
        init(folder.path(), &[], &[]);
        read(&folder, ".env")
    });
    assert_ne!(one, two);
}

#[test]
fn a_folder_is_created_and_its_start_command_works() {
    let folder = TempDir::new().expect("a temporary folder");
    let (code, stdout, _) = init(folder.path(), &["--dir", "a b/c"], &[]);
    assert_eq!(code, Some(0), "{stdout}");
    assert!(stdout.contains("\nwrote a b/c/config.yaml: no provider, for no key was found\n"), "{stdout}");
    let start = stdout.lines().find_map(|line| line.strip_prefix("start it with: ")).expect("a command");
    let check = start.replace(" serve", " config check");
    let output =
        Command::new("/bin/sh").args(["-c", &check]).current_dir(folder.path()).output().expect("a shell");
    let printed = String::from_utf8(output.stdout).expect("UTF-8");
    assert!(printed.contains("server.master_key  set (64 characters)  .env:3"), "{check}: {printed}");
}

#[test]
fn existing_files_are_never_changed() {
    let folder = TempDir::new().expect("a temporary folder");
    fs::write(folder.path().join("config.yaml"), "mine").expect("a file");
    let (code, stdout, stderr) = init(folder.path(), &[], &[("OPENAI_API_KEY", SECRET)]);
    let refused = "aurora: error: ./config.yaml exists and is not overwritten; run `aurora config check` to see what \
                   it says\n";
    assert_eq!((code, stdout.as_str(), stderr.as_str()), (Some(1), "", refused));
    assert_eq!((read(&folder, "config.yaml").as_str(), read(&folder, ".env").as_str()), ("mine", ""));

    let folder = TempDir::new().expect("a temporary folder");
    let mine = format!("GROQ_API_KEY={SECRET}\n");
    fs::write(folder.path().join(".env"), &mine).expect("a file");
    let (code, stdout, _) = init(folder.path(), &[], &[]);
    assert!(code == Some(0) && stdout.starts_with("wrote ./config.yaml: groq\n"), "{stdout}");
    assert_eq!(read(&folder, ".env"), mine);
    let yaml = read(&folder, "config.yaml");
    assert!(yaml.contains("    api_key: ${GROQ_API_KEY}\n"), "{yaml}");
    assert!(yaml.contains("  master_key: ${AURORA_MASTER_KEY:-}\n"), "{yaml}");
}

/// Without it, `config.yaml` would have no provider although a key is set, and stand in the way of the next try.
#[test]
fn nothing_is_written_while_a_variable_is_wrong() {
    let folder = TempDir::new().expect("a temporary folder");
    let variables = [("PORT", "many"), ("OPENAI_API_KEY", SECRET)];
    let (code, stdout, stderr) = init(folder.path(), &["--dir", "new"], &variables);
    let expected = "aurora: error: environment PORT: server.port: invalid value (got \"many\", expected a port from 1 to \
                    65535); write for example 8080 [bad-value]\n\
                    aurora: error: nothing is written: correct the variables first\n";
    assert_eq!((code, stdout.as_str(), stderr.as_str()), (Some(1), "", expected));
    assert_eq!(fs::read_dir(folder.path()).expect("the folder").count(), 0);
}

#[test]
fn values_of_variables_are_written_as_they_are() {
    let folder = TempDir::new().expect("a temporary folder");
    let variables = [("OLLAMA_BASE_URL", "http://localhost:1/$$v1"), ("OLLAMA_MODELS", "a,${b},c$$d,\"e")];
    let (code, stdout, _) = init(folder.path(), &[], &variables);
    assert_eq!(code, Some(0), "{stdout}");
    let mut check = Command::new(env!("CARGO_BIN_EXE_aurora"));
    check.args(["config", "check"]).env_clear().current_dir(folder.path());
    let output = check.output().expect("aurora runs");
    let printed = String::from_utf8(output.stdout).expect("UTF-8");
    let provider =
        "\nprovider ollama  ollama at http://localhost:1/$$v1, no key, models a, ${b}, c$$d, \"e\n";
    assert!(printed.contains(provider), "{printed}");
}

#[test]
fn a_configured_key_is_not_replaced() {
    let folder = TempDir::new().expect("a temporary folder");
    let (code, stdout, _) = init(folder.path(), &[], &[("AURORA_MASTER_KEY", "a-key-of-the-tests-1")]);
    assert!(code == Some(0) && stdout.starts_with("wrote ./config.yaml: "), "{stdout}");
    assert_eq!(read(&folder, ".env"), "");
    assert!(read(&folder, "config.yaml").contains("  master_key: ${AURORA_MASTER_KEY}\n"));
}
