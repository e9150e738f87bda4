//! The metrics of this process, under the names that all Prometheus clients use.

use std::fmt;

use procfs::process::{LimitValue, Process};
use prometheus_client::encoding::DescriptorEncoder;

use super::family::{counter, gauge};

/// Writes the `process_*` families; what `/proc` does not tell is left out.
pub(super) fn encode(encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
    let Ok(me) = Process::myself() else { return Ok(()) };
    if let Ok(stat) = me.stat() {
        let ticks = procfs::ticks_per_second() as f64;
        let cpu = (stat.utime + stat.stime) as f64 / ticks;
        counter(encoder, "process_cpu_seconds", "Total user and system CPU time spent in seconds", &[([], cpu)])?;
        gauge(encoder, "process_threads", "Number of OS threads", &[([], stat.num_threads)])?;
        gauge(encoder, "process_virtual_memory_bytes", "Virtual memory size in bytes", &[([], stat.vsize)])?;
        let resident = stat.rss * procfs::page_size();
        gauge(encoder, "process_resident_memory_bytes", "Resident memory size in bytes", &[([], resident)])?;
        if let Ok(boot) = procfs::boot_time_secs() {
            let start = boot as f64 + stat.starttime as f64 / ticks;
            let help = "Start time of the process since the epoch in seconds";
            gauge(encoder, "process_start_time_seconds", help, &[([], start)])?;
        }
    }
    if let Ok(open) = me.fd_count() {
        gauge(encoder, "process_open_fds", "Number of open file descriptors", &[([], open as u64)])?;
    }
    if let Ok(limits) = me.limits() {
        // An unlimited number is shown as the largest, as other clients do.
        let most = match limits.max_open_files.soft_limit {
            LimitValue::Value(most) => most as f64,
            LimitValue::Unlimited => u64::MAX as f64,
        };
        gauge(encoder, "process_max_fds", "Maximum number of open file descriptors", &[([], most)])?;
    }
    Ok(())
}
