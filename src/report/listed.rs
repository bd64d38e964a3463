//! Lists in pages, by the key of the last item.

use schemars::JsonSchema;
use serde::Serialize;

/// A stretch of a list: what comes after a key, up to so many.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// The key of the last item before; from the beginning where there is none.
    pub after: Option<String>,
    /// At most so many.
    pub limit: i64,
}

/// A page of a list.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[schemars(rename = "{T}List")]
pub struct Listed<T> {
    /// The items, in the order of their keys.
    pub items: Vec<T>,
    /// What to give as `after` for the next page; null where this is the last one.
    pub next: Option<String>,
}

impl<T> Listed<T> {
    /// A page of `items`, of which one more than `limit` was read to see whether more follow.
    pub fn of(mut items: Vec<T>, limit: i64, key: impl Fn(&T) -> String) -> Self {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let more_follow = items.len() > limit;
        items.truncate(limit);
        let next = items.last().filter(|_| more_follow).map(key);
        Self { items, next }
    }
}
