//! Members of JSON objects, each declared once: the declaration reads them, and says the schema.

use serde_json::{Map, Value, json};

use super::fields::Fields;
use super::kinds::{Kind, Schema};
use super::places::{Path, Wrong};

/// Members that stand together in one object.
pub(super) trait Members: Sized {
    /// What they are, in sentences.
    fn about() -> String;
    /// Reads them; the first wrong one, in the order of their declaration, is told.
    fn read(fields: &Fields) -> Result<Self, Wrong>;
    /// Adds them, and what holds between them, to the schema of their object.
    fn describe(object: &mut ObjectSchema);
}

/// Members of one object that are declared apart, because others share some of them. The first are read first;
/// the second are what the object is about.
impl<First: Members, Second: Members> Members for (First, Second) {
    fn about() -> String {
        format!("{} {}", Second::about(), First::about())
    }

    fn read(fields: &Fields) -> Result<Self, Wrong> {
        Ok((First::read(fields)?, Second::read(fields)?))
    }

    fn describe(object: &mut ObjectSchema) {
        First::describe(object);
        Second::describe(object);
    }
}

/// The schema of an object, member by member.
#[derive(Default)]
pub(super) struct ObjectSchema {
    properties: Map<String, Value>,
    required: Vec<&'static str>,
    rules: Map<String, Value>,
}

impl ObjectSchema {
    /// Adds a member. `says` are the lines of its documentation.
    pub(super) fn member<T>(&mut self, name: &'static str, says: &[&str], member: &impl Member<T>) {
        let mut schema = member.schema();
        schema["description"] = json!(sentences(says));
        if member.is_required() {
            self.required_member(name, schema);
        } else {
            self.properties.insert(name.to_owned(), schema);
        }
    }

    /// Adds a member that must be there, or replaces one that must.
    pub(super) fn required_member(&mut self, name: &'static str, schema: Schema) {
        self.properties.insert(name.to_owned(), schema);
        if !self.required.contains(&name) {
            self.required.push(name);
        }
    }

    /// Adds a keyword about the object as a whole.
    fn rule(&mut self, keyword: &str, value: Value) {
        self.rules.insert(keyword.to_owned(), value);
    }

    /// Says that exactly one of these members is there, and is a text.
    pub(super) fn exactly_one_text_of(&mut self, names: [&'static str; 2]) {
        let alone = |name: &str| json!({"required": [name], "properties": {(name): {"type": "string"}}});
        self.rule("oneOf", names.map(alone).into());
    }

    /// The schema of the object. Members that it doesn't name are allowed: they are ignored.
    pub(super) fn into_schema(self, about: &str) -> Schema {
        let Self { properties, required, rules } = self;
        let mut schema = rules;
        schema.insert("description".to_owned(), json!(about));
        schema.insert("type".to_owned(), json!("object"));
        schema.insert("properties".to_owned(), Value::Object(properties));
        schema.insert("required".to_owned(), json!(required));
        Value::Object(schema)
    }
}

/// The lines of a documentation as running text.
pub(super) fn sentences(lines: &[&str]) -> String {
    lines.iter().map(|line| line.trim()).collect::<Vec<_>>().join(" ")
}

/// The schema of the objects with these members.
pub(super) fn schema_of<M: Members>() -> Schema {
    let mut object = ObjectSchema::default();
    M::describe(&mut object);
    object.into_schema(&M::about())
}

/// An object with these members.
pub(super) fn object<M: Members>() -> impl Kind<M> {
    super::kinds::kind(schema_of::<M>, |path: &Path, value: &Value| M::read(&Fields::of(path, value)?))
}

/// A member: of which kind, and whether it may be left out.
pub(super) trait Member<T> {
    /// Reads it by its name.
    fn read(&self, fields: &Fields, name: &str) -> Result<T, Wrong>;
    /// The schema of its values. Where it may be left out, null is one.
    fn schema(&self) -> Schema;
    /// Whether it must be there.
    fn is_required(&self) -> bool;
}

/// A member that must be there.
pub(super) fn required<T>(kind: impl Kind<T>) -> impl Member<T> {
    Required(kind)
}

/// A member that may be left out.
pub(super) fn optional<T>(kind: impl Kind<T>) -> impl Member<Option<T>> {
    Optional(kind)
}

/// A member that may be left out, and of which nothing is kept.
pub(super) fn checked(kind: impl Kind<()>) -> impl Member<()> {
    Checked(kind)
}

/// A member that counts as `default` where it is left out.
pub(super) fn optional_or<T: Copy + Into<Value>>(default: T, kind: impl Kind<T>) -> impl Member<T> {
    OptionalOr(default, kind)
}

struct Required<K>(K);

impl<T, K: Kind<T>> Member<T> for Required<K> {
    fn read(&self, fields: &Fields, name: &str) -> Result<T, Wrong> {
        fields.required(name, &self.0)
    }

    fn schema(&self) -> Schema {
        self.0.schema()
    }

    fn is_required(&self) -> bool {
        true
    }
}

struct Optional<K>(K);

impl<T, K: Kind<T>> Member<Option<T>> for Optional<K> {
    fn read(&self, fields: &Fields, name: &str) -> Result<Option<T>, Wrong> {
        fields.optional(name, &self.0)
    }

    fn schema(&self) -> Schema {
        or_null(self.0.schema())
    }

    fn is_required(&self) -> bool {
        false
    }
}

struct Checked<K>(K);

impl<K: Kind<()>> Member<()> for Checked<K> {
    fn read(&self, fields: &Fields, name: &str) -> Result<(), Wrong> {
        fields.optional(name, &self.0).map(|_checked| ())
    }

    fn schema(&self) -> Schema {
        or_null(self.0.schema())
    }

    fn is_required(&self) -> bool {
        false
    }
}

struct OptionalOr<T, K>(T, K);

impl<T: Copy + Into<Value>, K: Kind<T>> Member<T> for OptionalOr<T, K> {
    fn read(&self, fields: &Fields, name: &str) -> Result<T, Wrong> {
        Ok(fields.optional(name, &self.1)?.unwrap_or(self.0))
    }

    fn schema(&self) -> Schema {
        let mut schema = or_null(self.1.schema());
        schema["default"] = self.0.into();
        schema
    }

    fn is_required(&self) -> bool {
        false
    }
}

/// `schema`, which names one type at most, with null allowed too.
fn or_null(mut schema: Schema) -> Schema {
    if let Some(Value::Array(words)) = schema.get_mut("enum") {
        words.push(Value::Null);
    }
    match schema.get_mut("type") {
        Some(only @ Value::String(_)) if only != "null" => *only = json!([only, "null"]),
        _ => {}
    }
    schema
}

/// Declares members of one object as a struct. Each has its name on the wire (after `as` where Rust keeps
/// the word for itself), its type, and which member it is; its documentation is its description in the schema.
macro_rules! members {
    (
        $(#[doc = $about:literal])+
        struct $name:ident {
            $($(#[doc = $says:literal])+ $field:ident $(as $wire:literal)?: $type:ty = $member:expr,)+
        }
    ) => {
        $(#[doc = $about])+
        pub(super) struct $name {
            $($(#[doc = $says])+ pub(super) $field: $type,)+
        }

        impl $crate::contract::members::Members for $name {
            fn about() -> String {
                $crate::contract::members::sentences(&[$($about),+])
            }

            fn read(
                fields: &$crate::contract::fields::Fields,
            ) -> Result<Self, $crate::contract::places::Wrong> {
                use $crate::contract::members::Member as _;
                Ok(Self {
                    $($field: $member.read(fields, $crate::contract::members::wire_name!($field $($wire)?))?,)+
                })
            }

            fn describe(object: &mut $crate::contract::members::ObjectSchema) {
                $(object.member(
                    $crate::contract::members::wire_name!($field $($wire)?),
                    &[$($says),+],
                    &$member,
                );)+
            }
        }
    };
}
pub(super) use members;

/// A member's name on the wire: the field's, unless another is given.
macro_rules! wire_name {
    ($field:ident) => {
        stringify!($field)
    };
    ($field:ident $wire:literal) => {
        $wire
    };
}
pub(super) use wire_name;
