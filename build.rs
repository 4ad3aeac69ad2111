//! Tells the crate which commit and compiler it is built from.

use std::ffi::OsString;
use std::path::Path;
use std::process::Command;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rustc-env=AURORA_REVISION={}", revision().unwrap_or_else(|| "unknown".to_owned()));
    println!("cargo:rustc-env=AURORA_RUSTC={}", compiler().unwrap_or_else(|| "unknown".to_owned()));
}

/// The commit of this very repository; a copy of the source inside somebody else's repository has none.
fn revision() -> Option<String> {
    let below_the_root = git(&["rev-parse", "--show-prefix"])?;
    if !below_the_root.is_empty() {
        return None;
    }
    watch_head();
    git(&["rev-parse", "--short=12", "HEAD"])
}

/// HEAD names a branch, the branch's file or packed-refs its commit; HEAD's log moves with every commit as well.
fn watch_head() {
    let branch = git(&["symbolic-ref", "-q", "HEAD"]);
    for name in ["HEAD", "logs/HEAD", "packed-refs"].into_iter().chain(branch.as_deref()) {
        match git(&["rev-parse", "--git-path", name]) {
            Some(path) if Path::new(&path).exists() => println!("cargo:rerun-if-changed={path}"),
            _ => {}
        }
    }
}

fn compiler() -> Option<String> {
    #[expect(clippy::disallowed_methods, reason = "how cargo names the compiler to a build script")]
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| OsString::from("rustc"));
    let line = output(Command::new(rustc).arg("--version"))?;
    line.split_whitespace().nth(1).map(str::to_owned)
}

fn git(arguments: &[&str]) -> Option<String> {
    output(Command::new("git").args(arguments))
}

fn output(command: &mut Command) -> Option<String> {
    let output = command.output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8(output.stdout).ok()?.trim().to_owned())
}
