//! What was used, as far as it may be seen.

use super::super::error::unknown;
use super::super::{
    AssetsUsage, DaysUsage, Format, Listed, Month, Period, ProjectsUsage, ReadError, Statement, UsageLine,
    UsageReport, WrittenReport, lines,
};
use super::Reading;
use crate::ledger::ids::{AccountId, ProjectId};
use crate::report;
use crate::store::UsageOrder;

impl Reading {
    /// A page of an account's entries, `limit` at most after the sequence `after`, and the sequence that the account
    /// has come to.
    pub async fn entries(
        &mut self,
        account: &str,
        after: Option<i64>,
        newest_first: bool,
        limit: i64,
    ) -> Result<(i64, Listed<UsageLine>), ReadError> {
        let id = self.account_id(account).await?;
        Ok(lines::entries(&mut self.snapshot, &self.zone, &id, after, newest_first, limit).await?)
    }

    /// An account's usage by day.
    pub async fn usage_by_day(&mut self, account: &str, period: Period) -> Result<DaysUsage, ReadError> {
        let id = self.account_id(account).await?;
        Ok(report::days(&mut self.snapshot, &self.zone, &id, period).await?)
    }

    /// An account's usage by project: a page of projects after the id `after`.
    pub async fn usage_by_project(
        &mut self,
        account: &str,
        period: Period,
        after: Option<&str>,
        limit: i64,
    ) -> Result<ProjectsUsage, ReadError> {
        let wrong = |error| ReadError::Refused(format!("after: {error}"));
        let after = after.map(ProjectId::parse).transpose().map_err(wrong)?;
        self.usage_in_order(account, period, UsageOrder::ById(after), limit).await
    }

    /// An account's usage by project, of those alone that used most.
    pub async fn usage_of_largest(
        &mut self,
        account: &str,
        period: Period,
        limit: i64,
    ) -> Result<ProjectsUsage, ReadError> {
        self.usage_in_order(account, period, UsageOrder::Largest, limit).await
    }

    async fn usage_in_order(
        &mut self,
        account: &str,
        period: Period,
        order: UsageOrder,
        limit: i64,
    ) -> Result<ProjectsUsage, ReadError> {
        let id = self.account_id(account).await?;
        let limit = u32::try_from(limit).unwrap_or(u32::MAX);
        Ok(report::projects(&mut self.snapshot, &self.zone, &id, period, &order, limit).await?)
    }

    /// An account's assets by type, and how many projects were briefed.
    pub async fn usage_by_asset(&mut self, account: &str, period: Period) -> Result<AssetsUsage, ReadError> {
        let id = self.account_id(account).await?;
        Ok(report::assets(&mut self.snapshot, &self.zone, &id, period).await?)
    }

    /// An account's statement of a month.
    pub async fn statement(&mut self, account: &str, month: Month) -> Result<Statement, ReadError> {
        let id = self.account_id(account).await?;
        Ok(report::statement(&mut self.snapshot, &self.zone, &id, month).await?)
    }

    /// An account's usage report, to be written piece by piece. This moment of the ledger is its own from here on.
    pub async fn usage_report(
        mut self,
        account: &str,
        period: Period,
        format: Format,
    ) -> Result<WrittenReport, ReadError> {
        let id = self.account_id(account).await?;
        let report = UsageReport::open(self.snapshot, &self.zone, &id, period).await?;
        Ok(WrittenReport::new(report, format))
    }

    /// The id of an account that is there, and may be seen.
    async fn account_id(&mut self, account: &str) -> Result<AccountId, ReadError> {
        let row = self.account(account).await?;
        AccountId::parse(&row.account_id).map_err(|_| unknown("account", account))
    }
}
