//! A daemon's process, which may die, and be stopped and continued.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

use tokio_util::sync::CancellationToken;

/// Locks what no panic leaves half-done: the test is over by it.
pub(super) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A process.
#[derive(Default)]
pub(super) struct Process {
    pub(super) killed: CancellationToken,
    /// As by SIGTERM.
    pub(super) told_to_stop: CancellationToken,
    is_frozen: AtomicBool,
    /// Of the work that waits to be continued.
    waiting: Mutex<Option<Waker>>,
    /// The message that it has alone in hand.
    alone: Mutex<Option<[u8; 32]>>,
    /// Its connections to the broker.
    pub(super) sessions: Mutex<Vec<u64>>,
}

impl Process {
    /// Dies of something that it does.
    pub(super) async fn die(&self) -> ! {
        self.killed.cancel();
        std::future::pending().await
    }

    pub(super) fn freeze(&self) {
        self.is_frozen.store(true, Ordering::Relaxed);
    }

    pub(super) fn thaw(&self) {
        self.is_frozen.store(false, Ordering::Relaxed);
        if let Some(waker) = locked(&self.waiting).take() {
            waker.wake();
        }
    }

    /// Runs `work` whenever it isn't frozen, until it is killed: `None` then.
    pub(super) async fn run<F: Future>(&self, work: F) -> Option<F::Output> {
        let mut work = Box::pin(work);
        let unless_frozen = std::future::poll_fn(|context| {
            if self.is_frozen.load(Ordering::Relaxed) {
                *locked(&self.waiting) = Some(context.waker().clone());
                return Poll::Pending;
            }
            work.as_mut().poll(context)
        });
        tokio::select! {
            biased;
            () = self.killed.cancelled() => None,
            ended = unless_frozen => Some(ended),
        }
    }

    pub(super) fn has_alone(&self, content: Option<[u8; 32]>) {
        *locked(&self.alone) = content;
    }

    /// What it had alone in hand is not to be counted if it ends now.
    pub(super) fn has_no_more(&self, content: &[u8; 32]) {
        locked(&self.alone).take_if(|alone| alone == content);
    }

    /// What it had alone in hand when it died.
    pub(super) fn had_alone(&self) -> Option<[u8; 32]> {
        *locked(&self.alone)
    }
}
