//! What paths and queries may say.

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, de};

use crate::report::Page;

/// What ids look like, that of a pool too, which is `pool:` and its organization's. What doesn't is no id of anything.
pub(super) const ID: &str = "^[A-Za-z0-9._:@/-]{1,69}$";
/// The longest of them.
const ID_CHARS_MAX: usize = 69;

/// The account that is asked about.
#[derive(Deserialize, JsonSchema)]
pub(super) struct AccountPath {
    /// Its id; a pool's is `pool:` and its organization's id. A slash in it is `%2F`.
    #[schemars(regex(pattern = ID))]
    pub(super) account_id: String,
}

/// The organization that is asked about.
#[derive(Deserialize, JsonSchema)]
pub(super) struct OrganizationPath {
    /// Its id. A slash in it is `%2F`.
    #[schemars(regex(pattern = ID))]
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
        whole_number(deserializer, &(1..=ITEMS_MAX)).map(Self)
    }
}

impl Limit {
    pub(super) fn count(self) -> i64 {
        self.0.into()
    }
}

/// The number of the last item of the page before, as `next` gave it: of an entry its sequence.
#[derive(Clone, Copy, Debug, JsonSchema)]
#[schemars(inline)]
pub(super) struct Sequence(#[schemars(range(min = 0))] pub(super) i64);

impl<'de> Deserialize<'de> for Sequence {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        whole_number(deserializer, &(0..=i64::MAX)).map(Self)
    }
}

/// A number of a query, which is a text as all that stands there.
pub(super) fn whole_number<'de, D, N>(deserializer: D, range: &RangeInclusive<N>) -> Result<N, D::Error>
where
    D: Deserializer<'de>,
    N: FromStr + PartialOrd + fmt::Display,
{
    let text = String::deserialize(deserializer)?;
    let number = text.parse().ok().filter(|number| range.contains(number));
    let (least, most) = (range.start(), range.end());
    let expected = || de::Error::custom(format_args!("expected a whole number from {least} to {most}"));
    number.ok_or_else(expected)
}

/// The key of the last item of the page before, as `next` gave it: an id. An empty one is before all of them.
#[derive(Clone, Debug, JsonSchema)]
#[schemars(inline)]
pub(super) struct Key(#[schemars(regex(pattern = "^[A-Za-z0-9._:@/-]{0,69}$"))] String);

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let is_key = text.len() <= ID_CHARS_MAX && text.chars().all(is_of_ids);
        let expected = || de::Error::custom("expected an id, such as `next` of the page before says");
        is_key.then_some(Self(text)).ok_or_else(expected)
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The name of an alert rule, which looks like an id.
#[derive(Clone, Debug, JsonSchema)]
#[schemars(inline)]
pub(super) struct RuleName(#[schemars(regex(pattern = "^[A-Za-z0-9._:@/-]{1,64}$"))] String);

/// The most characters of one.
const RULE_NAME_CHARS_MAX: usize = 64;

impl<'de> Deserialize<'de> for RuleName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let is_name = !text.is_empty() && text.len() <= RULE_NAME_CHARS_MAX && text.chars().all(is_of_ids);
        let expected = || de::Error::custom("expected the name of an alert rule, such as hold_stale");
        is_name.then_some(Self(text)).ok_or_else(expected)
    }
}

impl RuleName {
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

fn is_of_ids(c: char) -> bool {
    c.is_ascii_alphanumeric() || "._:@/-".contains(c)
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
