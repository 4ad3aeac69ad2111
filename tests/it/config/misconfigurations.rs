//! Misconfigurations as people make them, and what `aurora config check` prints about each.
//!
//! Each file of `testdata/misconfigurations` is one: a line that describes it, then sections after `== NAME`: files by
//! their name, `environment`, `arguments`, and `output` with the points that the output earns: `what` is wrong, `where`
//! it is, how to `mend` it. `works` stands for an input that is only unusual. `<TAB>`, `<CR>` and `<BOM>` are characters.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

const FOLDER: &str = "tests/it/testdata/misconfigurations";
const POINTS: [&str; 3] = ["what", "where", "mend"];

struct Case {
    name: String,
    folder: tempfile::TempDir,
    environment: Vec<(String, String)>,
    arguments: Vec<String>,
    points: Vec<String>,
    output: String,
}

impl Case {
    fn read(file: &Path) -> Self {
        let text = fs::read_to_string(file).expect("a text");
        let mut case = Self {
            name: file.file_stem().expect("a name").display().to_string(),
            folder: tempfile::tempdir().expect("a folder"),
            environment: Vec::new(),
            arguments: Vec::new(),
            points: Vec::new(),
            output: String::new(),
        };
        for section in text.split("\n== ").skip(1) {
            let (title, content) = section.split_once('\n').unwrap_or((section, ""));
            case.take(title, content);
        }
        case
    }

    fn take(&mut self, title: &str, content: &str) {
        let words = |text: &str| text.split_whitespace().map(str::to_owned).collect();
        match title.split_once(' ').unwrap_or((title, "")) {
            ("output", points) => {
                self.points = words(points);
                content.clone_into(&mut self.output);
            }
            ("arguments", _) => self.arguments = words(content),
            ("environment", _) => {
                let variable = |line: &str| {
                    let (name, value) = line.split_once('=').expect("a variable");
                    (name.to_owned(), value.to_owned())
                };
                self.environment = content.lines().map(variable).collect();
            }
            (file, _) => {
                let text = content.replace("<TAB>", "\t").replace("<CR>", "\r").replace("<BOM>", "\u{feff}");
                let end = if text.is_empty() { "" } else { "\n" };
                let path = self.folder.path().join(file);
                fs::write(&path, text.trim_end_matches('\n').to_owned() + end).expect("a file");
                fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("permissions");
            }
        }
    }

    /// What `config check` prints, without the lines that change with every new metric family or setting.
    fn printed(&self) -> String {
        let output = Command::new(env!("CARGO_BIN_EXE_aurora"))
            .args(["config", "check"])
            .args(&self.arguments)
            .env_clear()
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .output()
            .expect("aurora runs");
        let text = String::from_utf8([output.stdout, output.stderr].concat()).expect("UTF-8");
        let is_stable =
            |line: &&str| !line.starts_with("maximum ") && !line.contains(" at the default; --all shows");
        text.split_inclusive('\n').filter(is_stable).collect()
    }
}

#[test]
fn every_misconfiguration_is_explained_and_can_be_mended() {
    let mut files: Vec<_> =
        fs::read_dir(FOLDER).expect("the folder").map(|entry| entry.expect("an entry").path()).collect();
    files.sort();
    let (mut cases, mut score) = (0, 0);
    for file in files {
        let case = Case::read(&file);
        assert_eq!(case.printed(), case.output, "{}", case.name);
        if case.points == ["works"] {
            assert!(case.output.ends_with("valid: 0 errors, 0 warnings\n"), "{}", case.name);
            continue;
        }
        assert!(case.points.iter().all(|point| POINTS.contains(&point.as_str())), "{}", case.name);
        cases += 1;
        score += case.points.len();
    }
    assert!(cases >= 90, "only {cases} misconfigurations");
    // 138 of 141 is the aim for 47 of them.
    assert!(score * 141 >= cases * 3 * 138, "{score} of {}", cases * 3);
}
