//! JSON, read more strictly than `serde_json::Value` reads it: a member that appears twice and text with a
//! NUL are noticed. Of two members of one name, no two readers agree which one counts; and PostgreSQL can't
//! store a NUL in text. Nesting is bounded by serde_json's own limit of 127 levels.

use std::cell::RefCell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use super::places::{Path, Wrong};

/// A JSON text, and the first thing in it that JSON allows and the contract doesn't.
#[derive(Debug)]
pub(super) struct Document {
    /// What it says.
    pub(super) value: Value,
    /// What is wrong with it, if anything.
    pub(super) flaw: Option<Flaw>,
}

/// Something that JSON allows and the contract doesn't.
#[derive(Debug)]
pub(super) struct Flaw {
    /// Whether it is in `data`, and not in the envelope.
    pub(super) in_data: bool,
    /// What and where.
    pub(super) wrong: Wrong,
}

/// Reads `text`, which stands at `path`. Not JSON: says what and where it is, in serde_json's words.
pub(super) fn parse(text: &[u8], path: &Path) -> Result<Document, serde_json::Error> {
    let flaw = RefCell::new(None);
    let mut reader = serde_json::Deserializer::from_slice(text);
    let value = Strict { path, flaw: &flaw }.deserialize(&mut reader)?;
    reader.end()?;
    Ok(Document { value, flaw: flaw.into_inner() })
}

/// Reads one value, and keeps the first flaw.
#[derive(Clone, Copy)]
struct Strict<'p> {
    path: &'p Path<'p>,
    flaw: &'p RefCell<Option<Flaw>>,
}

impl Strict<'_> {
    fn note(&self, path: &Path, problem: &str) {
        let in_data = path.outermost() == Some("data");
        self.flaw.borrow_mut().get_or_insert_with(|| Flaw { in_data, wrong: Wrong::at(path, problem) });
    }

    fn note_nul(&self, path: &Path, text: &str) {
        if text.contains('\0') {
            self.note(path, "contains a NUL character (\\u0000), which can't be stored");
        }
    }
}

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Value;
    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Value, D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, flag: bool) -> Result<Value, E> {
        Ok(Value::Bool(flag))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Value, E> {
        Ok(Value::Number(number.into()))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Value, E> {
        Ok(Value::Number(number.into()))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Value, E> {
        Ok(Number::from_f64(number).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Value, E> {
        self.visit_string(text.to_owned())
    }

    fn visit_string<E: Error>(self, text: String) -> Result<Value, E> {
        self.note_nul(self.path, &text);
        Ok(Value::String(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = {
            let path = Path::Item(self.path, list.len());
            items.next_element_seed(Strict { path: &path, flaw: self.flaw })?
        } {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            let path = Path::Member(self.path, &name);
            self.note_nul(&path, &name);
            if object.contains_key(&name) {
                self.note(&path, "appears twice");
            }
            let value = members.next_value_seed(Strict { path: &path, flaw: self.flaw })?;
            object.insert(name, value);
        }
        Ok(Value::Object(object))
    }
}
