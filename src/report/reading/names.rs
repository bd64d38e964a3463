//! What people call accounts, and what waits for the credits of which.

use std::collections::HashMap;

use super::super::ReadError;
use super::Reading;
use crate::access::Scope;
use crate::store::WaitingQueues;

impl Reading {
    /// What people call these accounts, a pool by its organization's name, as far as they call them anything. Only
    /// who sees all is told.
    pub async fn names(&mut self, accounts: &[String]) -> Result<HashMap<String, String>, ReadError> {
        if self.scope != Scope::All {
            return Err(ReadError::OutOfScope("the names of any accounts"));
        }
        Ok(self.snapshot.names(accounts).await?)
    }

    /// In which queues most is waited for, `limit` of them, and by which accounts. Only who sees all is told.
    pub async fn longest_queues(&mut self, limit: i64) -> Result<WaitingQueues, ReadError> {
        if self.scope != Scope::All {
            return Err(ReadError::OutOfScope("all queues together"));
        }
        Ok(self.snapshot.longest_queues(limit).await?)
    }
}
