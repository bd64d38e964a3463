//! Where something stands in a document, and what is wrong with it there.

use std::fmt;

use serde_json::Value;

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
        match path {
            Path::Top => Self(problem.to_string()),
            place => Self(format!("{place}: {problem}")),
        }
    }

    /// Another value than the one that was found at `path`.
    pub(super) fn expected(path: &Path, expected: impl fmt::Display, found: &Value) -> Self {
        Self::at(path, format_args!("expected {expected}, found {}", shown(found)))
    }
}
