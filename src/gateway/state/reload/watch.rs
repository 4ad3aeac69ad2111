//! Notices that files have changed, by looking at them.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// Files, each with its last state.
#[derive(Debug, Clone, Default)]
pub(crate) struct WatchedFiles {
    noted: Stamps,
    seen: Stamps,
}

type Stamps = BTreeMap<PathBuf, Option<Stamp>>;

/// Device, inode, size and times of the last change to the contents and to the inode (permissions too). Links are
/// followed, so that one that is pointed elsewhere, as Kubernetes does it, is a change.
type Stamp = (u64, u64, u64, [i64; 4]);

impl WatchedFiles {
    pub(crate) fn new(files: &[PathBuf]) -> Self {
        let noted = stamps(files);
        Self { seen: noted.clone(), noted }
    }

    /// True when a file is not what it was when it was noted, and holds still: a file that is just being written waits
    /// for the next look.
    pub(crate) fn have_changed(&mut self) -> bool {
        let now = stamps(self.noted.keys());
        let still = now == self.seen;
        self.seen = now;
        still && self.seen != self.noted
    }

    /// They are about to be read. Returns what was noted before.
    pub(crate) fn note(&mut self) -> Self {
        let before = self.clone();
        for (file, noted) in &mut self.noted {
            *noted = stamp(file);
        }
        before
    }

    /// They are these from now on. Those that were noted before they were read keep their note.
    pub(crate) fn watch(&mut self, files: &[PathBuf]) {
        let mut watched = Stamps::new();
        for file in files {
            let noted = match self.noted.get(file) {
                Some(noted) => *noted,
                None => stamp(file),
            };
            watched.insert(file.clone(), noted);
        }
        self.noted = watched;
    }
}

fn stamps<'a>(files: impl IntoIterator<Item = &'a PathBuf>) -> Stamps {
    files.into_iter().map(|file| (file.clone(), stamp(file))).collect()
}

/// `None` for a file that cannot be seen.
fn stamp(file: &Path) -> Option<Stamp> {
    let found = fs::metadata(file).ok()?;
    let times = [found.mtime(), found.mtime_nsec(), found.ctime(), found.ctime_nsec()];
    Some((found.dev(), found.ino(), found.size(), times))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_counts_once_it_holds_still() {
        let folder = tempfile::tempdir().unwrap();
        let (old, new, link) =
            (folder.path().join("old"), folder.path().join("new"), folder.path().join("link"));
        fs::write(&old, "one").unwrap();
        fs::write(&new, "two").unwrap();
        std::os::unix::fs::symlink(&old, &link).unwrap();
        let mut files = WatchedFiles::new(std::slice::from_ref(&link));
        assert!(!files.have_changed());
        let swap = folder.path().join("swap");
        std::os::unix::fs::symlink(&new, &swap).unwrap();
        fs::rename(&swap, &link).unwrap();
        assert!(!files.have_changed(), "it may not be whole yet");
        assert!(files.have_changed());
        files.note();
        files.watch(&[link.clone(), old.clone()]);
        assert!(!files.have_changed());
        fs::write(&new, "three").unwrap();
        assert!(!files.have_changed());
        assert!(files.have_changed());
        files.note();
        assert!(!files.have_changed());
        fs::remove_file(&old).unwrap();
        assert!(!files.have_changed());
        assert!(files.have_changed(), "a file that is gone has changed");
    }
}
