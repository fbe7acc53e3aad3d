//! The keys of a settings struct and their types, found by calling its `Deserialize`.
//!
//! So variables, messages and the documentation follow from the structs alone.

use std::cell::Cell;

use serde::{
    Deserializer,
    de::{DeserializeOwned, DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor, value},
    forward_to_deserialize_any,
};

use super::key_type::{Key, KeyType};

/// Returns the keys of a settings struct, in the order of its fields.
#[must_use]
pub fn keys<T: DeserializeOwned>() -> Vec<Key> {
    let fields = Cell::new(&[][..]);
    // Both probes end in an error: they only record what `T` asks for.
    let _ = T::deserialize(FieldsProbe { fields: &fields });
    let kind_of = |field| {
        let kind = Cell::new(None);
        let _ = T::deserialize(value::MapAccessDeserializer::new(OneField {
            field: Some(field),
            kind: &kind,
        }));
        kind.get().unwrap_or(KeyType::Text)
    };
    fields
        .get()
        .iter()
        .map(|field| Key {
            name: field,
            kind: kind_of(field),
        })
        .collect()
}

/// Records the names of a struct's fields.
struct FieldsProbe<'a> {
    fields: &'a Cell<&'static [&'static str]>,
}

impl<'de> Deserializer<'de> for FieldsProbe<'_> {
    type Error = value::Error;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, value::Error> {
        Err(value::Error::custom("not a struct"))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        _visitor: V,
    ) -> Result<V::Value, value::Error> {
        self.fields.set(fields);
        Err(value::Error::custom("recorded"))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 char str string bytes byte_buf option unit
        unit_struct newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

/// A map with one field, whose value records the type that is asked for.
struct OneField<'a> {
    field: Option<&'static str>,
    kind: &'a Cell<Option<KeyType>>,
}

impl<'de> MapAccess<'de> for OneField<'_> {
    type Error = value::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, value::Error> {
        let field = self.field.take();
        field
            .map(|field| seed.deserialize(value::StrDeserializer::new(field)))
            .transpose()
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(
        &mut self,
        seed: V,
    ) -> Result<V::Value, value::Error> {
        seed.deserialize(KindProbe(self.kind))
    }
}

/// Records the type of a value.
struct KindProbe<'a>(&'a Cell<Option<KeyType>>);

impl KindProbe<'_> {
    fn record<T>(&self, kind: KeyType) -> Result<T, value::Error> {
        self.0.set(Some(kind));
        Err(value::Error::custom("recorded"))
    }
}

macro_rules! records {
    ($($method:ident: $kind:expr;)*) => {
        $(fn $method<V: Visitor<'de>>(self, _: V) -> Result<V::Value, value::Error> {
            self.record($kind)
        })*
    };
}

impl<'de> Deserializer<'de> for KindProbe<'_> {
    type Error = value::Error;

    records! {
        deserialize_any: KeyType::Text;
        deserialize_bool: KeyType::Boolean;
        deserialize_u8: KeyType::Integer;
        deserialize_u16: KeyType::Integer;
        deserialize_u32: KeyType::Integer;
        deserialize_u64: KeyType::Integer;
        deserialize_i64: KeyType::Integer;
        deserialize_f64: KeyType::Number;
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, value::Error> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, value::Error> {
        match name {
            "Secret" => self.record(KeyType::Secret),
            "FilePath" => self.record(KeyType::Path),
            "OneOrMore" => self.record(KeyType::TextOrList),
            _ => visitor.visit_newtype_struct(self),
        }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, value::Error> {
        let kind = self.0;
        let result = visitor.visit_seq(OneElement(self));
        let is_path = kind.get() == Some(KeyType::Path);
        kind.set(Some(if is_path {
            KeyType::PathList
        } else {
            KeyType::List
        }));
        result
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        variants: &'static [&'static str],
        _visitor: V,
    ) -> Result<V::Value, value::Error> {
        self.record(KeyType::Choice(variants))
    }

    forward_to_deserialize_any! {
        i8 i16 i32 f32 char str string bytes byte_buf unit unit_struct tuple tuple_struct map
        struct identifier ignored_any
    }
}

/// A list with one element.
struct OneElement<'a>(KindProbe<'a>);

impl<'de> SeqAccess<'de> for OneElement<'_> {
    type Error = value::Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, value::Error> {
        seed.deserialize(KindProbe(self.0.0)).map(Some)
    }
}
