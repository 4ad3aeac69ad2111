//! The `aurora` program: see the library for everything.

use std::process::ExitCode;

use aurora::{cli, config::Environment};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    ExitCode::from(cli::run(std::env::args_os(), Environment::of_process()))
}
