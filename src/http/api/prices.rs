//! What deliverables cost.

use super::arguments::{AccountPath, OrganizationPath};
use super::endpoint::{Answering, Api, Nothing};
use super::openapi::About;
use crate::report::{Prices, Reading};

pub(super) fn endpoints(api: Api) -> Api {
    let default = About {
        id: "getPrices",
        summary: "The default price list",
        description: "As it is in force, and the versions that are announced.",
    };
    let of_organization = About {
        id: "getPricesOfOrganization",
        summary: "What deliverables cost an organization",
        description: "Its own list where it has one, and the default list for what that lacks.",
    };
    let of_account = About {
        id: "getPricesOfAccount",
        summary: "What deliverables cost an account",
        description: "The lists of its organization.",
    };
    api.get("/v1/prices", default, prices)
        .get("/v1/organizations/{organization_id}/prices", of_organization, prices_of_organization)
        .get("/v1/accounts/{account_id}/prices", of_account, prices_of_account)
}

fn prices(reading: &mut Reading, _: Nothing, _: Nothing) -> Answering<'_, Prices> {
    Box::pin(async move { Ok(reading.prices(None).await?.into()) })
}

fn prices_of_organization(
    reading: &mut Reading,
    path: OrganizationPath,
    _: Nothing,
) -> Answering<'_, Prices> {
    Box::pin(async move { Ok(reading.prices(Some(&path.organization_id)).await?.into()) })
}

fn prices_of_account(reading: &mut Reading, path: AccountPath, _: Nothing) -> Answering<'_, Prices> {
    Box::pin(async move { Ok(reading.prices_of_account(&path.account_id).await?.into()) })
}
