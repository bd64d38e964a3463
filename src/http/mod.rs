//! The daemon's HTTP port: health, metrics, what the ledger says as an API, and the same as pages for people.
//!
//! Nothing is changed through it. Each answer is made from one [`Reading`](crate::report::Reading), which knows how
//! far who asks may see; no handler has to remember that.

mod api;
mod browser;
mod dashboard;
mod gate;
mod health;
mod login;
mod metrics;
mod places;
mod problem;
mod server;

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router, middleware};
use tokio_util::sync::CancellationToken;

use self::problem::{Kind, Problem};
use crate::report::Reports;
use crate::vitals::{Figures, Vitals};

pub use dashboard::Live;
pub use gate::Access;
pub use places::Places;
pub use server::{ServerError, bind, serve};

/// What answers are made from.
pub struct Site {
    /// What the ledger says.
    pub reports: Reports,
    /// Who is told that it changed.
    pub live: Live,
    /// Who is let in.
    pub access: Access,
    /// How the process is doing.
    pub vitals: Vitals,
    /// What the ledger comes to, for those who scrape.
    pub figures: Figures,
    /// How many reports may be downloaded at once: each keeps a connection to the database.
    pub downloads: Places,
    /// Set once the daemon stops: answers without an end must come to one.
    pub stop: CancellationToken,
}

/// The OpenAPI document of the API, as `/openapi.json` has it.
pub fn openapi() -> serde_json::Value {
    api::api().document()
}

fn routes(site: Arc<Site>) -> Router {
    let document = openapi();
    let guarded = api::api().router().route("/metrics", get(metrics::metrics)).merge(dashboard::routes());
    let open = Router::new()
        .route("/livez", get(health::livez))
        .route("/readyz", get(health::readyz))
        .route("/openapi.json", get(move || async move { Json(document) }))
        .route_layer(middleware::from_fn_with_state(site.clone(), gate::admit_all))
        .merge(dashboard::open_routes())
        .route("/login", get(dashboard::login).post(login::log_in))
        .route("/logout", post(login::log_out));
    guarded
        .route_layer(middleware::from_fn_with_state(site.clone(), gate::admit))
        .merge(open)
        .fallback(unknown_path)
        .method_not_allowed_fallback(wrong_method)
        .with_state(site)
}

async fn unknown_path(State(site): State<Arc<Site>>, uri: Uri, headers: HeaderMap) -> Response {
    let path = uri.path();
    if dashboard::wants_page(&headers) {
        let problem = Problem::new(Kind::Unknown, format!("nothing is at {path:?}"));
        return dashboard::problem_page(&site, &problem, None);
    }
    Problem::new(Kind::Unknown, format!("nothing is at {path:?}; /openapi.json says what there is"))
        .into_response()
}

async fn wrong_method() -> Response {
    Problem::new(Kind::Method, "it is asked by another method; /openapi.json says by which").into_response()
}
