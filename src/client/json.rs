//! JSON as it is taken from a platform: of a bounded number of values, without keys that contradict each other, and
//! without what gateways spoil on the way as far as it does not matter.

use std::borrow::Cow;
use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use crate::printable::shown;

/// Sixteen mebibytes of small values would take a gibibyte in memory; a batch of 1,000 rows has about 25,000.
const MOST_VALUES: usize = 1_000_000;

/// The replacement for bytes that are no UTF-8.
const NO_TEXT: char = char::REPLACEMENT_CHARACTER;

/// Reads `bytes`, without byte order marks before them. Where they are not UTF-8, a text with such bytes in it reads as
/// `null`, and a key with such bytes is left out: so no id is taken for another, and a field that we don't use does no
/// harm.
///
/// # Errors
/// Where they are not JSON, where that has more than 1,000,000 values, and where an object has two different values for
/// one key: it is unknown which the platform meant. The error names the key only if `names_keys`: it may be a person's id.
pub(super) fn read(bytes: &[u8], names_keys: bool) -> Result<Value, serde_json::Error> {
    let mut bytes = bytes;
    while let Some(rest) = bytes.strip_prefix("\u{feff}".as_bytes()) {
        bytes = rest;
    }
    let text = String::from_utf8_lossy(bytes);
    let left = Cell::new(MOST_VALUES);
    let mut deserializer = serde_json::Deserializer::from_str(&text);
    let mended = matches!(text, Cow::Owned(_));
    let value = Reader { left: &left, mended, names_keys }.deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok(value)
}

/// Reads one value, and counts it.
#[derive(Clone, Copy)]
struct Reader<'a> {
    left: &'a Cell<usize>,
    /// Whether bytes that are no UTF-8 were replaced.
    mended: bool,
    /// Whether errors repeat keys.
    names_keys: bool,
}

impl Reader<'_> {
    /// Whether `text` is one of those in which something was replaced.
    fn is_spoilt(&self, text: &str) -> bool {
        self.mended && text.contains(NO_TEXT)
    }
}

impl<'de> DeserializeSeed<'de> for Reader<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        match self.left.get().checked_sub(1) {
            Some(left) => self.left.set(left),
            None => return Err(D::Error::custom(format_args!("more than {MOST_VALUES} values"))),
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Reader<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(if self.is_spoilt(value) { Value::Null } else { value.into() })
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(if self.is_spoilt(&value) { Value::Null } else { value.into() })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = list.next_element_seed(self)? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Value, A::Error> {
        let mut values = Map::new();
        while let Some(key) = object.next_key::<String>()? {
            let value = object.next_value_seed(self)?;
            if self.is_spoilt(&key) {
                continue;
            }
            if values.get(&key).is_some_and(|other| *other != value) {
                return Err(A::Error::custom(if self.names_keys {
                    format!("`{}` comes twice with different values", shown(&key, 64))
                } else {
                    "a key comes twice with different values".to_owned()
                }));
            }
            values.insert(key, value);
        }
        Ok(Value::Object(values))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_is_what_serde_reads() {
        let text = r#" {"a": [1, -2, 3.5, 1e3, 18446744073709551615, 99999999999999999999], "b": {"": null},
            "c": [true, false, "\u5ba2\n", []], "d": {}} "#;
        assert_eq!(read(text.as_bytes(), true).unwrap(), serde_json::from_str::<Value>(text).unwrap());
        for text in ["", "{", "1 2", "[1,]", "1e400", "NaN", "\"\\ud800\"", "{\"a\" 1}", "\u{feff}"] {
            assert!(read(text.as_bytes(), true).is_err(), "{text}");
        }
        assert!(read("[".repeat(129).as_bytes(), true).is_err());
    }

    #[test]
    fn byte_order_marks_before_json_are_skipped_and_not_in_it() {
        assert_eq!(read("\u{feff}{\"a\": 1}".as_bytes(), true).unwrap(), serde_json::json!({"a": 1}));
        assert_eq!(read("\u{feff}\u{feff} []".as_bytes(), true).unwrap(), serde_json::json!([]));
        assert!(read("{\u{feff}}".as_bytes(), true).is_err());
    }

    #[test]
    fn what_is_no_text_is_absent_and_spoils_nothing_else() {
        let read = |text: &[u8]| read(text, true).unwrap();
        assert_eq!(read(b"{\"id\": \"a\xff\", \"n\": 1, \"k\xfe\": 2}"), serde_json::json!({"id": null, "n": 1}));
        // 客户 in GBK.
        assert_eq!(read(b"[\"\xbf\xcd\xbb\xa7\", \"b\"]"), serde_json::json!([null, "b"]));
        assert_eq!(read("[\"\u{fffd}\"]".as_bytes()), serde_json::json!(["\u{fffd}"]), "it is text where all is");
    }

    #[test]
    fn a_key_may_come_twice_only_with_the_same_value() {
        assert_eq!(read(br#"{"a": [1], "a": [1]}"#, true).unwrap(), serde_json::json!({"a": [1]}));
        let error = read(br#"{"x": {"a": 1, "\u0061": 2}}"#, true).unwrap_err();
        assert!(error.to_string().starts_with("`a` comes twice with different values at line 1"), "{error}");
    }

    #[test]
    fn more_values_than_anybody_needs_are_refused() {
        let list = |count: usize| format!("[{}0]", "0,".repeat(count - 2));
        assert!(read(list(MOST_VALUES).as_bytes(), true).is_ok());
        let error = read(list(MOST_VALUES + 1).as_bytes(), true).unwrap_err();
        assert!(error.to_string().contains("more than 1000000 values"), "{error}");
    }
}
