//! Man pages: as `clap_mangen` renders them, with examples as they are written, and tidied for `mandoc -Tlint`.

use clap::Command;
use clap_mangen::Man;

use super::generated::GeneratedFile;

/// Date of the release, which the footer shows; it changes with the version.
const DATE: &str = "2026-11-27";

/// Longest line of the source, in bytes.
const MAX_LINE: usize = 80;

/// The pages of a command and of those below it.
pub(super) fn pages(command: &Command) -> Vec<GeneratedFile> {
    let mut files: Vec<GeneratedFile> = command.get_subcommands().flat_map(pages).collect();
    let source = format!("aurora {}", crate::version::VERSION);
    let name = command.get_display_name().unwrap_or_else(|| command.get_name());
    let page =
        Man::new(command.clone()).title(name.to_uppercase()).date(DATE).source(source).manual("Aurora");
    let mut roff = Vec::new();
    page.render(&mut roff).unwrap_or_else(|error| unreachable!("a vector takes any write: {error}"));
    let contents = tidy(&String::from_utf8_lossy(&roff));
    files.push(GeneratedFile { path: format!("man/{name}.1"), contents });
    files
}

fn tidy(roff: &str) -> String {
    let mut out: Vec<String> = Vec::new();
    let mut lines = roff.lines().map(str::trim_end).peekable();
    while let Some(line) = lines.next() {
        match line {
            // The text after the help begins with examples.
            ".SH EXTRA" if lines.next_if_eq(&"Examples:").is_some() => {
                out.push(".SH EXAMPLES\n.nf".to_owned());
                while let Some(example) = lines.next_if(|line| line.starts_with(' ')) {
                    out.push(example.trim_start().to_owned());
                }
                out.push(".fi".to_owned());
                if lines.next_if_eq(&"").is_some() {
                    out.push(".SH NOTES".to_owned());
                }
            }
            ".br" if lines.peek() == Some(&"") || out.last().is_some_and(|last| last == ".sp") => {}
            "" => out.push(".sp".to_owned()),
            _ if line.starts_with('.') => out.push(line.to_owned()),
            _ => wrap(line, &mut out),
        }
    }
    out.join("\n") + "\n"
}

/// Breaks a line at spaces; the page is filled, so that it looks the same.
fn wrap(line: &str, out: &mut Vec<String>) {
    let mut piece = String::new();
    for word in line.split(' ') {
        if !piece.is_empty() && piece.len() + 1 + word.len() > MAX_LINE {
            out.push(std::mem::take(&mut piece));
            // A line that begins with a dot or a quote is a request.
            if word.starts_with(['.', '\'']) {
                piece.push_str("\\&");
            }
        } else if !piece.is_empty() {
            piece.push(' ');
        }
        piece.push_str(word);
    }
    out.push(piece);
}
