//! Who asks, and how far that one may see.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

use super::problem::{Kind, Problem};
use crate::access::Scope;

/// Who asks.
#[derive(Clone, Debug)]
pub(super) struct Visitor {
    /// How far that one may see.
    pub(super) scope: Scope,
    /// Whether a session of a browser lets that one in, which can be ended.
    pub(super) has_session: bool,
}

impl<S: Sync> FromRequestParts<S> for Visitor {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let visitor = parts.extensions.get::<Visitor>().cloned();
        let visitor = visitor.or(Some(Visitor { scope: Scope::All, has_session: false }));
        visitor
            .ok_or_else(|| Problem::new(Kind::Unauthorized, "a token is needed: Authorization: Bearer TOKEN"))
    }
}
