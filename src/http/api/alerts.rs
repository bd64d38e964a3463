//! What is raised.

use super::arguments::{AccountPath, PageQuery};
use super::endpoint::{Answering, Api, Nothing};
use super::openapi::About;
use crate::report::{Listed, RaisedRow, Reading};

pub(super) fn endpoints(api: Api) -> Api {
    let list = About {
        id: "listAlerts",
        summary: "Alert rules that are raised",
        description: "By account, and in the order of its rules. A page has `limit` accounts at most, and all that \
                      is raised for them; `next` is the id of its last account.",
    };
    let of_account = About {
        id: "listAlertsOfAccount",
        summary: "Alert rules that are raised for an account",
        description: "In the order of its rules.",
    };
    api.get("/v1/alerts", list, alerts).get("/v1/accounts/{account_id}/alerts", of_account, alerts_of_account)
}

fn alerts(reading: &mut Reading, _: Nothing, query: PageQuery) -> Answering<'_, Listed<RaisedRow>> {
    Box::pin(async move { Ok(reading.alerts(&query.page()).await?.into()) })
}

fn alerts_of_account(reading: &mut Reading, path: AccountPath, _: Nothing) -> Answering<'_, Vec<RaisedRow>> {
    Box::pin(async move { Ok(reading.alerts_of(&path.account_id).await?.into()) })
}
