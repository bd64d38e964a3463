//! Reading the books of many projects as of one moment, to hold them against the upstream's list.

use sqlx::{Postgres, Transaction};

use super::cache::Cache;
use super::rows::ProjectRecord;
use super::{Store, StoreError, load};
use crate::ledger::books::Shelf;
use crate::ledger::ids::ProjectId;
use crate::ledger::input::Input;
use crate::ledger::moment::Timestamp;
use crate::ledger::project::Project;

/// The books as of one moment. Nothing is locked.
pub struct Comparison {
    snapshot: Transaction<'static, Postgres>,
    last_at: Timestamp,
}

impl Store {
    /// The books as of now.
    pub async fn comparison(&self) -> Result<Comparison, StoreError> {
        // A long list may take long to be read from its file.
        let mut snapshot = self.unhurried_snapshot().await?;
        let last_at = sqlx::query_scalar!("select last_at from ledger").fetch_one(&mut *snapshot).await?;
        Ok(Comparison { snapshot, last_at: Timestamp::cut(last_at) })
    }
}

impl Comparison {
    /// The time of the ledger's last input.
    pub fn last_at(&self) -> Timestamp {
        self.last_at
    }

    /// The projects that `inputs` name, with their accounts and the price lists of those.
    pub async fn look_up(&mut self, inputs: &[Input]) -> Result<Shelf, StoreError> {
        let mut shelf = Shelf::default();
        load::preload(&mut self.snapshot, inputs, self.last_at, &mut shelf, &mut Cache::default()).await?;
        Ok(shelf)
    }

    /// Projects that hold credits or wait for some, of one account or of all, in the order of their ids: the
    /// first `limit` after the project `after`.
    pub async fn tied(
        &mut self,
        account: Option<&str>,
        after: Option<&ProjectId>,
        limit: i64,
    ) -> Result<Vec<Project>, StoreError> {
        let rows = sqlx::query_as!(
            ProjectRecord,
            "select project_id, account_id, status, effect, stage, price_said, price_credits, final_credits,
                name, versions, mode, chain_account, chain_pool, held, consumed, ticket, waiting_since,
                aside, refused, status_since, stale_since, released_from, unpriced_since
               from project
              where (held > 0 or ticket is not null) and ($1::text is null or account_id = $1)
                and ($2::text is null or project_id > $2)
              order by project_id limit $3",
            account,
            after.map(ProjectId::as_str),
            limit,
        )
        .fetch_all(&mut *self.snapshot)
        .await?;
        rows.into_iter().map(TryInto::try_into).collect()
    }

    /// Ends the reading.
    pub async fn close(self) -> Result<(), StoreError> {
        self.snapshot.rollback().await?;
        Ok(())
    }
}
