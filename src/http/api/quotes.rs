//! What a brief would cost, and whether it would start.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, de};
use serde_json::Number;

use super::arguments::AccountPath;
use super::endpoint::{Answering, Api};
use super::openapi::About;
use crate::http::problem::{Kind, Problem};
use crate::ledger::credits::Credits;
use crate::ledger::input::{Deliverable, Price};
use crate::ledger::price::LINES_MAX;
use crate::report::Reading;
use crate::report::quote::Quote;

/// The most pieces of one type, as messages may name them.
pub(in crate::http) const QUANTITY_MAX: i64 = 1_000_000;
/// The longest name of a type, as messages may give it.
const TYPE_CHARS_MAX: usize = 64;

/// A brief: what is to be made, or what it costs.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("oneOf" = [
    {"required": ["deliverables"], "properties": {"deliverables": {"type": "array"}, "credits": {"type": "null"}}},
    {"required": ["credits"], "properties": {"credits": {"type": "integer"}, "deliverables": {"type": "null"}}},
]))]
pub(in crate::http) struct Brief {
    /// What is to be made, each type with how many.
    #[serde(default, deserialize_with = "objects_if_any")]
    #[schemars(length(min = 1, max = 1000))]
    pub(in crate::http) deliverables: Option<Vec<Piece>>,
    /// What it costs in credits, where no price list is to say so.
    #[serde(default, deserialize_with = "whole_if_any")]
    #[schemars(range(min = 0, max = 1_000_000_000_000_i64))]
    pub(in crate::http) credits: Option<i64>,
}

/// A deliverable of a brief.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct Piece {
    /// What.
    #[serde(rename = "type")]
    #[schemars(length(min = 1, max = 64), regex(pattern = r"^[^\x00-\x1f\x7f-\x9f]*$"))]
    pub(in crate::http) piece_type: String,
    /// How many pieces.
    #[serde(deserialize_with = "whole")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub(in crate::http) quantity: i64,
}

pub(super) fn endpoints(api: Api) -> Api {
    let quote = About {
        id: "quote",
        summary: "What a brief would cost an account, and whether it would start",
        description: "The price of each line, whether it would start, wait or be refused, what would unblock it, \
                      and the alerts that it would raise. Nothing is changed.",
    };
    api.post("/v1/accounts/{account_id}/quote", quote, self::quote)
}

fn quote(reading: &mut Reading, path: AccountPath, Object(brief): Object<Brief>) -> Answering<'_, Quote> {
    Box::pin(async move {
        let price = brief.price().map_err(|wrong| Problem::new(Kind::BadRequest, wrong))?;
        Ok(reading.quote(&path.account_id, &price).await?.into())
    })
}

/// What only an object says. Without it an array of the members' values would be read as one, whatever their order.
struct Object<T>(T);

/// An object is all that the schema of `T` allows, too.
impl<T: JsonSchema> JsonSchema for Object<T> {
    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }

    fn schema_id() -> Cow<'static, str> {
        T::schema_id()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ReadObject(PhantomData)).map(Object)
    }
}

struct ReadObject<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for ReadObject<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with named members")
    }

    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<T, A::Error> {
        T::deserialize(MapAccessDeserializer::new(members))
    }
}

fn objects_if_any<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<Piece>>, D::Error> {
    let pieces = Option::<Vec<Object<Piece>>>::deserialize(deserializer)?;
    Ok(pieces.map(|pieces| pieces.into_iter().map(|Object(piece)| piece).collect()))
}

/// A whole number, as JSON Schema has it: 5.0 is one.
fn whole<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    let number = Number::deserialize(deserializer)?.to_string();
    let digits = number.strip_suffix(".0").unwrap_or(&number);
    digits.parse().map_err(|_| de::Error::custom(format_args!("found {number}, expected a whole number")))
}

fn whole_if_any<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
    #[derive(Deserialize)]
    struct Whole(#[serde(deserialize_with = "whole")] i64);
    Ok(Option::<Whole>::deserialize(deserializer)?.map(|Whole(number)| number))
}

impl Brief {
    /// What is to be priced, by the rules that hold for messages.
    pub(in crate::http) fn price(self) -> Result<Price, String> {
        match (self.deliverables, self.credits) {
            (Some(pieces), None) => {
                if pieces.is_empty() || pieces.len() > LINES_MAX {
                    return Err(format!("deliverables: expected 1 to {LINES_MAX} of them"));
                }
                let deliverables: Result<Vec<_>, _> = pieces.into_iter().map(Piece::deliverable).collect();
                Ok(Price::Deliverables(deliverables?.into()))
            }
            (None, Some(credits)) if (0..=Credits::AMOUNT_MAX.0).contains(&credits) => {
                Ok(Price::Credits(Credits(credits)))
            }
            (None, Some(_)) => {
                Err(format!("credits: expected a whole number from 0 to {}", Credits::AMOUNT_MAX))
            }
            _ => Err("expected deliverables, which are to be made, or credits, which it costs".to_owned()),
        }
    }
}

impl Piece {
    fn deliverable(self) -> Result<Deliverable, String> {
        let Self { piece_type, quantity } = self;
        let length = piece_type.chars().count();
        if !(1..=TYPE_CHARS_MAX).contains(&length) || piece_type.contains(char::is_control) {
            return Err(format!(
                "type: expected 1 to {TYPE_CHARS_MAX} characters, none of them a control character"
            ));
        }
        if !(1..=QUANTITY_MAX).contains(&quantity) {
            return Err(format!(
                "quantity of {piece_type:?}: expected a whole number from 1 to {QUANTITY_MAX}"
            ));
        }
        Ok(Deliverable { deliverable_type: Arc::from(piece_type), quantity })
    }
}
