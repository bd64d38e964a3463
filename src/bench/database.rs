//! What the benchmark asks of PostgreSQL beside what a ledger does: as its superuser, on servers of its own.

use std::str::FromStr;
use std::time::{Duration, SystemTime};

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection};

use super::BenchError;
use super::workload::SOURCE;

/// The way to one ledger's schema.
pub(super) struct Database {
    options: PgConnectOptions,
    schema: String,
}

/// How often PostgreSQL synced its log, and how long all of that took.
#[derive(Clone, Copy)]
pub(super) struct Syncs {
    count: i64,
    took: Duration,
}

impl Syncs {
    /// The mean of those after `before`; nothing where there were none.
    pub(super) fn mean_since(self, before: Syncs) -> Duration {
        let count = u32::try_from(self.count - before.count).unwrap_or(u32::MAX);
        self.took.saturating_sub(before.took).checked_div(count).unwrap_or_default()
    }
}

impl Database {
    pub(super) fn new(superuser_url: &str, schema: &str) -> Result<Self, BenchError> {
        let options = PgConnectOptions::from_str(superuser_url)?.options([("search_path", schema)]);
        Ok(Self { options, schema: schema.to_owned() })
    }

    pub(super) async fn connect(&self) -> Result<PgConnection, BenchError> {
        Ok(self.options.connect().await?)
    }

    /// When the messages of the inbox were committed: by PostgreSQL's stamp, which it makes when it begins to write
    /// the commit, before it syncs that. What came again has the time of its last copy.
    pub(super) async fn committed_at(&self) -> Result<Vec<(String, SystemTime)>, BenchError> {
        let mut connection = self.connect().await?;
        let rows = sqlx::query!(
            r#"select id, (extract(epoch from pg_xact_commit_timestamp(xmin)) * 1000000)::bigint as "micros!"
                 from inbox where source = $1"#,
            SOURCE
        )
        .fetch_all(&mut connection)
        .await?;
        connection.close().await?;
        let since_1970 = |micros: i64| Duration::from_micros(u64::try_from(micros).unwrap_or_default());
        Ok(rows.into_iter().map(|row| (row.id, SystemTime::UNIX_EPOCH + since_1970(row.micros))).collect())
    }

    /// The syncs of the server's log so far.
    pub(super) async fn syncs(&self) -> Result<Syncs, BenchError> {
        let mut connection = self.connect().await?;
        let row = sqlx::query!(
            r#"select wal_sync as "count!", (wal_sync_time * 1000)::bigint as "micros!" from pg_stat_wal"#
        )
        .fetch_one(&mut connection)
        .await?;
        connection.close().await?;
        let took = Duration::from_micros(u64::try_from(row.micros).unwrap_or_default());
        Ok(Syncs { count: row.count, took })
    }

    /// Brings a ledger that was filled to where a server has it that had time: what was written is on disk, and
    /// the planner knows of it.
    pub(super) async fn settle(&self) -> Result<(), BenchError> {
        let mut connection = self.connect().await?;
        sqlx::raw_sql("vacuum (analyze)").execute(&mut connection).await?;
        sqlx::raw_sql("checkpoint").execute(&mut connection).await?;
        Ok(connection.close().await?)
    }

    /// Takes all events so far for published: those of the filling are nobody's.
    pub(super) async fn skip_events(&self) -> Result<(), BenchError> {
        let mut connection = self.connect().await?;
        sqlx::query!("update relay set published = (select log_last from ledger)")
            .execute(&mut connection)
            .await?;
        Ok(connection.close().await?)
    }

    /// Removes the ledger, so that the server has no work with it while others are measured.
    pub(super) async fn remove(&self) -> Result<(), BenchError> {
        let mut connection = self.connect().await?;
        let removal = format!("drop schema {} cascade", self.schema);
        sqlx::raw_sql(AssertSqlSafe(removal)).execute(&mut connection).await?;
        sqlx::raw_sql("checkpoint").execute(&mut connection).await?;
        Ok(connection.close().await?)
    }
}
