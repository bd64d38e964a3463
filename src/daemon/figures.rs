//! The figures of the ledger, from the store to those who scrape.

use crate::store::Store;
use crate::vitals::figures::{FiguresSource, Reading};
use crate::vitals::metrics::ConnectionFigures;

impl FiguresSource for Store {
    fn read(&self) -> Reading {
        let store = self.clone();
        Box::pin(async move { store.figures().await.map_err(|error| error.to_string()) })
    }

    fn connections(&self) -> ConnectionFigures {
        self.connections()
    }
}

/// All of an instance's connections: those of its readers, by which the figures come, and those of its loops.
pub(super) struct Instance {
    pub(super) readers: Store,
    pub(super) loops: Store,
}

impl FiguresSource for Instance {
    fn read(&self) -> Reading {
        self.readers.read()
    }

    fn connections(&self) -> ConnectionFigures {
        let (readers, loops) = (self.readers.connections(), self.loops.connections());
        ConnectionFigures {
            in_use: readers.in_use + loops.in_use,
            idle: readers.idle + loops.idle,
            max: readers.max + loops.max,
        }
    }
}
