//! What accounts and projects are called, and the ways to them.

use std::collections::HashMap;

use maud::{Markup, html};

use super::links;
use super::search::known;
use super::words::{named, said};
use crate::access::Scope;
use crate::http::problem::Problem;
use crate::report::{AccountRow, OrganizationSummary, Reading};

/// What the id of a pool begins with; its organization's follows.
const POOL: &str = "pool:";

/// What an account is called; a pool by its organization.
pub(super) fn called(id: &str, name: Option<&str>) -> String {
    match (id.strip_prefix(POOL), name.filter(|name| !name.trim().is_empty())) {
        (Some(organization), name) => format!("Pool of {}", name.unwrap_or(organization)),
        (None, name) => name.unwrap_or(id).to_owned(),
    }
}

/// The way to an account that is called so, or by its id where `names` has nothing.
pub(super) fn account(id: &str, names: &HashMap<String, String>) -> Markup {
    let name = called(id, names.get(id).map(String::as_str));
    html! { a href=(links::account(id)) title=(id) { (said(&name)) } }
}

/// An account by its id, on the page of another: the way to it for who may go there. Who sees one account alone, as
/// which a pool counts, is told of its members' projects and not of the members.
pub(super) fn other_account(id: &str, scope: &Scope) -> Markup {
    let may_go = match scope {
        Scope::All | Scope::Organization(_) => true,
        Scope::Account(own) => own.as_str() == id,
    };
    html! { @if may_go { a href=(links::account(id)) { (id) } } @else { span.id { (id) } } }
}

/// The way to a project, by its name with the id below.
pub(super) fn project(id: &str, name: Option<&str>) -> Markup {
    html! { a.project href=(links::project(id)) { (named(name, id)) } }
}

/// An account as its own pages tell of it: with its organization, where that may be seen.
pub(super) struct Subject {
    /// The account's id.
    id: String,
    /// What it is called.
    pub(super) name: String,
    /// The id of its organization.
    organization_id: Option<String>,
    /// That organization; `None` for who sees the account alone.
    organization: Option<OrganizationSummary>,
}

impl Subject {
    pub(super) async fn read(reading: &mut Reading, account: &AccountRow) -> Result<Self, Problem> {
        let organization_id = account.organization_id.clone();
        let organization = match &organization_id {
            Some(id) => known(reading.organization_in_short(id).await)?,
            None => None,
        };
        let name = match organization.as_ref().and_then(|organization| organization.name.as_deref()) {
            Some(name) if account.promised.is_some() => called(&account.account_id, Some(name)),
            _ => called(&account.account_id, account.name.as_deref()),
        };
        Ok(Self { id: account.account_id.clone(), name, organization_id, organization })
    }

    /// The organization: the way to it by its name, or the id alone for who may not go there.
    pub(super) fn organization(&self) -> Option<Markup> {
        let id = self.organization_id.as_deref()?;
        Some(html! {
            @if let Some(seen) = &self.organization {
                a href=(links::organization(id)) { (said(seen.name.as_deref().unwrap_or(id))) }
            } @else {
                span.id { (id) }
            }
        })
    }

    /// Where a page about the account is.
    pub(super) fn path(&self) -> Markup {
        html! { @if let Some(organization) = self.organization() { (trail(&[organization])) } }
    }

    /// Where a page below that of the account is.
    pub(super) fn path_below(&self) -> Markup {
        let account = html! { a href=(links::account(&self.id)) { (said(&self.name)) } };
        trail(&self.organization().into_iter().chain([account]).collect::<Vec<_>>())
    }
}

/// What a page is below of, from the top.
pub(super) fn trail(steps: &[Markup]) -> Markup {
    html! { nav.path aria-label="Where this is" { ol { @for step in steps { li { (step) } } } } }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pool_is_called_by_its_organization_and_others_by_their_names() {
        assert_eq!(called("pool:acme", Some("Acme & Co")), "Pool of Acme & Co");
        assert_eq!(called("pool:acme", None), "Pool of acme");
        assert_eq!(called("studio", Some("Studio")), "Studio");
        assert_eq!(called("studio", Some("  ")), "studio");
    }

    #[test]
    fn an_account_that_is_not_to_be_seen_is_named_and_no_link() {
        let way = |scope: &str| other_account("film", &scope.parse().unwrap()).into_string();
        for scope in ["all", "organization:acme", "account:film"] {
            assert!(way(scope).contains("href=\"/accounts/film\""), "{scope}: {}", way(scope));
        }
        assert_eq!(way("account:pool:acme"), "<span class=\"id\">film</span>");
    }

    #[test]
    fn the_way_to_a_project_keeps_odd_ids_in_one_part_and_escapes_its_name() {
        let way = project("a/b:c.d@e", Some("<b>Spring</b>")).into_string();
        assert!(way.contains("href=\"/projects/a%2Fb%3Ac.d%40e\""), "{way}");
        assert!(way.contains("&lt;b&gt;Spring"), "{way}");
    }
}
