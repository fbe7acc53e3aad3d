//! JSON that is written already, within an answer that is not: the engine's values carry it as
//! bytes.

use async_graphql::Value;
use serde::Serialize;

/// A value that is written already. The engine knows bytes, and no resolver gives any: what a client
/// sends as such (the part that an upload is in) stays among the arguments, and must not be given
/// back as it is.
pub fn written(json: Vec<u8>) -> Value {
    Value::Binary(json.into())
}

/// Writes a value, and what is written already as it is.
pub fn write(value: &Value, json: &mut Vec<u8>) {
    match value {
        Value::Binary(written) => json.extend_from_slice(written),
        Value::Object(object) => {
            json.push(b'{');
            for (place, (name, value)) in object.iter().enumerate() {
                part(place, json);
                put(name.as_str(), json);
                json.push(b':');
                write(value, json);
            }
            json.push(b'}');
        }
        Value::List(values) => {
            json.push(b'[');
            for (place, value) in values.iter().enumerate() {
                part(place, json);
                write(value, json);
            }
            json.push(b']');
        }
        leaf => put(leaf, json),
    }
}

/// Parts an element or a member from the one before it.
pub fn part(place: usize, json: &mut Vec<u8>) {
    if place > 0 {
        json.push(b',');
    }
}

/// Writes a field's name, which is GraphQL's and needs no escapes, and what parts it from its value.
pub fn key(name: &str, json: &mut Vec<u8>) {
    json.push(b'"');
    json.extend_from_slice(name.as_bytes());
    json.extend_from_slice(b"\":");
}

/// Writes a leaf.
///
/// # Panics
/// Never: memory takes whatever is written, and texts, numbers and their like are all JSON.
pub fn put<T: Serialize + ?Sized>(leaf: &T, json: &mut Vec<u8>) {
    serde_json::to_writer(json, leaf).expect("memory takes every text and number");
}

/// Writes `null`.
pub fn null(json: &mut Vec<u8>) {
    json.extend_from_slice(b"null");
}
