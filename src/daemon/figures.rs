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
