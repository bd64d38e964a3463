//! The API for reading, a file a noun.

mod accounts;
mod alerts;
mod arguments;
mod endpoint;
mod openapi;
mod organizations;
mod parked;
mod prices;
mod projects;
mod queues;
mod quotes;
mod usage;

pub(super) use endpoint::Api;
pub(super) use quotes::{Brief, Piece, QUANTITY_MAX};

/// All endpoints.
pub(super) fn api() -> Api {
    let api = accounts::endpoints(Api::default());
    let api = projects::endpoints(api);
    let api = queues::endpoints(api);
    let api = alerts::endpoints(api);
    let api = quotes::endpoints(api);
    let api = prices::endpoints(api);
    let api = usage::endpoints(api);
    let api = organizations::endpoints(api);
    parked::endpoints(api)
}
