//! Reads the files a configuration is made of, within limits.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::problem::{Fault, Place};

/// Largest configuration file, in bytes.
const MAX_FILE: u64 = 1 << 20;

/// Where a configuration is looked for when nobody names one.
const SEARCH: [&str; 3] = ["config.yaml", "config/config.yaml", "configs/config.yaml"];

/// The first configuration file that exists below `directory`.
pub(super) fn find(directory: &Path) -> Option<PathBuf> {
    SEARCH.iter().map(PathBuf::from).find(|path| directory.join(path).exists())
}

/// The text of a file; `None` when there is none.
///
/// # Errors
/// A directory, an unreadable or too large file, NUL or invalid UTF-8, each with its place in the file.
pub(super) fn read(path: &Path, place: &Place) -> Result<Option<String>, (Place, Fault)> {
    let bytes = match read_bytes(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) if error.kind() == io::ErrorKind::IsADirectory => {
            return Err((place.clone(), Fault::new("is-directory", "is a directory", "name a file")));
        }
        Err(error) => {
            let fault = Fault::new("unreadable", format!("cannot be read ({error})"), "make it readable");
            return Err((place.clone(), fault));
        }
    };
    if bytes.len() as u64 > MAX_FILE {
        let fault = Fault::new("file-too-large", "is larger than 1 MiB", "name a configuration file");
        return Err((place.clone(), fault));
    }
    if let Some(nul) = bytes.iter().position(|byte| *byte == 0) {
        let fault = Fault::new("nul-byte", "contains a NUL byte", "save it as UTF-8 text");
        return Err((place_of(place, &bytes[..nul]), fault));
    }
    let text = String::from_utf8(bytes).map_err(|error| {
        let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        (place_of(place, valid), Fault::new("not-utf8", "is not UTF-8", "save it as UTF-8 text"))
    })?;
    Ok(Some(text.strip_prefix('\u{feff}').map_or_else(|| text.clone(), str::to_owned)))
}

fn read_bytes(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(MAX_FILE + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The position right after `before`.
fn place_of(place: &Place, before: &[u8]) -> Place {
    let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
    let start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1);
    place.at(line, Some(String::from_utf8_lossy(&before[start..]).chars().count() + 1))
}

/// The secret that a file holds; the line end after it is not part of it.
///
/// # Errors
/// A file that is missing, unreadable or empty.
pub(super) fn read_secret(path: &Path) -> Result<String, Fault> {
    let place = Place::default_value();
    let shown = path.display();
    match read(path, &place) {
        Ok(Some(text)) => {
            let secret = text.trim_end_matches(['\r', '\n']);
            if secret.is_empty() {
                return Err(Fault::new("secret-file", format!("{shown} is empty"), "write the key into it"));
            }
            Ok(secret.to_owned())
        }
        Ok(None) => Err(Fault::new(
            "secret-file",
            format!("{shown} does not exist"),
            "create it or name another file",
        )),
        Err((_, fault)) => Err(Fault::new("secret-file", format!("{shown} {}", fault.message), fault.fix)),
    }
}

/// Whether every user of the machine may read it.
pub(super) fn is_world_readable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    path.metadata().is_ok_and(|metadata| metadata.permissions().mode() & 0o004 != 0)
}
