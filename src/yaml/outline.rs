//! The first look at the file: what YAML allows and we don't, before anything is read from it.
//!
//! The library takes the last of two equal keys of a map without a word, follows aliases until memory ends, and
//! leaves merge keys and tags to its caller. All are refused here, each at its line and column.

use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, EnumAccess, Error, MapAccess, SeqAccess, Visitor};

use super::message::{TOO_LARGE, decode_error, show_key};
use super::{YamlError, scalar};

/// The most bytes and values that a file may have once its aliases are followed: twice the bytes of the largest file,
/// as without aliases each value takes a byte beside its text.
const MOST: usize = 8 * 1024 * 1024;

/// The most `{` and `[`: the library's time grows with the square of those that are open at once.
const MOST_BRACKETS: usize = 20_000;

/// Checks `text`, in which what is below a key of `secrets` is not repeated. Gives the values that YAML would take for
/// something else, were they not in quotes; `None` where there is nothing but comments.
pub(super) fn check(text: &str, file: &str, secrets: &[&str]) -> Result<Option<HashSet<String>>, YamlError> {
    let brackets = text.bytes().filter(|byte| matches!(byte, b'{' | b'[')).count();
    if brackets > MOST_BRACKETS {
        let message = format!(
            "{brackets} opening brackets are more than {MOST_BRACKETS}: write long lists and maps a line for each"
        );
        return Err(YamlError { file: file.to_owned(), line: 0, column: 0, path: String::new(), message });
    }
    let (size, twice, quoted) = (Cell::new(0), RefCell::new(None), RefCell::default());
    let outline = Outline { size: &size, twice: &twice, quoted: &quoted, secrets, secret: false };
    // A file of comments is the one document without a value.
    match outline.deserialize(serde_yaml::Deserializer::from_str(text)) {
        Ok(kind) => Ok((kind == Kind::Something).then(|| quoted.take())),
        Err(error) => Err(decode_error(file, text, &error, twice.take().as_deref(), secrets)),
    }
}

/// The node at the root.
#[derive(PartialEq, Eq)]
enum Kind {
    Nothing,
    Something,
}

/// Looks at a value, and adds it to the size of the whole.
#[derive(Clone, Copy)]
struct Outline<'a> {
    size: &'a Cell<usize>,
    /// The key that was found twice.
    twice: &'a RefCell<Option<String>>,
    /// The values that only quotes make texts.
    quoted: &'a RefCell<HashSet<String>>,
    /// The keys of secrets.
    secrets: &'a [&'a str],
    /// Whether it is below a key of a secret, so that no message repeats any of it.
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
        if scalar::taken_for(text).is_some() {
            self.quoted.borrow_mut().insert(text.to_owned());
        }
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
            map.next_value_seed(Self { secret: self.secret || self.secrets.contains(&key.as_str()), ..self })?;
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
            if self.map.secret {
                return Err(E::custom("a key occurs twice in this map"));
            }
            let shown = show_key(key);
            let message = format!("key `{shown}` occurs twice in this map");
            self.map.twice.replace(Some(shown));
            return Err(E::custom(message));
        }
        Ok(key.to_owned())
    }
}
