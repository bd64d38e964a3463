//! Kinds of values: how one is read, and which JSON Schema says the same. Both stand together, so that what
//! is published about the contract can't drift from what is taken.
//!
//! Where a schema can't say all that the reader asks for, its description does.

use std::ops::RangeInclusive;
use std::sync::Arc;

use serde_json::{Value, json};

use super::places::{Path, Wrong, quoted};
use crate::ledger::credits::Credits;
use crate::ledger::ids::{ID_CHARS_MAX, IdError, POOL_PREFIX};
use crate::ledger::moment::Timestamp;

/// A JSON Schema, or a piece of one.
pub(super) type Schema = Value;

/// The regular expression of a text without control characters, in the part that all dialects share.
const PRINTABLE: &str = r"^[^\x00-\x1f\x7f-\x9f]*$";
/// The regular expression of an id's characters.
const ID_CHARACTERS: &str = "^[A-Za-z0-9._:@/-]+$";
/// The same for what is neither `.` nor `..`.
const ID: &str = r"^(\.{0,2}[A-Za-z0-9_:@/-]|\.{3})[A-Za-z0-9._:@/-]*$";
/// The form of RFC 3339. How many days a month has, and where a leap second may be, is beyond it.
const RFC_3339: &str = concat!(
    r"^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])[Tt]",
    r"([01][0-9]|2[0-3]):[0-5][0-9]:([0-5][0-9]|60)(\.[0-9]+)?([Zz]|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$"
);

/// A kind of value: what a good one becomes, or what is wrong with the one at that place; and which are good.
pub(super) trait Kind<T> {
    /// Reads the value at `path`. It is never null: that counts as left out.
    fn read(&self, path: &Path, value: &Value) -> Result<T, Wrong>;
    /// The schema of the values that can be read.
    fn schema(&self) -> Schema;
}

struct Declared<S, R> {
    schema: S,
    read: R,
}

impl<T, S, R> Kind<T> for Declared<S, R>
where
    S: Fn() -> Schema,
    R: Fn(&Path, &Value) -> Result<T, Wrong>,
{
    fn read(&self, path: &Path, value: &Value) -> Result<T, Wrong> {
        (self.read)(path, value)
    }

    fn schema(&self) -> Schema {
        (self.schema)()
    }
}

/// The kind of the values that have this schema and are read like this.
pub(super) fn kind<T>(
    schema: impl Fn() -> Schema,
    read: impl Fn(&Path, &Value) -> Result<T, Wrong>,
) -> impl Kind<T> {
    Declared { schema, read }
}

/// `kind`, with more keywords in its schema: for what is checked after reading, in other words.
pub(super) fn checked_later<T>(kind: impl Kind<T>, keywords: impl Fn() -> Schema) -> impl Kind<T> {
    CheckedLater { kind, keywords }
}

struct CheckedLater<K, S> {
    kind: K,
    keywords: S,
}

impl<T, K: Kind<T>, S: Fn() -> Schema> Kind<T> for CheckedLater<K, S> {
    fn read(&self, path: &Path, value: &Value) -> Result<T, Wrong> {
        self.kind.read(path, value)
    }

    fn schema(&self) -> Schema {
        with_keywords(self.kind.schema(), (self.keywords)())
    }
}

/// `schema` with the keywords of `more`, which replace those of the same name.
pub(super) fn with_keywords(mut schema: Schema, mut more: Schema) -> Schema {
    let (Value::Object(keywords), Value::Object(more)) = (&mut schema, &mut more) else {
        unreachable!("each schema here is an object of keywords");
    };
    keywords.append(more);
    schema
}

/// A whole number within `range`. `5.0` and `"5"` are none.
pub(super) fn whole(range: RangeInclusive<i64>) -> impl Kind<i64> {
    let (least, most) = range.into_inner();
    let schema = move || json!({"type": "integer", "minimum": least, "maximum": most});
    kind(schema, move |path, value| {
        let number = value.as_i64().filter(|number| (least..=most).contains(number));
        let expected = format_args!("a whole number from {least} to {most}");
        number.ok_or_else(|| Wrong::expected(path, expected, value))
    })
}

/// A number of credits from `least` up to what one message may name.
pub(super) fn credits_from(least: i64) -> impl Kind<Credits> {
    let number = move || whole(least..=Credits::AMOUNT_MAX.0);
    kind(move || number().schema(), move |path, value| number().read(path, value).map(Credits))
}

/// A number of credits up or down, but not zero.
pub(super) fn signed_credits() -> impl Kind<Credits> {
    let most = Credits::AMOUNT_MAX.0;
    let schema = move || json!({"type": "integer", "minimum": -most, "maximum": most, "not": {"const": 0}});
    kind(schema, move |path, value| {
        let number = value.as_i64().filter(|number| *number != 0 && (-most..=most).contains(number));
        let expected = format_args!("a whole number from -{most} to {most} except 0");
        number.map(Credits).ok_or_else(|| Wrong::expected(path, expected, value))
    })
}

/// Whether `text` has 1 to `chars_max` characters, none of them a control character.
pub(super) fn is_printable(text: &str, chars_max: usize) -> bool {
    let chars = text.chars().take(chars_max + 1).count();
    (1..=chars_max).contains(&chars) && !text.chars().any(char::is_control)
}

/// The schema of the texts that are [`is_printable`].
pub(super) fn printable_schema(chars_max: usize) -> Schema {
    json!({"type": "string", "minLength": 1, "maxLength": chars_max, "pattern": PRINTABLE})
}

/// A text of 1 to `chars_max` characters, none of them a control character.
pub(super) fn text(chars_max: usize) -> impl Kind<Arc<str>> {
    kind(
        move || printable_schema(chars_max),
        move |path, value| {
            let fits = value.as_str().filter(|text| is_printable(text, chars_max));
            let expected = format_args!("a text of 1 to {chars_max} characters without control characters");
            fits.map(Arc::from).ok_or_else(|| Wrong::expected(path, expected, value))
        },
    )
}

/// An id, by the rule of `parse`.
pub(super) fn id<T>(parse: impl Fn(&str) -> Result<T, IdError>) -> impl Kind<T> {
    kind(
        || like_id_schema(ID),
        move |path, value| {
            let Value::String(text) = value else {
                return Err(Wrong::expected(path, "an id as text", value));
            };
            let wrong =
                |error| Wrong::at(path, format_args!("expected an id, found {}: {error}", quoted(text)));
            parse(text).map_err(wrong)
        },
    )
}

/// The schema of a name that has the characters of ids.
pub(super) fn rule_name_schema() -> Schema {
    like_id_schema(ID_CHARACTERS)
}

fn like_id_schema(pattern: &str) -> Schema {
    json!({"type": "string", "minLength": 1, "maxLength": ID_CHARS_MAX, "pattern": pattern})
}

/// The id of an account that is no pool, by the rule of `parse`.
pub(super) fn id_of_no_pool<T>(parse: impl Fn(&str) -> Result<T, IdError>) -> impl Kind<T> {
    checked_later(id(parse), || json!({"not": beginning_with(POOL_PREFIX)}))
}

/// The schema of the texts that begin with `prefix`, which has no character with a meaning of its own. It
/// says the type too: within `not`, a pattern alone would refuse whatever is no text.
pub(super) fn beginning_with(prefix: &str) -> Schema {
    json!({"type": "string", "pattern": format!("^{prefix}")})
}

/// A point in time.
pub(super) fn timestamp() -> impl Kind<Timestamp> {
    kind(
        || json!({"type": "string", "format": "date-time", "pattern": RFC_3339}),
        |path, value| {
            let stamp = value.as_str().and_then(|text| Timestamp::parse(text).ok());
            let expected = "an RFC 3339 time such as 2026-03-01T12:00:00Z";
            stamp.ok_or_else(|| Wrong::expected(path, expected, value))
        },
    )
}

/// One of a few words.
pub(super) fn one_of<T: Copy>(words: &'static [(&'static str, T)]) -> impl Kind<T> {
    let names = move || words.iter().map(|(word, _)| *word).collect::<Vec<_>>();
    let schema = move || json!({"type": "string", "enum": names()});
    kind(schema, move |path, value| {
        let known = words.iter().find(|(word, _)| value.as_str() == Some(word));
        let meaning = known.map(|(_, meaning)| *meaning);
        let expected = || format!("one of {}", names().join(", "));
        meaning.ok_or_else(|| Wrong::expected(path, expected(), value))
    })
}

/// A list of at most `items_max`, each of the kind `item`.
pub(super) fn list<T, K: Kind<T>>(items_max: usize, item: K) -> impl Kind<Vec<T>> {
    List { items_max, item }
}

struct List<K> {
    items_max: usize,
    item: K,
}

impl<T, K: Kind<T>> Kind<Vec<T>> for List<K> {
    fn read(&self, path: &Path, value: &Value) -> Result<Vec<T>, Wrong> {
        let items = value.as_array().filter(|items| items.len() <= self.items_max);
        let expected = format_args!("a list of at most {}", self.items_max);
        let items = items.ok_or_else(|| Wrong::expected(path, expected, value))?;
        let numbered = items.iter().enumerate();
        numbered.map(|(place, item)| self.item.read(&Path::Item(path, place), item)).collect()
    }

    fn schema(&self) -> Schema {
        json!({"type": "array", "maxItems": self.items_max, "items": self.item.schema()})
    }
}
