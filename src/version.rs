//! Version of this build.

/// The release, from Cargo.toml.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The commit it was built from, 12 hexadecimal digits; `unknown` outside a git checkout.
pub const REVISION: &str = env!("AURORA_REVISION");

/// The version of the compiler that built it.
pub const RUSTC: &str = env!("AURORA_RUSTC");

/// Text that `-V` prints after the name.
pub const LINE: &str = concat!(
    env!("CARGO_PKG_VERSION"),
    " (commit ",
    env!("AURORA_REVISION"),
    ", rustc ",
    env!("AURORA_RUSTC"),
    ")"
);
