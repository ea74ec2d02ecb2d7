//! What this process uses of the machine.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// The processor time of this process so far.
pub fn cpu() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(
        time.tv_sec.unsigned_abs(),
        u32::try_from(time.tv_nsec).unwrap_or(0),
    )
}

/// How much memory this process holds, in bytes; 0 where the system does not say.
pub fn memory() -> usize {
    memory_stats::memory_stats().map_or(0, |stats| stats.physical_mem)
}
