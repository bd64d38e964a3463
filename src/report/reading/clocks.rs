//! What the clocks of the reports' time zone show.

use super::super::{ReadError, ReportError};
use super::Reading;
use crate::clock::Clocks;

impl Reading {
    /// The clocks of `report.timezone`. They are read once: a zone's rules change with PostgreSQL's version alone.
    pub async fn clocks(&mut self) -> Result<Clocks, ReadError> {
        if let Some(clocks) = self.clocks.get() {
            return Ok(clocks.clone());
        }
        let changes = self.snapshot.clock_changes(self.zone.as_str()).await?;
        let changes = changes.ok_or_else(|| ReportError::UnknownZone(self.zone.clone()))?;
        let clocks = Clocks::new(self.zone.clone(), changes);
        // Somebody else may have been faster, with the same.
        self.clocks.set(clocks.clone()).ok();
        Ok(clocks)
    }
}
