//! Accounts, and their grants.

use schemars::JsonSchema;
use serde::Deserialize;

use super::arguments::{AccountPath, Key, Limit, Sequence, page};
use super::endpoint::{Answer, Answering, Api, Nothing};
use super::openapi::About;
use crate::report::{AccountRow, GrantRow, Listed, Reading};

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct AccountsQuery {
    /// Only those of this organization, its pool among them.
    organization: Option<Key>,
    /// What `next` of the page before says.
    after: Option<Key>,
    /// At most so many items: 100 where it isn't said.
    #[serde(default)]
    limit: Limit,
}

#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct GrantsQuery {
    /// Whether those that are over are listed too: used up, or expired.
    #[serde(default)]
    all: bool,
    /// What `next` of the page before says: the number of its last grant.
    after: Option<Sequence>,
    /// At most so many items: 100 where it isn't said.
    #[serde(default)]
    limit: Limit,
}

pub(super) fn endpoints(api: Api) -> Api {
    let list = About {
        id: "listAccounts",
        summary: "Accounts",
        description: "In the order of their ids, the pools of organizations among them.",
    };
    let show = About {
        id: "getAccount",
        summary: "An account",
        description: "Its balance, its plan, what waits, what is raised, and how far its events have come.",
    };
    let grants = About {
        id: "listGrants",
        summary: "An account's grants with a term",
        description: "Soonest expiry first, then by their numbers.",
    };
    api.get("/v1/accounts", list, accounts).get("/v1/accounts/{account_id}", show, account).get(
        "/v1/accounts/{account_id}/grants",
        grants,
        self::grants,
    )
}

fn accounts(reading: &mut Reading, _: Nothing, query: AccountsQuery) -> Answering<'_, Listed<AccountRow>> {
    Box::pin(async move {
        let organization = query.organization.map(|id| id.to_string());
        Ok(reading.accounts(organization, &page(query.after, query.limit)).await?.into())
    })
}

fn account(reading: &mut Reading, path: AccountPath, _: Nothing) -> Answering<'_, AccountRow> {
    Box::pin(async move {
        let account = reading.account(&path.account_id).await?;
        Ok(Answer::at(account.sequences.balance_changed, account))
    })
}

fn grants(reading: &mut Reading, path: AccountPath, query: GrantsQuery) -> Answering<'_, Listed<GrantRow>> {
    Box::pin(async move {
        let after = query.after.map(|grant| grant.0);
        Ok(reading.grants(&path.account_id, query.all, after, query.limit.count()).await?.into())
    })
}
