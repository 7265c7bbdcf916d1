//! What the machine says of this process and of the disk, looked up when somebody asks. Linux tells it in files.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;

use super::{counter, gauge};

/// What Linux counts processor time in, whatever its own clock is (`USER_HZ`).
const TICKS_PER_S: u64 = 100;

/// The process's and the disk's metrics.
#[derive(Debug)]
pub struct Machine {
    /// The data folder.
    pub data: PathBuf,
}

impl Collector for Machine {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        if let Some(seconds) = cpu_seconds() {
            counter(&mut encoder, "process_cpu_seconds", "Processor time of the server, without its engines", seconds)?;
        }
        let rows = [
            (
                "process_resident_memory_bytes",
                "Memory of the server, without its engines",
                resident_bytes(std::process::id()),
            ),
            ("process_open_fds", "Files and sockets that the server has open", open_descriptors()),
            ("process_max_fds", "Files and sockets that it may have open", descriptors_max()),
            ("process_start_time_seconds", "When the server started, in seconds since 1970", started()),
            ("dure_database_bytes", "Bytes of the database and its log", database_bytes(&self.data)),
            ("dure_disk_free_bytes", "Bytes left on the disk that holds the data folder", free_bytes(&self.data)),
        ];
        for (name, help, value) in rows {
            if let Some(value) = value {
                gauge(&mut encoder, name, help, value as f64)?;
            }
        }
        Ok(())
    }
}

/// Bytes that a process has in memory.
pub fn resident_bytes(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kibibytes << 10)
}

/// Bytes that are left for us on the disk that holds a folder.
pub fn free_bytes(folder: &Path) -> Option<u64> {
    let disk = rustix::fs::statvfs(folder).ok()?;
    Some(disk.f_bavail.saturating_mul(disk.f_frsize))
}

/// The fields of `/proc/self/stat` after the program's name, which may hold anything.
fn stat() -> Option<Vec<u64>> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    let (_, fields) = stat.rsplit_once(") ")?;
    Some(fields.split_whitespace().map(|field| field.parse().unwrap_or(0)).collect())
}

fn cpu_seconds() -> Option<f64> {
    let stat = stat()?;
    Some((stat.get(11)? + stat.get(12)?) as f64 / TICKS_PER_S as f64)
}

fn started() -> Option<u64> {
    let since_boot = stat()?.get(19)? / TICKS_PER_S;
    let boot = fs::read_to_string("/proc/stat").ok()?;
    let boot: u64 = boot.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()?;
    Some(boot + since_boot)
}

fn open_descriptors() -> Option<u64> {
    Some(fs::read_dir("/proc/self/fd").ok()?.count() as u64)
}

fn descriptors_max() -> Option<u64> {
    rustix::process::getrlimit(rustix::process::Resource::Nofile).current
}

fn database_bytes(data: &Path) -> Option<u64> {
    let bytes = |name: &str| fs::metadata(data.join(name)).map(|file| file.len());
    Some(bytes("dure.db").ok()? + bytes("dure.db-wal").unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_tells_of_this_very_process() {
        assert!(resident_bytes(std::process::id()).is_some_and(|bytes| bytes > 1 << 20));
        assert!(cpu_seconds().is_some_and(|seconds| seconds >= 0.0));
        assert!(started().is_some_and(|started| started > 1_600_000_000));
        assert!(open_descriptors().is_some_and(|open| open > 2));
        assert!(free_bytes(Path::new("/")).is_some());
        assert_eq!((resident_bytes(0), database_bytes(Path::new("/nonexistent"))), (None, None));
    }
}
