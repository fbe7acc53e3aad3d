//! Parts of a response that are serialized to JSON early. They travel through the engine as
//! `Value::Binary`.

use async_graphql::Value;
use serde::Serialize;

/// Wraps serialized JSON in a value. No resolver returns bytes otherwise. A client's own bytes,
/// which name an upload, stay in the arguments: returned as output, they would pass as JSON.
pub fn written(json: Vec<u8>) -> Value {
    Value::Binary(json.into())
}

/// Writes a value as JSON. `Value::Binary` holds serialized JSON and is copied unchanged.
pub fn write(value: &Value, json: &mut Vec<u8>) {
    match value {
        Value::Binary(written) => json.extend_from_slice(written),
        Value::Object(object) => {
            json.push(b'{');
            for (index, (name, value)) in object.iter().enumerate() {
                part(index, json);
                put(name.as_str(), json);
                json.push(b':');
                write(value, json);
            }
            json.push(b'}');
        }
        Value::List(values) => {
            json.push(b'[');
            for (index, value) in values.iter().enumerate() {
                part(index, json);
                write(value, json);
            }
            json.push(b']');
        }
        leaf => put(leaf, json),
    }
}

/// Writes the comma before every element or member but the first.
pub fn part(index: usize, json: &mut Vec<u8>) {
    if index > 0 {
        json.push(b',');
    }
}

/// Writes a field's name and the colon after it. GraphQL names need no JSON escapes.
pub fn key(name: &str, json: &mut Vec<u8>) {
    json.push(b'"');
    json.extend_from_slice(name.as_bytes());
    json.extend_from_slice(b"\":");
}

/// Serializes a leaf value as JSON.
///
/// # Panics
/// Never: memory accepts every write, and strings, numbers and other leaves are valid JSON.
pub fn put<T: Serialize + ?Sized>(leaf: &T, json: &mut Vec<u8>) {
    serde_json::to_writer(json, leaf).expect("leaves serialize into memory");
}

/// Writes `null`.
pub fn null(json: &mut Vec<u8>) {
    json.extend_from_slice(b"null");
}
