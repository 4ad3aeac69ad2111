//! The memory that request bodies take, all together, and how much it may be.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;

use super::error::GatewayError;

/// Memory of a machine where it cannot be read.
const UNKNOWN_MACHINE: u64 = 2 << 30;

/// Bytes that bodies take now, process-wide.
#[derive(Debug, Default)]
pub(crate) struct BodyMemory(AtomicUsize);

/// The part of it that one body takes, until it is dropped.
#[derive(Debug)]
pub(crate) struct Reservation {
    memory: Arc<BodyMemory>,
    limit: usize,
    size: usize,
}

/// A body, whose part ends with the last slice of it.
struct Held<T> {
    bytes: T,
    _reservation: Reservation,
}

impl Reservation {
    /// Nothing yet, of `limit` bytes for all.
    pub(crate) fn of(memory: &Arc<BodyMemory>, limit: usize) -> Self {
        Self { memory: Arc::clone(memory), limit, size: 0 }
    }

    /// Bytes that it takes.
    pub(crate) fn size(&self) -> usize {
        self.size
    }

    /// Takes so many bytes instead of what it took before, or refuses where all together would be over the limit.
    pub(crate) fn resize(&mut self, size: usize) -> Result<(), GatewayError> {
        let total = &self.memory.0;
        if let Some(more) = size.checked_sub(self.size) {
            let before = total.fetch_add(more, Ordering::Relaxed);
            if before.saturating_add(more) > self.limit {
                total.fetch_sub(more, Ordering::Relaxed);
                return Err(GatewayError::NO_BODY_MEMORY);
            }
        } else {
            total.fetch_sub(self.size - size, Ordering::Relaxed);
        }
        self.size = size;
        Ok(())
    }

    /// Lasts as long as any slice of these bytes.
    pub(crate) fn hold(self, bytes: impl AsRef<[u8]> + Send + 'static) -> Bytes {
        Bytes::from_owner(Held { bytes, _reservation: self })
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.memory.0.fetch_sub(self.size, Ordering::Relaxed);
    }
}

impl<T: AsRef<[u8]>> AsRef<[u8]> for Held<T> {
    fn as_ref(&self) -> &[u8] {
        self.bytes.as_ref()
    }
}

/// The limit where none is configured: a quarter of the memory that this process may take, but room for one body.
pub(crate) fn default_limit(body_size_limit: usize) -> usize {
    let quarter = available(Path::new("/")) / 4;
    usize::try_from(quarter).unwrap_or(usize::MAX).max(body_size_limit)
}

/// The least of the machine's memory and the limits of this process's control groups (version 2 and 1) up to their root.
fn available(root: &Path) -> u64 {
    let meminfo = read(&root.join("proc/meminfo"));
    let kibibytes = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:")?.trim().split(' ').next());
    let machine =
        kibibytes.and_then(|size| size.parse::<u64>().ok()).map_or(UNKNOWN_MACHINE, |size| size << 10);
    let groups = read(&root.join("proc/self/cgroup"));
    let mut least = machine;
    for line in groups.lines() {
        least = least.min(limit_of_group(root, line).unwrap_or(u64::MAX));
    }
    least
}

/// The least limit of one line of `/proc/self/cgroup` up to the root of the hierarchy; `None` where there is none.
fn limit_of_group(root: &Path, line: &str) -> Option<u64> {
    let mut parts = line.splitn(3, ':').skip(1);
    let (controllers, group) = (parts.next()?, parts.next()?);
    let (mount, file) = match controllers {
        "" => ("sys/fs/cgroup", "memory.max"),
        _ if controllers.split(',').any(|name| name == "memory") => {
            ("sys/fs/cgroup/memory", "memory.limit_in_bytes")
        }
        _ => return None,
    };
    let places = Path::new(group.trim_start_matches('/')).ancestors();
    let limits = places.map(|group| read(&root.join(mount).join(group).join(file)));
    // `max` is no number.
    limits.filter_map(|limit| limit.trim().parse::<u64>().ok()).min()
}

/// The text of a file, empty where it cannot be read.
fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine(files: &[(&str, &str)]) -> u64 {
        let folder = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        available(folder.path())
    }

    #[test]
    fn the_least_limit_on_the_way_to_the_root_counts() {
        let total = ("proc/meminfo", "MemTotal:        8388608 kB\nMemFree: 1 kB\n");
        let v2 = ("proc/self/cgroup", "0::/a/b\n");
        let v1 = ("proc/self/cgroup", "5:cpu:/x\n4:hugetlb,memory:/docker/c\n0::/\n");
        assert_eq!(machine(&[]), UNKNOWN_MACHINE);
        assert_eq!(machine(&[total]), 8 << 30);
        assert_eq!(machine(&[total, v2]), 8 << 30);
        assert_eq!(machine(&[total, v2, ("sys/fs/cgroup/a/b/memory.max", "max\n")]), 8 << 30);
        let parents = [
            total,
            v2,
            ("sys/fs/cgroup/a/b/memory.max", "1073741824\n"),
            ("sys/fs/cgroup/a/memory.max", "536870912\n"),
            ("sys/fs/cgroup/memory.max", "max\n"),
        ];
        assert_eq!(machine(&parents), 512 << 20);
        // In a container the group's path may not be there, but its limit is at the root.
        assert_eq!(machine(&[total, v2, ("sys/fs/cgroup/memory.max", "268435456\n")]), 256 << 20);
        let limit = ("sys/fs/cgroup/memory/memory.limit_in_bytes", "134217728\n");
        assert_eq!(machine(&[total, v1, limit]), 128 << 20);
        let none = ("sys/fs/cgroup/memory/docker/c/memory.limit_in_bytes", "9223372036854771712\n");
        assert_eq!(machine(&[total, v1, none]), 8 << 30);
    }

    #[test]
    fn a_reservation_releases_its_bytes_with_the_last_slice() {
        let memory = Arc::<BodyMemory>::default();
        let mut first = Reservation::of(&memory, 100);
        first.resize(60).unwrap();
        let mut second = Reservation::of(&memory, 100);
        assert!(second.resize(41).is_err());
        second.resize(40).unwrap();
        assert_eq!(memory.0.load(Ordering::Relaxed), 100);
        first.resize(10).unwrap();
        let bytes = first.hold(vec![1; 10]);
        let slice = bytes.slice(2..3);
        drop((bytes, second));
        assert_eq!(memory.0.load(Ordering::Relaxed), 10);
        drop(slice);
        assert_eq!(memory.0.load(Ordering::Relaxed), 0);
    }
}
