//! The daemon's HTTP port: health, metrics, what the ledger says as an API, and the same as pages for people.
//!
//! Nothing is changed through it. Each answer is made from one [`Reading`](crate::report::Reading), which knows how
//! far who asks may see; no handler has to remember that.

mod api;
mod dashboard;
mod gate;
mod problem;
mod server;

use axum::Router;
use axum::http::{HeaderMap, Uri};
use axum::response::{IntoResponse, Response};
use std::sync::Arc;

use self::problem::{Kind, Problem};
use crate::report::Reports;

pub use dashboard::Live;
pub use server::{ServerError, bind, serve};

/// What answers are made from.
pub struct Site {
    /// What the ledger says.
    pub reports: Reports,
    /// Who is told that it changed.
    pub live: Live,
}

/// The OpenAPI document of the API, as `/openapi.json` has it.
pub fn openapi() -> serde_json::Value {
    api::api().document()
}

fn routes(site: Arc<Site>) -> Router {
    let document = openapi();
    let openapi = axum::routing::get(move || async move { axum::Json(document) });
    let described = api::api().router().route("/openapi.json", openapi);
    described
        .merge(dashboard::routes())
        .fallback(unknown_path)
        .method_not_allowed_fallback(wrong_method)
        .with_state(site)
}

async fn unknown_path(uri: Uri, headers: HeaderMap) -> Response {
    let path = uri.path();
    if dashboard::wants_page(&headers) {
        let problem = Problem::new(Kind::Unknown, format!("nothing is at {path:?}"));
        return dashboard::problem_page(&problem, None);
    }
    Problem::new(Kind::Unknown, format!("nothing is at {path:?}; /openapi.json says what there is"))
        .into_response()
}

async fn wrong_method() -> Response {
    Problem::new(Kind::Method, "it is asked by another method; /openapi.json says by which").into_response()
}
