//! Who uses an account's credits, where they stand in the way of something.

use schemars::JsonSchema;
use serde::Serialize;

use super::super::{Snapshot, StoreError};
use super::{ProjectColumns, ProjectRow, projects};

/// The projects that hold an account's credits or wait for them.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct InUse {
    /// The largest holds first, then those that wait and hold none, in the order of their places.
    pub projects: Vec<ProjectRow>,
    /// How many there are besides.
    pub more: i64,
}

impl Snapshot {
    /// Who uses the credits of `account`, a pool's members too, `limit` projects at most.
    pub async fn in_use(&mut self, account: &str, limit: i64) -> Result<InUse, StoreError> {
        let rows = projects!(
            "where (chain_account = $1 or chain_pool = $1) and (held > 0 or ticket is not null)
              order by held desc, case when held = 0 then ticket end, project_id limit $2",
            account,
            limit,
        )
        .fetch_all(self.connection())
        .await?;
        let count = sqlx::query_scalar!(
            r#"select count(*) as "count!" from project
                where (chain_account = $1 or chain_pool = $1) and (held > 0 or ticket is not null)"#,
            account,
        )
        .fetch_one(self.connection())
        .await?;
        let projects: Vec<ProjectRow> = rows.into_iter().map(Into::into).collect();
        let more = count - i64::try_from(projects.len()).unwrap_or(count);
        Ok(InUse { projects, more })
    }
}
