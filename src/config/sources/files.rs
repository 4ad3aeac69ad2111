//! Reads the files a configuration is made of, within limits.

use std::collections::BTreeSet;
use std::fs::{self, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use crate::config::problem::{Fault, Place};

/// Largest configuration file, in bytes.
const MAX_FILE: u64 = 1 << 20;

/// Paths of the configuration file when none is named.
pub(crate) const SEARCH: [&str; 3] = ["config.yaml", "config/config.yaml", "configs/config.yaml"];

/// Fault of a file that could not be read, with its place.
pub(crate) type Misread = Box<(Place, Fault)>;

/// The first configuration file that exists below `directory`, readable or not.
pub(crate) fn find(directory: &Path) -> Option<PathBuf> {
    SEARCH.iter().map(PathBuf::from).find(|path| !is_absent(&directory.join(path)))
}

/// True when the path does not exist; a dangling link does exist.
fn is_absent(path: &Path) -> bool {
    use io::ErrorKind::{NotADirectory, NotFound};
    path.symlink_metadata().is_err_and(|error| matches!(error.kind(), NotFound | NotADirectory))
}

/// The text of a file; `None` when there is none.
///
/// # Errors
/// Anything but a regular file, an unreadable or too large one, NUL or invalid UTF-8, each with its place in the file.
pub(crate) fn read(path: &Path, place: &Place) -> Result<Option<String>, Misread> {
    let bytes = match read_regular(path, MAX_FILE + 1) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound && is_absent(path) => return Ok(None),
        Err(error) => return Err(Box::new((place.clone(), unreadable(&error)))),
    };
    if bytes.len() as u64 > MAX_FILE {
        let fault = Fault::new("file-too-large", "is larger than 1 MiB", "name a configuration file");
        return Err(Box::new((place.clone(), fault)));
    }
    if let Some(nul) = bytes.iter().position(|byte| *byte == 0) {
        let fault = Fault::new("nul-byte", "contains a NUL byte", "save it as UTF-8 text");
        return Err(Box::new((place_of(place, &bytes[..nul]), fault)));
    }
    let text = match String::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
            let fault = Fault::new("not-utf8", "is not UTF-8", "save it as UTF-8 text");
            return Err(Box::new((place_of(place, valid), fault)));
        }
    };
    Ok(Some(text.strip_prefix('\u{feff}').unwrap_or(&text).to_owned()))
}

fn unreadable(error: &io::Error) -> Fault {
    match error.kind() {
        io::ErrorKind::NotFound => {
            Fault::new("dangling-link", "is a link to a file that does not exist", "correct the link")
        }
        io::ErrorKind::IsADirectory => Fault::new("is-directory", "is a directory", "name a file"),
        io::ErrorKind::InvalidInput => {
            Fault::new("not-a-file", "is not a regular file", "name a regular file")
        }
        _ => Fault::new("unreadable", format!("cannot be read ({error})"), "make it readable"),
    }
}

/// The first `limit` bytes of a regular file, links followed; `/dev/null` is taken for an empty one.
///
/// # Errors
/// Of the system; `IsADirectory` for a directory, `InvalidInput` for a FIFO, a socket or a device.
pub(crate) fn read_regular(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    // Without NONBLOCK, opening a FIFO waits for its writer, and every later reload with it.
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    let flags = flags.bits().cast_signed();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    let metadata = file.metadata()?;
    if metadata.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    if !metadata.is_file() && !is_null(&metadata) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
    }
    let mut bytes = Vec::new();
    file.take(limit).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// True for `/dev/null`, which is accepted as an empty file.
fn is_null(metadata: &fs::Metadata) -> bool {
    if !metadata.file_type().is_char_device() {
        return false;
    }
    fs::metadata("/dev/null").is_ok_and(|null| null.rdev() == metadata.rdev())
}

/// The position right after `before`.
fn place_of(place: &Place, before: &[u8]) -> Place {
    let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
    let in_line = before.rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
    place.at(line, Some(String::from_utf8_lossy(in_line).chars().count() + 1))
}

/// Files that hold a secret.
pub(crate) struct SecretFiles<'a> {
    /// Directory of relative paths.
    pub(crate) directory: &'a Path,
    /// Every file that was requested, with the place that names it.
    pub(crate) read: Vec<(Place, PathBuf)>,
}

impl SecretFiles<'_> {
    /// The secret that a file holds; the line end after it is not part of it.
    ///
    /// # Errors
    /// A file that is missing, unreadable or empty.
    pub(crate) fn read(&mut self, path: &str, named_at: &Place) -> Result<String, Fault> {
        let path = self.directory.join(path);
        self.read.push((named_at.clone(), path.clone()));
        read_secret(&path)
    }

    /// The file that is named there.
    pub(crate) fn named_at(&self, place: &Place) -> Option<&Path> {
        let (_, path) = self.read.iter().find(|(named_at, _)| named_at == place)?;
        Some(path)
    }

    /// Every file, once.
    pub(crate) fn into_paths(self) -> Vec<PathBuf> {
        let paths: BTreeSet<PathBuf> = self.read.into_iter().map(|(_, path)| path).collect();
        paths.into_iter().collect()
    }
}

fn read_secret(path: &Path) -> Result<String, Fault> {
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
        Err(misread) => {
            let (_, fault) = *misread;
            Err(Fault::new("secret-file", format!("{shown} {}", fault.message), fault.fix))
        }
    }
}

/// Checks a PEM file of certificates to trust.
///
/// # Errors
/// A file that is missing or unreadable, holds no certificate, or one that nothing can be verified with.
pub(crate) fn check_certificates(path: &Path) -> Result<(), Fault> {
    let text = match read(path, &Place::default_value()) {
        Ok(Some(text)) => text,
        Ok(None) => return Err(ca_fault(path, "does not exist", "create it or name another file")),
        Err(misread) => return Err(ca_fault(path, &misread.1.message, &misread.1.fix)),
    };
    let mut roots = RootCertStore::empty();
    let fix = "write certificates in PEM, each from -----BEGIN CERTIFICATE----- to its END line";
    for (index, certificate) in CertificateDer::pem_slice_iter(text.as_bytes()).enumerate() {
        let usable = certificate.is_ok_and(|certificate| roots.add(certificate).is_ok());
        if !usable {
            let what = format!("holds a certificate that cannot be read, number {}", index + 1);
            return Err(ca_fault(path, &what, fix));
        }
    }
    if roots.is_empty() {
        return Err(ca_fault(path, "holds no certificate", fix));
    }
    Ok(())
}

fn ca_fault(path: &Path, what: &str, fix: &str) -> Fault {
    Fault::new("ca-file", format!("{} {what}", path.display()), fix)
}

/// True when every user of the machine may read it.
pub(crate) fn is_world_readable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    path.metadata().is_ok_and(|metadata| metadata.permissions().mode() & 0o004 != 0)
}
