//! What is parked.

use super::endpoint::{Answering, Api, Nothing};
use super::openapi::About;
use crate::report::{Reading, ReasonCount};

pub(super) fn endpoints(api: Api) -> Api {
    let counts = About {
        id: "countParked",
        summary: "How many messages are parked, by reason",
        description: "Those that nothing was done about yet. They belong to the whole ledger, so only a token of \
                      the scope `all` may ask.",
    };
    api.get("/v1/parked", counts, parked)
}

fn parked(reading: &mut Reading, _: Nothing, _: Nothing) -> Answering<'_, Vec<ReasonCount>> {
    Box::pin(async move { Ok(reading.parked().await?.into()) })
}
