//! Projects.

use schemars::JsonSchema;
use serde::Deserialize;

use super::arguments::{AccountPath, ID, Key, Limit, Sequence, page};
use super::endpoint::{Answering, Api, Nothing};
use super::openapi::About;
use super::usage::Age;
use crate::ledger::project::State;
use crate::report::{Listed, ProjectLine, ProjectRow, Reading};

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ProjectsQuery {
    /// Only those in this state.
    state: Option<State>,
    /// Only those that wait for credits, whether they hold some already or none.
    #[serde(default)]
    waiting: bool,
    /// What `next` of the page before says.
    after: Option<Key>,
    /// At most so many items: 100 where it isn't said.
    #[serde(default)]
    limit: Limit,
}

/// The project that is asked about.
#[derive(Deserialize, JsonSchema)]
struct ProjectPath {
    /// Its id. A slash in it is `%2F`.
    #[schemars(regex(pattern = ID))]
    project_id: String,
}

#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct EntriesQuery {
    /// In which order.
    #[serde(default)]
    order: Age,
    /// What `next` of the page before says: the `log_number` of its last entry.
    after: Option<Sequence>,
    /// At most so many items: 100 where it isn't said.
    #[serde(default)]
    limit: Limit,
}

pub(super) fn endpoints(api: Api) -> Api {
    let list = About {
        id: "listProjects",
        summary: "An account's projects",
        description: "In the order of their ids. Those of a pool are those of all accounts of its organization.",
    };
    let show = About {
        id: "getProject",
        summary: "A project",
        description: "What it costs, holds and wants, and where it stands.",
    };
    let history = About {
        id: "listProjectEntries",
        summary: "A project's entries",
        description: "What it moved, on all accounts that may be seen, each with what it then held and had used up \
                      there. A hold that is booked on an account and its pool is an entry of each.",
    };
    api.get("/v1/accounts/{account_id}/projects", list, projects)
        .get("/v1/projects/{project_id}", show, project)
        .get("/v1/projects/{project_id}/entries", history, entries)
}

fn projects(
    reading: &mut Reading,
    path: AccountPath,
    query: ProjectsQuery,
) -> Answering<'_, Listed<ProjectRow>> {
    Box::pin(async move {
        let state = query.state.map(|state| state.as_str().to_owned());
        let page = page(query.after, query.limit);
        Ok(reading.projects(&path.account_id, state, query.waiting, &page).await?.into())
    })
}

fn project(reading: &mut Reading, path: ProjectPath, _: Nothing) -> Answering<'_, ProjectRow> {
    Box::pin(async move { Ok(reading.project(&path.project_id).await?.into()) })
}

fn entries(
    reading: &mut Reading,
    path: ProjectPath,
    query: EntriesQuery,
) -> Answering<'_, Listed<ProjectLine>> {
    Box::pin(async move {
        let EntriesQuery { order, after, limit } = query;
        let after = after.map(|Sequence(after)| after);
        let newest_first = order == Age::Newest;
        Ok(reading.project_entries(&path.project_id, after, newest_first, limit.count()).await?.into())
    })
}
