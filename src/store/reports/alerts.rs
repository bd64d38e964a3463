//! What is raised, and by which rules.

use std::collections::HashMap;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::super::rows::Table;
use super::super::{Snapshot, StoreError};
use crate::ledger::alert::{GRANT_EXPIRING, HOLD_STALE, Raised, Rule, Severity};
use crate::ledger::credits::Credits;
use crate::ledger::entry::LogNumber;
use crate::ledger::moment::Timestamp;
use crate::ledger::notice::SubjectKind;

/// A rule that is raised for an account.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[schemars(rename = "ActiveAlert")]
pub struct RaisedRow {
    /// For which account.
    pub account_id: String,
    /// Its organization, if it belongs to one.
    pub organization_id: Option<String>,
    /// The rule's name.
    pub rule: String,
    /// How urgent it is.
    pub severity: Severity,
    /// Since when, without a break.
    pub since: Timestamp,
    /// The projects or grants that it is about, where it is about such: the first 20 of them, those first that are
    /// longest in their status or expire soonest.
    pub subjects: Vec<SubjectKind>,
    /// How many they are in all.
    pub subjects_in_all: i64,
}

/// So many of the projects or grants that a rule is about are told; there may be hundreds of thousands.
const SUBJECTS_TOLD: i64 = 20;

/// Which rules that are raised to list.
#[derive(Clone, Copy, Debug, Default)]
pub struct RaisedFilter<'f> {
    /// Only for this account.
    pub account: Option<&'f str>,
    /// Only for this organization's pool and accounts.
    pub organization: Option<&'f str>,
    /// Only those this urgent.
    pub severity: Option<Severity>,
    /// Only the rule of this name.
    pub rule: Option<&'f str>,
    /// Only for accounts after this one.
    pub after: Option<&'f str>,
}

impl RaisedFilter<'_> {
    /// What must be contained in what is raised for an account.
    fn contained(&self) -> Option<Value> {
        let severity = self.severity.map(|severity| ("severity".to_owned(), json!(severity)));
        let name = self.rule.map(|rule| ("name".to_owned(), json!(rule)));
        let wanted: Map<_, _> = severity.into_iter().chain(name).collect();
        (!wanted.is_empty()).then(|| json!([wanted]))
    }

    fn wants(&self, row: &RaisedRow) -> bool {
        self.severity.is_none_or(|severity| row.severity == severity)
            && self.rule.is_none_or(|rule| row.rule == rule)
    }
}

/// Whose list of alert rules it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RulesOf {
    /// The settings that decide.
    Settings,
    /// An organization.
    Organization,
    /// An account.
    Account,
    /// creditd itself; the settings give the severities.
    BuiltIn,
}

/// A list of alert rules.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct RulesRow {
    /// Where it comes from.
    pub of: RulesOf,
    /// The account or the organization, where it is one's own.
    pub id: Option<String>,
    /// The rules.
    pub rules: Vec<Rule>,
}

/// How many alert rules are raised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AlertCounts {
    /// Critical ones.
    pub critical: i64,
    /// Those less urgent.
    pub others: i64,
    /// For how many accounts.
    pub accounts: i64,
}

struct RaisedColumns {
    account_id: String,
    organization_id: Option<String>,
    raised: Value,
}

impl Snapshot {
    /// What is raised now, by account and in the order of its rules: for `limit` accounts at most.
    pub async fn raised(
        &mut self,
        filter: &RaisedFilter<'_>,
        limit: i64,
    ) -> Result<Vec<RaisedRow>, StoreError> {
        let accounts = sqlx::query_as!(
            RaisedColumns,
            "select account_id, case when kind <> 'standalone' then organization_id end as organization_id, raised
               from account
              where raised <> '[]' and ($1::text is null or account_id = $1)
                and ($2::text is null or (organization_id = $2 and kind <> 'standalone'))
                and ($3::jsonb is null or raised @> $3)
                and ($4::text is null or account_id > $4)
              order by account_id limit $5",
            filter.account,
            filter.organization,
            filter.contained(),
            filter.after,
            limit,
        )
        .fetch_all(self.connection())
        .await?;
        let mut rows = self.told(accounts).await?;
        rows.retain(|row| filter.wants(row));
        Ok(rows)
    }

    /// What is raised for the `limit` accounts where it is most urgent, those first.
    pub async fn urgent(&mut self, limit: i64) -> Result<Vec<RaisedRow>, StoreError> {
        let accounts = sqlx::query_as!(
            RaisedColumns,
            r#"select account_id, case when kind <> 'standalone' then organization_id end as organization_id, raised
                 from account where raised <> '[]'
                order by raised @> '[{"severity": "critical"}]' desc, raised @> '[{"severity": "warning"}]' desc,
                         account_id limit $1"#,
            limit,
        )
        .fetch_all(self.connection())
        .await?;
        let mut rows = self.told(accounts).await?;
        rows.sort_by_key(|row| std::cmp::Reverse(row.severity));
        Ok(rows)
    }

    /// How many rules are raised, for all accounts together.
    pub async fn alert_counts(&mut self) -> Result<AlertCounts, StoreError> {
        let row = sqlx::query!(
            r#"select count(*) filter (where rule->>'severity' = 'critical') as "critical!",
                      count(*) filter (where rule->>'severity' <> 'critical') as "others!",
                      count(distinct account_id) as "accounts!"
                 from account cross join jsonb_array_elements(raised) as rule where raised <> '[]'"#
        )
        .fetch_one(self.connection())
        .await?;
        Ok(AlertCounts { critical: row.critical, others: row.others, accounts: row.accounts })
    }

    /// Rules that are raised, with what they are about.
    async fn told(&mut self, accounts: Vec<RaisedColumns>) -> Result<Vec<RaisedRow>, StoreError> {
        let mut rows = Vec::new();
        for row in accounts {
            let raised: Vec<Raised> = Table("account").json("raised", row.raised)?;
            let told = raised.into_iter().map(|Raised { name, severity, since, subjects }| RaisedRow {
                account_id: row.account_id.clone(),
                organization_id: row.organization_id.clone(),
                rule: name.to_string(),
                severity,
                since,
                subjects: Vec::new(),
                subjects_in_all: subjects.unwrap_or(0),
            });
            rows.extend(told);
        }
        // Only where the rule is raised: who has none isn't asked about.
        let about = |rule: &str| -> Vec<String> {
            rows.iter().filter(|row| row.rule == rule).map(|row| row.account_id.clone()).collect()
        };
        let (stale, expiring) = (about(HOLD_STALE), about(GRANT_EXPIRING));
        let mut subjects = stale_holds(self.connection(), &stale).await?;
        subjects.extend(expiring_grants(self.connection(), &expiring).await?);
        for row in &mut rows {
            let about = subjects.remove(&(row.account_id.clone(), row.rule.clone()));
            row.subjects = about.unwrap_or_default();
        }
        Ok(rows)
    }

    /// The lists of alert rules that organizations and accounts have of their own: all, or those of one account
    /// and one organization.
    pub async fn own_rules(
        &mut self,
        only: Option<(Option<&str>, Option<&str>)>,
    ) -> Result<Vec<RulesRow>, StoreError> {
        let (account, organization) = only.unwrap_or_default();
        let rows = sqlx::query!(
            r#"select 'organization' as "of!", organization_id as "id!", alert_rules as "rules!"
                 from organization
                where alert_rules is not null and (not $1::boolean or organization_id = $2)
               union all
               select 'account', account_id, alert_rules from account
                where alert_rules is not null and (not $1::boolean or account_id = $3)
               order by 1 desc, 2"#,
            only.is_some(),
            organization,
            account,
        )
        .fetch_all(self.connection())
        .await?;
        let list = |of: &str, id: String, rules: Value| -> Result<RulesRow, StoreError> {
            let of = if of == "account" { RulesOf::Account } else { RulesOf::Organization };
            Ok(RulesRow { of, id: Some(id), rules: Table("account").json("alert_rules", rules)? })
        };
        rows.into_iter().map(|row| list(&row.of, row.id, row.rules)).collect()
    }
}

/// What rules are about, by account and rule.
type Subjects = HashMap<(String, String), Vec<SubjectKind>>;

async fn stale_holds(
    connection: &mut sqlx::PgConnection,
    accounts: &[String],
) -> Result<Subjects, StoreError> {
    if accounts.is_empty() {
        return Ok(Subjects::new());
    }
    let rows = sqlx::query!(
        r#"select project_id, chain_account, name, status, status_since, held
             from (select project_id, chain_account, name, status, status_since, held,
                          row_number() over (partition by chain_account
                                             order by status_since, project_id) as place
                     from project where stale_since is not null and chain_account = any($1)) stale
            where place <= $2 order by chain_account, place"#,
        accounts,
        SUBJECTS_TOLD,
    )
    .fetch_all(connection)
    .await?;
    let mut subjects = Subjects::new();
    for row in rows {
        let project = SubjectKind::Project {
            project_id: Table("project").id("project_id", row.project_id)?,
            name: row.name.map(Into::into),
            status: row.status.map(Into::into),
            status_since: row.status_since.map(Timestamp::cut),
            held: Credits(row.held),
        };
        subjects.entry((row.chain_account, HOLD_STALE.to_owned())).or_default().push(project);
    }
    Ok(subjects)
}

async fn expiring_grants(
    connection: &mut sqlx::PgConnection,
    accounts: &[String],
) -> Result<Subjects, StoreError> {
    if accounts.is_empty() {
        return Ok(Subjects::new());
    }
    let rows = sqlx::query!(
        r#"select log_number, account_id, credits_left, expires_at
             from (select log_number, account_id, credits_left, expires_at,
                          row_number() over (partition by account_id order by expires_at, log_number) as place
                     from credit_grant where warned and not closed and account_id = any($1)) expiring
            where place <= $2 order by account_id, place"#,
        accounts,
        SUBJECTS_TOLD,
    )
    .fetch_all(connection)
    .await?;
    let mut subjects = Subjects::new();
    for row in rows {
        let grant = SubjectKind::Grant {
            grant: LogNumber(row.log_number),
            credits_left: Credits(row.credits_left),
            expires_at: Timestamp::cut(row.expires_at),
        };
        subjects.entry((row.account_id, GRANT_EXPIRING.to_owned())).or_default().push(grant);
    }
    Ok(subjects)
}
