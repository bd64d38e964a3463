//! What the process knows about itself, read whenever it is asked.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use prometheus::GaugeVec;

use super::super::{Doing, Health, Progress};
use super::registrar::{Gauge, Registrar};

#[derive(Debug)]
pub(super) struct ProcessMetrics {
    health: Health,
    progress: Progress,
    is_ready: Gauge,
    is_live: Gauge,
    parts: GaugeVec,
    is_consuming: Gauge,
    silence: GaugeVec,
    resident: Gauge,
    open_files: Gauge,
}

impl ProcessMetrics {
    pub(super) fn new(registrar: &mut Registrar, health: Health, progress: Progress) -> Self {
        let build = registrar.gauges("creditd_build_info", &["version"], "1, with the version of creditd.");
        build.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1.0);
        let started = registrar.gauge(
            "process_start_time_seconds",
            "When the process started, in seconds since 1970-01-01T00:00:00Z.",
        );
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        started.set(now.as_secs_f64());
        Self {
            health,
            progress,
            is_ready: registrar.gauge(
                "creditd_ready",
                "1 where both servers are reached and this instance consumes or stands by, else 0; as /readyz says.",
            ),
            is_live: registrar.gauge(
                "creditd_live",
                "1 where all loops move, else 0; as /livez says. A server that is away stops no loop.",
            ),
            parts: registrar.gauges(
                "creditd_part_ok",
                &["part"],
                "1 where this part of the daemon does its work or stands by, 0 while it starts, waits for a server or \
                 is refused by one.",
            ),
            is_consuming: registrar.gauge(
                "creditd_consuming",
                "1 where messages come to this instance. 0 while it stands by: another one was consuming when it \
                 connected, and nothing was delivered since.",
            ),
            silence: registrar.gauges(
                "creditd_loop_silent_seconds",
                &["loop"],
                "For how long a loop has given no sign of life. It is stuck after `database.lock_timeout_s` and three \
                 times `statement_timeout_s`, 100 s by default, 60 s at least.",
            ),
            resident: registrar.gauge("process_resident_memory_bytes", "Memory of the process that is in RAM."),
            open_files: registrar.gauge("process_open_fds", "Files and sockets that the process has open."),
        }
    }

    /// Reads them anew.
    pub(super) fn refresh(&self) {
        let readiness = self.health.readiness();
        self.is_ready.set(zero_or_one(readiness.status.is_ok()));
        let parts = &readiness.parts;
        for (name, part) in [("intake", &parts.intake), ("ledger", &parts.ledger), ("relay", &parts.relay)] {
            self.parts.with_label_values(&[name]).set(zero_or_one(part.status.is_ok()));
        }
        self.is_consuming.set(zero_or_one(parts.intake.state == Doing::Consuming.name()));
        let now = Instant::now();
        self.is_live.set(zero_or_one(self.progress.liveness(now).status.is_ok()));
        // A loop that has ended is no longer silent.
        self.silence.reset();
        for (name, silent_for) in self.progress.silence(now) {
            self.silence.with_label_values(&[name]).set(silent_for.as_secs_f64());
        }
        match resident_bytes() {
            Some(bytes) => self.resident.set(bytes),
            None => self.resident.forget(),
        }
        match open_files() {
            Some(count) => self.open_files.set(count),
            None => self.open_files.forget(),
        }
    }
}

fn zero_or_one(is_so: bool) -> f64 {
    f64::from(u8::from(is_so))
}

/// By proc(5), which gives it in units of 1024 bytes.
fn resident_bytes() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u32 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(f64::from(kibibytes) * 1024.0)
}

/// Without the one that looks.
fn open_files() -> Option<f64> {
    let count = std::fs::read_dir("/proc/self/fd").ok()?.count();
    u32::try_from(count.saturating_sub(1)).ok().map(f64::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_and_files_are_those_of_this_process() {
        let ballast = vec![1_u8; 64 << 20];
        let resident = resident_bytes().unwrap();
        assert!(resident >= f64::from(64 << 20), "{resident}");
        assert!(ballast.iter().all(|byte| *byte == 1));
        assert!(open_files().unwrap() >= 3.0);
    }
}
