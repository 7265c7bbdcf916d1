//! How many threads compute: one for each physical core that this process may use.

use std::collections::BTreeSet;
use std::fs;
use std::thread::available_parallelism;

/// Physical cores that this process may use. Two hyperthreads share the units that models are computed with.
pub fn physical() -> u32 {
    let usable = available_parallelism().map_or(1, std::num::NonZero::get);
    let Ok(mask) = rustix::thread::sched_getaffinity(None) else { return u32::try_from(usable).unwrap_or(1) };
    let cores: BTreeSet<String> = (0..rustix::thread::CpuSet::MAX_CPU)
        .filter(|&cpu| mask.is_set(cpu))
        .filter_map(|cpu| {
            fs::read_to_string(format!("/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list")).ok()
        })
        .collect();
    let cores = if cores.is_empty() { usable } else { cores.len().min(usable) };
    u32::try_from(cores).unwrap_or(1)
}
