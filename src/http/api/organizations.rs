//! Organizations, with their pools and the first of their accounts.

use super::arguments::{OrganizationPath, PageQuery};
use super::endpoint::{Answering, Api, Nothing};
use super::openapi::About;
use crate::report::{Listed, OrganizationRow, OrganizationSummary, Reading};

pub(super) fn endpoints(api: Api) -> Api {
    let list = About {
        id: "listOrganizations",
        summary: "Organizations in short",
        description: "In the order of their ids, each with its pool and how many accounts it has.",
    };
    let show = About {
        id: "getOrganization",
        summary: "An organization",
        description: "Its pool, how many accounts it has, and the first 100 of them; `/v1/accounts?organization=` \
                      goes on after those.",
    };
    api.get("/v1/organizations", list, organizations).get(
        "/v1/organizations/{organization_id}",
        show,
        organization,
    )
}

fn organizations(
    reading: &mut Reading,
    _: Nothing,
    query: PageQuery,
) -> Answering<'_, Listed<OrganizationSummary>> {
    Box::pin(async move { Ok(reading.organizations(&query.page()).await?.into()) })
}

fn organization(reading: &mut Reading, path: OrganizationPath, _: Nothing) -> Answering<'_, OrganizationRow> {
    Box::pin(async move { Ok(reading.organization(&path.organization_id).await?.into()) })
}
