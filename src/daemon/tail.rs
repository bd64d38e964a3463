//! The end of the log, handed from who commits it to who publishes it: what was just written need not be read.
//!
//! Nothing depends on it. Lines that find no room, or that somebody else wrote, are read from the store.

use std::collections::VecDeque;
use std::sync::Arc;

use tokio::sync::{Notify, mpsc};

use crate::ledger::books::LogRecord;
use crate::ledger::entry::LogNumber;
use crate::store::LogLine;

/// So many batches may wait to be taken over: in a flood more than a window of the relay's is committed while the one
/// before is confirmed, and what finds no room costs a reading.
const BATCHES_MAX: usize = 12;
/// A batch that wrote more is read: new settings may write a line for every account.
const LINES_MAX: usize = 2_000;

/// The two ends.
pub(super) fn tail() -> (LogWriter, LogTail) {
    let (batches_in, batches) = mpsc::channel(BATCHES_MAX);
    let look = Arc::new(Notify::new());
    (LogWriter { batches: batches_in, look: look.clone() }, LogTail { batches, look, lines: VecDeque::new() })
}

/// The end of who commits.
pub(super) struct LogWriter {
    batches: mpsc::Sender<Vec<LogRecord>>,
    look: Arc<Notify>,
}

impl LogWriter {
    /// A batch is committed that wrote these lines.
    pub(super) fn wrote(&self, log: Vec<LogRecord>) {
        if log.is_empty() {
            return;
        }
        if log.len() > LINES_MAX || self.batches.try_send(log).is_err() {
            self.look.notify_one();
        }
    }

    /// Something is committed that may have written lines.
    pub(super) fn may_have_grown(&self) {
        self.look.notify_one();
    }
}

/// The end of who publishes.
pub(super) struct LogTail {
    batches: mpsc::Receiver<Vec<LogRecord>>,
    look: Arc<Notify>,
    /// In order; lines of other writers are missing. No more batches are taken over than it takes for a window.
    lines: VecDeque<LogRecord>,
}

impl LogTail {
    /// Waits until there are lines, here or in the store. Says whether to look in the store.
    pub(super) async fn grown(&mut self) -> bool {
        tokio::select! {
            Some(batch) = self.batches.recv(), if self.lines.is_empty() => {
                self.lines.extend(batch);
                false
            }
            () = self.look.notified() => true,
        }
    }

    /// Takes the lines that come right behind `published`, `limit` at most.
    pub(super) fn take_behind(&mut self, published: LogNumber, limit: u32) -> Vec<LogLine> {
        loop {
            while self.lines.front().is_some_and(|line| line.number() <= published) {
                self.lines.pop_front();
            }
            if self.lines.len() >= limit as usize {
                break;
            }
            let Ok(batch) = self.batches.try_recv() else { break };
            self.lines.extend(batch);
        }
        let follow = |(line, number): &(&LogRecord, i64)| line.number().0 == *number;
        let count = self.lines.iter().zip(published.0 + 1..).take(limit as usize).take_while(follow).count();
        self.lines.drain(..count).map(LogLine::from).collect()
    }

    /// Forgets what was handed over: it is read from the store, if it is there.
    pub(super) fn clear(&mut self) {
        while self.batches.try_recv().is_ok() {}
        self.lines.clear();
    }

    /// Whether lines are here, but not all that come before them.
    pub(super) fn has_gap(&self) -> bool {
        !self.lines.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::samples;
    use crate::ledger::entry::Entry;

    fn lines(numbers: impl IntoIterator<Item = i64>) -> Vec<LogRecord> {
        let line = |number| LogRecord::Entry(Entry { number: LogNumber(number), ..samples::entry() });
        numbers.into_iter().map(line).collect()
    }

    fn taken(tail: &mut LogTail, published: i64, limit: u32) -> Vec<i64> {
        let lines = tail.take_behind(LogNumber(published), limit);
        lines.iter().map(|line| line.number().0).collect()
    }

    #[test]
    fn lines_are_taken_once_in_order_and_as_far_as_they_follow_on_what_is_published() {
        let (writer, mut tail) = tail();
        writer.wrote(lines(1..=3));
        writer.wrote(lines(4..=6));
        assert_eq!(taken(&mut tail, 1, 3), [2, 3, 4]);
        assert_eq!(taken(&mut tail, 4, 3), [5, 6]);
        assert!(taken(&mut tail, 6, 3).is_empty());
        assert!(!tail.has_gap());
    }

    #[test]
    fn lines_behind_those_of_another_writer_wait_until_these_are_published() {
        let (writer, mut tail) = tail();
        writer.wrote(lines([1, 2, 5, 6]));
        assert_eq!(taken(&mut tail, 0, 9), [1, 2]);
        assert!(taken(&mut tail, 2, 9).is_empty());
        assert!(tail.has_gap());
        assert_eq!(taken(&mut tail, 5, 9), [6], "3 to 5 were read");
    }

    #[test]
    fn what_lies_behind_lines_of_another_writer_is_no_more_than_there_is_room_for() {
        let (writer, mut tail) = tail();
        for number in 0..1_000 {
            writer.wrote(lines(10 + 3 * number..13 + 3 * number));
            assert!(taken(&mut tail, 0, 7).is_empty());
        }
        assert!(tail.lines.len() < 7 + 3, "{}", tail.lines.len());
        assert_eq!(taken(&mut tail, 11, 7), [12, 13, 14, 15, 16, 17, 18]);
        assert_eq!(taken(&mut tail, 18, 7), [19, 20, 21, 22, 23, 24, 25]);
    }

    #[test]
    fn what_was_forgotten_is_not_taken_whether_it_was_taken_over_or_not() {
        let (writer, mut tail) = tail();
        writer.wrote(lines(1..=3));
        assert_eq!(taken(&mut tail, 0, 1), [1]);
        writer.wrote(lines(4..=6));
        tail.clear();
        assert!(taken(&mut tail, 1, 9).is_empty() && taken(&mut tail, 3, 9).is_empty());
        assert!(!tail.has_gap());
    }

    #[tokio::test]
    async fn what_finds_no_room_is_to_be_read() {
        let (writer, mut tail) = tail();
        let batches_max = i64::try_from(BATCHES_MAX).unwrap();
        for number in 1..=batches_max + 1 {
            writer.wrote(lines([number]));
        }
        assert!(taken(&mut tail, 0, u32::MAX).into_iter().eq(1..=batches_max));
        assert!(tail.grown().await, "the last was not handed over");
        writer.wrote(lines(1..=i64::try_from(LINES_MAX).unwrap() + 1));
        assert!(tail.grown().await, "so many lines are not handed over");
        writer.wrote(lines([9]));
        assert!(!tail.grown().await, "this one was");
        assert_eq!(taken(&mut tail, 8, 9), [9]);
    }
}
