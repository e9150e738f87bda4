//! The first look at the file: what YAML allows and we don't, before anything is read from it.
//!
//! The library takes the last of two equal keys of a map without a word, follows aliases until memory ends, and
//! leaves merge keys and tags to whoever meets them. All are refused here, each at its line and column.

use std::cell::Cell;
use std::collections::HashSet;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, EnumAccess, Error, MapAccess, SeqAccess, Visitor};

use super::MAX_BYTES;
use super::keys::is_secret;
use super::message::{TOO_LARGE, show_key};

/// The most bytes and values that a file may have once its aliases are followed; without any it can't have more, as
/// each value takes a byte beside its text.
const MOST: usize = 2 * MAX_BYTES;

/// The most `{` and `[`: the library's time grows with the square of those that are open at once.
const MOST_BRACKETS: usize = 20_000;

/// Tells why `text` should not be given to the library at all.
pub(super) fn too_much(text: &str) -> Option<String> {
    let brackets = text.bytes().filter(|byte| matches!(byte, b'{' | b'[')).count();
    (brackets > MOST_BRACKETS).then(|| {
        format!("{brackets} opening brackets are more than {MOST_BRACKETS}: write long lists and maps a line for each")
    })
}

/// Checks `text`; tells whether anything but comments stands in it.
pub(super) fn check(text: &str) -> Result<bool, serde_yaml::Error> {
    let size = Cell::new(0);
    let outline = Outline { size: &size, secret: false };
    // A file of comments is the one document without a value.
    let kind = outline.deserialize(serde_yaml::Deserializer::from_str(text))?;
    Ok(kind == Kind::Something)
}

/// What stands at the root.
#[derive(PartialEq, Eq)]
enum Kind {
    Nothing,
    Something,
}

/// Looks at a value, and adds it to the size of the whole.
#[derive(Clone, Copy)]
struct Outline<'a> {
    size: &'a Cell<usize>,
    /// Whether it stands below a key of a secret, so that nothing of it is repeated.
    secret: bool,
}

impl Outline<'_> {
    fn add<E: Error>(self, bytes: usize) -> Result<Kind, E> {
        self.size.set(self.size.get().saturating_add(bytes + 1));
        if self.size.get() > MOST {
            return Err(E::custom(TOO_LARGE));
        }
        Ok(Kind::Something)
    }
}

impl<'de> DeserializeSeed<'de> for Outline<'_> {
    type Value = Kind;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Kind, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Outline<'_> {
    type Value = Kind;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text, a number, a list or a map")
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Kind, E> {
        self.add(0)
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Kind, E> {
        self.add(0)
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<Kind, E> {
        self.add(0)
    }

    fn visit_i128<E: Error>(self, _: i128) -> Result<Kind, E> {
        self.add(0)
    }

    fn visit_u128<E: Error>(self, _: u128) -> Result<Kind, E> {
        self.add(0)
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Kind, E> {
        self.add(0)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Kind, E> {
        self.add(text.len())
    }

    fn visit_unit<E: Error>(self) -> Result<Kind, E> {
        self.add(0)?;
        Ok(Kind::Nothing)
    }

    fn visit_none<E: Error>(self) -> Result<Kind, E> {
        Ok(Kind::Nothing)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Kind, A::Error> {
        self.add(0)?;
        while list.next_element_seed(self)?.is_some() {}
        Ok(Kind::Something)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Kind, A::Error> {
        self.add(0)?;
        let mut seen = HashSet::new();
        while let Some(key) = map.next_key_seed(Key { map: self, seen: &seen })? {
            map.next_value_seed(Self { secret: self.secret || is_secret(&key), ..self })?;
            seen.insert(key);
        }
        Ok(Kind::Something)
    }

    fn visit_enum<A: EnumAccess<'de>>(self, _: A) -> Result<Kind, A::Error> {
        Err(A::Error::custom("a tag (`!name`) has no meaning here"))
    }
}

/// Reads a key of a map, which none of the keys before it equals.
struct Key<'a> {
    map: Outline<'a>,
    seen: &'a HashSet<String>,
}

impl<'de> DeserializeSeed<'de> for Key<'_> {
    type Value = String;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<String, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Key<'_> {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key, which is a text")
    }

    fn visit_str<E: Error>(self, key: &str) -> Result<String, E> {
        self.map.add::<E>(key.len())?;
        if key == "<<" {
            return Err(E::custom("merge keys (`<<`) are not supported; an alias (`key: *name`) is"));
        }
        if self.seen.contains(key) {
            let shown = if self.map.secret { String::new() } else { format!(" `{}`", show_key(key)) };
            return Err(E::custom(format!("key{shown} stands twice in this map")));
        }
        Ok(key.to_owned())
    }
}
