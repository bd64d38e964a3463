//! What waits, and what would unblock it.

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};

use super::arguments::{AccountPath, Key, Limit, Sequence, whole_number};
use super::endpoint::{Answering, Api, Nothing};
use super::openapi::About;
use crate::report::{Listed, Page, QueueReport, Reading};

/// How many claims of each queue are told at most.
#[derive(Clone, Copy, Debug, JsonSchema)]
#[schemars(inline)]
struct Claims(#[schemars(range(min = 1, max = 20))] i64);

/// The most of them: what would unblock each is found by walking its queue, and there may be a hundred queues. A queue
/// by itself goes on.
const CLAIMS_MAX: i64 = 20;

impl Default for Claims {
    fn default() -> Self {
        Self(CLAIMS_MAX)
    }
}

impl<'de> Deserialize<'de> for Claims {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        whole_number(deserializer, &(1..=CLAIMS_MAX)).map(Self)
    }
}

#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct QueueQuery {
    /// What `next` of the page before says: the ticket of its last claim.
    after: Option<Sequence>,
    /// At most so many claims: 100 where it isn't said.
    #[serde(default)]
    limit: Limit,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct QueuesQuery {
    /// At most so many claims of each queue: 20 where it isn't said.
    #[serde(default)]
    claims: Claims,
    /// What `next` of the page before says.
    after: Option<Key>,
    /// At most so many queues: 20 where it isn't said.
    #[serde(default)]
    limit: Queues,
}

/// How many queues a page has at most: each is walked.
#[derive(Clone, Copy, Debug, JsonSchema)]
#[schemars(inline)]
struct Queues(#[schemars(range(min = 1, max = 100))] i64);

/// The most queues of a page.
const QUEUES_MAX: i64 = 100;

impl Default for Queues {
    fn default() -> Self {
        Self(20)
    }
}

impl<'de> Deserialize<'de> for Queues {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        whole_number(deserializer, &(1..=QUEUES_MAX)).map(Self)
    }
}

pub(super) fn endpoints(api: Api) -> Api {
    let list = About {
        id: "listQueues",
        summary: "Queues in which something waits",
        description: "In the order of the accounts whose they are; claims first come first, and what would \
                      unblock each. `next` of a queue goes on at `/v1/accounts/{account_id}/queue`.",
    };
    let of_account = About {
        id: "getQueue",
        summary: "The queue that an account's claims wait in",
        description: "Its pool's, if it shares one; first come first. Who sees one account alone is told of its own \
                      claims only, in their places. What would unblock a claim is told of the first 200 of a queue.",
    };
    api.get("/v1/queues", list, queues).get("/v1/accounts/{account_id}/queue", of_account, queue)
}

fn queues(reading: &mut Reading, _: Nothing, query: QueuesQuery) -> Answering<'_, Listed<QueueReport>> {
    Box::pin(async move {
        let page = Page { after: query.after.map(|key| key.to_string()), limit: query.limit.0 };
        Ok(reading.queues(query.claims.0, &page).await?.into())
    })
}

fn queue(reading: &mut Reading, path: AccountPath, query: QueueQuery) -> Answering<'_, QueueReport> {
    Box::pin(async move {
        let after = query.after.map(|ticket| ticket.0);
        Ok(reading.queue(&path.account_id, after, query.limit.count()).await?.into())
    })
}
