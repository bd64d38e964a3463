//! Reading the members of a JSON object, so that each thing that is wrong is said with its place, what was
//! expected and what was found.

use std::fmt;
use std::ops::RangeInclusive;
use std::sync::Arc;

use serde_json::{Map, Value};

use crate::ledger::credits::Credits;
use crate::ledger::ids::IdError;
use crate::ledger::moment::Timestamp;

/// The longest piece of a found text that is shown, in characters.
const SHOWN_CHARS_MAX: usize = 80;

/// Where a value stands in its document, such as `data.alert_rules[1].level`.
#[derive(Clone, Copy)]
pub(super) enum Path<'p> {
    /// The document itself.
    Top,
    /// A member of an object.
    Member(&'p Path<'p>, &'p str),
    /// An item of a list, from 0.
    Item(&'p Path<'p>, usize),
}

impl<'p> Path<'p> {
    /// The member of the document that this is, or is inside of.
    pub(super) fn outermost(&self) -> Option<&'p str> {
        match self {
            Path::Top => None,
            Path::Member(Path::Top, name) => Some(name),
            Path::Member(parent, _) | Path::Item(parent, _) => parent.outermost(),
        }
    }
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Path::Top => Ok(()),
            Path::Item(parent, place) => write!(f, "{parent}[{place}]"),
            Path::Member(parent, name) if !is_plain(name) => write!(f, "{parent}[{}]", quoted(name)),
            Path::Member(Path::Top, name) => f.write_str(name),
            Path::Member(parent, name) => write!(f, "{parent}.{name}"),
        }
    }
}

/// Whether a member's name can stand in a path as it is.
fn is_plain(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    (1..=SHOWN_CHARS_MAX).contains(&name.len()) && name.chars().all(plain)
}

/// `text` in quotes, escaped, and shortened where it is long.
pub(super) fn quoted(text: &str) -> String {
    match text.char_indices().nth(SHOWN_CHARS_MAX) {
        Some((end, _)) => format!("{:?}... ({} characters)", &text[..end], text.chars().count()),
        None => format!("{text:?}"),
    }
}

/// A value as an error shows it.
fn shown(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(flag) => flag.to_string(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => quoted(text),
        Value::Array(items) => format!("a list of {}", items.len()),
        Value::Object(_) => "an object".to_owned(),
    }
}

/// What is wrong and where, as a sentence for people.
#[derive(Debug)]
pub(super) struct Wrong(pub(super) String);

impl Wrong {
    /// Something about the value at `path`.
    pub(super) fn at(path: &Path, problem: impl fmt::Display) -> Self {
        Self(format!("{path}: {problem}"))
    }

    /// Another value than the one that was found at `path`.
    pub(super) fn expected(path: &Path, expected: impl fmt::Display, found: &Value) -> Self {
        Self::at(path, format_args!("expected {expected}, found {}", shown(found)))
    }
}

/// The members of one object. A member that is null counts as one that isn't there.
pub(super) struct Fields<'v> {
    path: &'v Path<'v>,
    members: &'v Map<String, Value>,
}

impl<'v> Fields<'v> {
    /// The members of the document itself.
    pub(super) fn of_document(members: &'v Map<String, Value>) -> Self {
        Self { path: &Path::Top, members }
    }

    /// The members of the object `value` at `path`.
    pub(super) fn of(path: &'v Path<'v>, value: &'v Value) -> Result<Self, Wrong> {
        match value {
            Value::Object(members) => Ok(Self { path, members }),
            other => Err(Wrong::expected(path, "an object", other)),
        }
    }

    /// The object's own place.
    pub(super) fn path(&self) -> &'v Path<'v> {
        self.path
    }

    /// Reads a member that may be left out.
    pub(super) fn optional<T>(&self, name: &str, read: impl Read<T>) -> Result<Option<T>, Wrong> {
        match self.members.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => read(&Path::Member(self.path, name), value).map(Some),
        }
    }

    /// Reads a member that must be there.
    pub(super) fn required<T>(&self, name: &str, read: impl Read<T>) -> Result<T, Wrong> {
        let missing = || Wrong::at(&Path::Member(self.path, name), "required, but missing or null");
        self.optional(name, read)?.ok_or_else(missing)
    }
}

/// A rule for values: what they become, or what is wrong with the one at that place.
pub(super) trait Read<T>: Fn(&Path, &Value) -> Result<T, Wrong> {}
impl<T, F: Fn(&Path, &Value) -> Result<T, Wrong>> Read<T> for F {}

/// A whole number within `range`. `5.0` and `"5"` are none.
pub(super) fn whole(range: RangeInclusive<i64>) -> impl Read<i64> {
    move |path, value| {
        let number = value.as_i64().filter(|number| range.contains(number));
        let expected = format_args!("a whole number from {} to {}", range.start(), range.end());
        number.ok_or_else(|| Wrong::expected(path, expected, value))
    }
}

/// A number of credits from `least` up to what one message may name.
pub(super) fn credits_from(least: i64) -> impl Read<Credits> {
    let read = whole(least..=Credits::AMOUNT_MAX.0);
    move |path, value| read(path, value).map(Credits)
}

/// A number of credits up or down, but not zero.
pub(super) fn signed_credits(path: &Path, value: &Value) -> Result<Credits, Wrong> {
    let most = Credits::AMOUNT_MAX.0;
    let number = value.as_i64().filter(|number| *number != 0 && (-most..=most).contains(number));
    let expected = format_args!("a whole number from -{most} to {most} except 0");
    number.map(Credits).ok_or_else(|| Wrong::expected(path, expected, value))
}

/// A text of 1 to `chars_max` characters, none of them a control character.
pub(super) fn text(chars_max: usize) -> impl Read<Arc<str>> {
    move |path, value| {
        let fits = |text: &&str| {
            let chars = text.chars().take(chars_max + 1).count();
            (1..=chars_max).contains(&chars) && !text.chars().any(char::is_control)
        };
        let expected = format_args!("a text of 1 to {chars_max} characters without control characters");
        value.as_str().filter(fits).map(Arc::from).ok_or_else(|| Wrong::expected(path, expected, value))
    }
}

/// An id, by the rule of `parse`.
pub(super) fn id<T>(parse: impl Fn(&str) -> Result<T, IdError>) -> impl Read<T> {
    move |path, value| {
        let Value::String(text) = value else {
            return Err(Wrong::expected(path, "an id as text", value));
        };
        let wrong = |error| Wrong::at(path, format_args!("expected an id, found {}: {error}", quoted(text)));
        parse(text).map_err(wrong)
    }
}

/// A point in time.
pub(super) fn timestamp(path: &Path, value: &Value) -> Result<Timestamp, Wrong> {
    let stamp = value.as_str().and_then(|text| Timestamp::parse(text).ok());
    let expected = "an RFC 3339 time such as 2026-03-01T12:00:00Z";
    stamp.ok_or_else(|| Wrong::expected(path, expected, value))
}

/// One of a few words.
pub(super) fn one_of<T: Copy>(words: &'static [(&'static str, T)]) -> impl Read<T> {
    move |path, value| {
        let known = words.iter().find(|(word, _)| value.as_str() == Some(word));
        let list = || words.iter().map(|(word, _)| *word).collect::<Vec<_>>().join(", ");
        let meaning = known.map(|(_, meaning)| *meaning);
        meaning.ok_or_else(|| Wrong::expected(path, format_args!("one of {}", list()), value))
    }
}

/// A list of at most `items_max`, each read by `read`.
pub(super) fn list<T>(items_max: usize, read: impl Read<T>) -> impl Read<Vec<T>> {
    move |path, value| {
        let items = value.as_array().filter(|items| items.len() <= items_max);
        let expected = format_args!("a list of at most {items_max}");
        let items = items.ok_or_else(|| Wrong::expected(path, expected, value))?;
        let numbered = items.iter().enumerate();
        numbered.map(|(place, item)| read(&Path::Item(path, place), item)).collect()
    }
}
