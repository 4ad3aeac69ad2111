//! Rewrites every generated file of the repository: `cargo run --example generate`.

use std::path::Path;
use std::{fs, io};

use aurora::cli::generated;

fn main() -> io::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for folder in generated::FOLDERS {
        match fs::remove_dir_all(root.join(folder)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => fs::create_dir(root.join(folder))?,
        }
    }
    for file in generated::files() {
        fs::write(root.join(file.path), file.contents)?;
    }
    Ok(())
}
