//! AMQP's properties and header tables as JSON, without loss.

use std::fmt::Write as _;

use lapin::{
    BasicProperties,
    types::{AMQPValue, DecimalValue, FieldTable, ShortString},
};
use serde_json::{Map, Number, Value, json};

/// The text as it is, or `hex:...` where it holds a NUL or could be taken for one that does.
pub(super) fn name(text: &str) -> String {
    if !text.contains('\0') && !text.starts_with("hex:") {
        return text.to_owned();
    }
    format!("hex:{}", hex(text.as_bytes()))
}

/// The header table; empty where there is none.
pub(super) fn headers(properties: &BasicProperties) -> Map<String, Value> {
    properties.headers().as_ref().map(|fields| table(fields, 1)).unwrap_or_default()
}

/// The properties that are set, by their AMQP names, without the content type and the headers.
pub(super) fn other_properties(properties: &BasicProperties) -> Map<String, Value> {
    let texts: [(&str, &Option<ShortString>); 9] = [
        ("content_encoding", properties.content_encoding()),
        ("correlation_id", properties.correlation_id()),
        ("reply_to", properties.reply_to()),
        ("expiration", properties.expiration()),
        ("message_id", properties.message_id()),
        ("type", properties.kind()),
        ("user_id", properties.user_id()),
        ("app_id", properties.app_id()),
        ("cluster_id", properties.cluster_id()),
    ];
    let numbers = [
        ("delivery_mode", properties.delivery_mode().map(u64::from)),
        ("priority", properties.priority().map(u64::from)),
        ("timestamp", *properties.timestamp()),
    ];
    let texts = texts.into_iter().filter_map(|(name, text)| {
        text.as_ref().map(|text| (name.to_owned(), bytes(text.as_str().as_bytes())))
    });
    let numbers = numbers
        .into_iter()
        .filter_map(|(name, number)| number.map(|number| (name.to_owned(), Value::from(number))));
    texts.chain(numbers).collect()
}

/// How deep headers may nest before they are told as text: JSON's readers have a limit too (serde_json 128).
const NESTING_MAX: usize = 32;

fn table(fields: &FieldTable, level: usize) -> Map<String, Value> {
    fields.into_iter().map(|(field, found)| (name(field.as_str()), value(found, level))).collect()
}

/// A value that is in `level` tables and lists.
fn value(found: &AMQPValue, level: usize) -> Value {
    match found {
        AMQPValue::FieldArray(_) | AMQPValue::FieldTable(_) if level > NESTING_MAX => {
            json!({"debug": format!("{found:?}").replace('\0', "\u{FFFD}")})
        }
        AMQPValue::Boolean(flag) => Value::from(*flag),
        AMQPValue::ShortShortInt(number) => Value::from(*number),
        AMQPValue::ShortShortUInt(number) => Value::from(*number),
        AMQPValue::ShortInt(number) => Value::from(*number),
        AMQPValue::ShortUInt(number) => Value::from(*number),
        AMQPValue::LongInt(number) => Value::from(*number),
        AMQPValue::LongUInt(number) => Value::from(*number),
        AMQPValue::LongLongInt(number) => Value::from(*number),
        AMQPValue::Timestamp(seconds) => Value::from(*seconds),
        AMQPValue::Float(number) => float(f64::from(*number)),
        AMQPValue::Double(number) => float(*number),
        AMQPValue::DecimalValue(decimal) => json!({"decimal": decimal_text(*decimal)}),
        AMQPValue::ShortString(text) => bytes(text.as_str().as_bytes()),
        AMQPValue::LongString(text) => bytes(text.as_bytes()),
        AMQPValue::ByteArray(array) => json!({"hex": hex(array.as_slice())}),
        AMQPValue::FieldArray(items) => items.as_slice().iter().map(|item| value(item, level + 1)).collect(),
        AMQPValue::FieldTable(fields) => Value::Object(table(fields, level + 1)),
        AMQPValue::Void => Value::Null,
    }
}

/// AMQP's strings are bytes: text where they can be text that PostgreSQL stores.
fn bytes(found: &[u8]) -> Value {
    match std::str::from_utf8(found) {
        Ok(text) if !text.contains('\0') => Value::from(text),
        _ => json!({"hex": hex(found)}),
    }
}

/// JSON has no infinities and no NaN.
fn float(number: f64) -> Value {
    Number::from_f64(number).map_or_else(|| json!({"float": number.to_string()}), Value::Number)
}

/// The digits with an exponent, as `123e-2` for 1.23: exact, and short whatever the scale.
fn decimal_text(decimal: DecimalValue) -> String {
    format!("{}e-{}", decimal.value, decimal.scale)
}

fn hex(found: &[u8]) -> String {
    found.iter().fold(String::with_capacity(found.len() * 2), |mut digits, byte| {
        // Writing to a string cannot fail.
        let _ = write!(digits, "{byte:02x}");
        digits
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_json_lacks_becomes_an_object_that_says_what_it_was() {
        assert_eq!(value(&AMQPValue::Double(f64::NAN), 1), json!({"float": "NaN"}));
        assert_eq!(value(&AMQPValue::Float(f32::NEG_INFINITY), 1), json!({"float": "-inf"}));
        assert_eq!(value(&AMQPValue::LongString(b"caf\xe9".to_vec().into()), 1), json!({"hex": "636166e9"}));
        assert_eq!(value(&AMQPValue::LongString("a\0b".into()), 1), json!({"hex": "610062"}));
        let decimal = AMQPValue::DecimalValue(DecimalValue { scale: 2, value: 123 });
        assert_eq!(value(&decimal, 1), json!({"decimal": "123e-2"}));
    }

    #[test]
    fn no_name_holds_a_nul() {
        assert_eq!(name("a\0"), "hex:6100");
        let mut fields = FieldTable::default();
        fields.insert("k\0".into(), AMQPValue::Void);
        fields.insert("hex:6b00".into(), AMQPValue::Boolean(true));
        let told = json!({"hex:6b00": null, "hex:6865783a36623030": true});
        assert_eq!(Value::Object(table(&fields, 1)), told, "two names stay two");
    }

    #[test]
    fn what_nests_too_deep_for_a_reader_of_json_is_told_as_text() {
        let nested =
            (0..200).fold(AMQPValue::Boolean(true), |inner, _| AMQPValue::FieldArray(vec![inner].into()));
        let told = value(&nested, 1).to_string();
        let read: Value = serde_json::from_str(&told).unwrap();
        assert!(read.to_string().contains("Boolean(true)"), "{told}");
    }
}
