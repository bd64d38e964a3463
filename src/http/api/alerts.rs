//! What is raised.

use schemars::JsonSchema;
use serde::Deserialize;

use super::arguments::{AccountPath, Key, Limit, RuleName, page};
use super::endpoint::{Answering, Api, Nothing};
use super::openapi::About;
use crate::ledger::alert::Severity;
use crate::report::{Listed, RaisedRow, Reading};

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct AlertsQuery {
    /// Only those this urgent.
    severity: Option<Severity>,
    /// Only those of the rule of this name.
    rule: Option<RuleName>,
    /// What `next` of the page before says.
    after: Option<Key>,
    /// For at most so many accounts: 100 where it isn't said.
    #[serde(default)]
    limit: Limit,
}

pub(super) fn endpoints(api: Api) -> Api {
    let list = About {
        id: "listAlerts",
        summary: "Alert rules that are raised",
        description: "By account, and in the order of its rules. A page has `limit` accounts at most, and all that \
                      is raised for them and asked for; `next` is the id of its last account.",
    };
    let of_account = About {
        id: "listAlertsOfAccount",
        summary: "Alert rules that are raised for an account",
        description: "In the order of its rules.",
    };
    api.get("/v1/alerts", list, alerts).get("/v1/accounts/{account_id}/alerts", of_account, alerts_of_account)
}

fn alerts(reading: &mut Reading, _: Nothing, query: AlertsQuery) -> Answering<'_, Listed<RaisedRow>> {
    Box::pin(async move {
        let rule = query.rule.as_ref().map(RuleName::as_str);
        Ok(reading.alerts(query.severity, rule, &page(query.after, query.limit)).await?.into())
    })
}

fn alerts_of_account(reading: &mut Reading, path: AccountPath, _: Nothing) -> Answering<'_, Vec<RaisedRow>> {
    Box::pin(async move { Ok(reading.alerts_of(&path.account_id).await?.into()) })
}
