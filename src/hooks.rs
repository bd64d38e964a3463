//! What tests of faults do to a process from within: have it die or stop at a point, or die of a message, set its clock,
//! and take its patience.
//! They write it into files of a directory that the process is told of by an environment variable, so that it can
//! happen in the midst of its work. A release build has none of this.

/// A point that work comes by, where a test may have the process die or stop. Its name says what was done last.
#[inline]
pub(crate) fn reached(point: &str) {
    #[cfg(debug_assertions)]
    for_tests::reached(point);
    #[cfg(not(debug_assertions))]
    let _ = point;
}

/// A message is about to be decoded, of which a test may have the process die.
#[inline]
pub(crate) fn decoding(body: &[u8]) {
    #[cfg(debug_assertions)]
    for_tests::decoding(body);
    #[cfg(not(debug_assertions))]
    let _ = body;
}

/// How far the clock is ahead of the machine's; less than nothing where it is behind.
#[inline]
pub(crate) fn clock_ahead() -> time::Duration {
    #[cfg(debug_assertions)]
    return for_tests::clock_ahead();
    #[cfg(not(debug_assertions))]
    time::Duration::ZERO
}

/// How soon a loop that doesn't move counts as stuck, where a test doesn't want to wait.
#[inline]
pub(crate) fn patience() -> Option<std::time::Duration> {
    #[cfg(debug_assertions)]
    return for_tests::patience();
    #[cfg(not(debug_assertions))]
    None
}

#[cfg(debug_assertions)]
mod for_tests {
    use std::fs;
    use std::path::{Path, PathBuf};
    use std::sync::OnceLock;

    use rustix::process::{Signal, getpid, kill_process};

    /// Names the directory. Files in it are looked at each time: `die_at` and `stop_at` have the name of a point and
    /// are removed by who dies or stops there; `die_of` has bytes that a message's body must not have; `clock_ahead_s` and `patience_s` have
    /// seconds.
    const VARIABLE: &str = "CREDITD_TEST_HOOKS";

    fn file(name: &str) -> Option<PathBuf> {
        static DIRECTORY: OnceLock<Option<PathBuf>> = OnceLock::new();
        let directory = DIRECTORY.get_or_init(|| std::env::var_os(VARIABLE).map(PathBuf::from));
        directory.as_deref().map(|directory: &Path| directory.join(name))
    }

    pub(super) fn reached(point: &str) {
        if is_told_to("die_at", point) {
            die();
        }
        if is_told_to("stop_at", point) {
            // Until somebody continues it.
            let _ = kill_process(getpid(), Signal::STOP);
        }
    }

    /// Of several processes that read it, the one that removes it is told.
    fn is_told_to(what: &str, point: &str) -> bool {
        file(what).is_some_and(|file| {
            fs::read_to_string(&file).is_ok_and(|named| named == point) && fs::remove_file(&file).is_ok()
        })
    }

    pub(super) fn decoding(body: &[u8]) {
        let deadly =
            file("die_of").and_then(|die_of| fs::read(die_of).ok()).filter(|deadly| !deadly.is_empty());
        if deadly.is_some_and(|deadly| body.windows(deadly.len()).any(|bytes| bytes == deadly)) {
            die();
        }
    }

    pub(super) fn clock_ahead() -> time::Duration {
        time::Duration::seconds(seconds("clock_ahead_s").unwrap_or(0))
    }

    pub(super) fn patience() -> Option<std::time::Duration> {
        seconds("patience_s").map(std::time::Duration::from_secs)
    }

    fn seconds<T: std::str::FromStr>(name: &str) -> Option<T> {
        let text = file(name).and_then(|file| fs::read_to_string(file).ok())?;
        text.trim().parse().ok()
    }

    /// As by `kill -9`: nothing is written, closed or told.
    fn die() -> ! {
        loop {
            // It can't fail for one's own process, and doesn't come back.
            let _ = kill_process(getpid(), Signal::KILL);
        }
    }
}
