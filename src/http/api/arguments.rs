//! What paths and queries may say.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, de};

use crate::report::Page;

/// The account that is asked about.
#[derive(Deserialize, JsonSchema)]
pub(super) struct AccountPath {
    /// Its id; a pool's is `pool:` and its organization's id. A slash in it is `%2F`.
    pub(super) account_id: String,
}

/// The organization that is asked about.
#[derive(Deserialize, JsonSchema)]
pub(super) struct OrganizationPath {
    /// Its id. A slash in it is `%2F`.
    pub(super) organization_id: String,
}

/// How many items a page has at most.
#[derive(Clone, Copy, Debug, JsonSchema)]
#[schemars(inline)]
pub(super) struct Limit(#[schemars(range(min = 1, max = 1000))] u16);

/// The most items of a page.
const ITEMS_MAX: u16 = 1000;

impl Default for Limit {
    fn default() -> Self {
        Self(100)
    }
}

impl<'de> Deserialize<'de> for Limit {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let number = text.parse().ok().filter(|number| (1..=ITEMS_MAX).contains(number));
        let expected = || de::Error::custom(format_args!("expected a whole number from 1 to {ITEMS_MAX}"));
        number.map(Self).ok_or_else(expected)
    }
}

impl Limit {
    pub(super) fn count(self) -> i64 {
        self.0.into()
    }
}

/// The key of the last item of the page before, as `next` gave it.
#[derive(Clone, Debug, JsonSchema)]
#[schemars(inline)]
pub(super) struct Key(#[schemars(length(max = 100), regex(pattern = "^[!-~]*$"))] String);

/// Longer than any id.
const KEY_CHARS_MAX: usize = 100;

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let is_key = text.len() <= KEY_CHARS_MAX && text.chars().all(|c| c.is_ascii_graphic());
        let expected = || de::Error::custom("expected what `next` of the page before says");
        is_key.then_some(Self(text)).ok_or_else(expected)
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The page that is asked for.
pub(super) fn page(after: Option<Key>, limit: Limit) -> Page {
    Page { after: after.map(|key| key.0), limit: limit.count() }
}

/// The page that is asked for, and nothing else.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PageQuery {
    /// What `next` of the page before says.
    after: Option<Key>,
    /// At most so many items: 100 where it isn't said.
    #[serde(default)]
    limit: Limit,
}

impl PageQuery {
    pub(super) fn page(self) -> Page {
        page(self.after, self.limit)
    }
}
