//! The keys of a map, a row each: the name, whether a secret is below it, and where its value goes.
//!
//! Values are decoded in place, because the library knows their line and column only there.

use std::collections::HashSet;
use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::{message, scalar};
use crate::platform::Secret;

/// Takes a text, or says what is wrong with it.
type TakeText<'a> = dyn FnMut(&str) -> Result<(), String> + 'a;

/// Takes a word or a list, or says what is wrong with it.
type TakeWords<'a> = dyn FnMut(Words) -> Result<(), String> + 'a;

/// A key of a map.
pub struct Key<'a> {
    /// Its name, the only place where it is written.
    pub name: &'static str,
    /// Whether its value is or holds a secret, so that nothing below it is repeated.
    pub secret: bool,
    /// Where its value goes.
    pub slot: Slot<'a>,
}

/// Where a value goes, which says what it must be.
pub enum Slot<'a> {
    /// A text, for a function that says what is wrong with it; this is reported with all other faults.
    Text(Box<TakeText<'a>>),
    /// A secret.
    Secret(&'a mut Option<Secret>),
    /// A word or a list of ids, with what is expected, in words; what the function says ends the reading.
    Words(&'static str, Box<TakeWords<'a>>),
    /// A map with keys of ours.
    Map(&'a mut dyn Group),
    /// A map whose keys are names of the operator's.
    Named(String, &'a mut dyn Each),
    /// A list.
    List(String, &'a mut dyn Each),
    /// A key of other places, which is refused here with this reason and is not among the known ones.
    Refused(String),
}

/// What a map with keys of ours is read into.
pub trait Group {
    /// What is expected, in words.
    fn shape(&self) -> String;
    /// Its keys.
    fn keys(&mut self) -> Vec<Key<'_>>;
    /// Is called when all is read, with the keys that are present in the order of the file, whether their values could
    /// be read or not; adds what is wrong with the whole, each with its key path below `path`.
    fn finish(&mut self, present: &[&'static str], path: &str, faults: &mut Vec<String>);
}

/// A list, or a map with names of the operator's.
pub trait Each {
    /// Adds an entry: its name, or its path in a list; gives where its value goes.
    fn entry(&mut self, name: &str) -> Slot<'_>;
}

/// The text of a [`Slot::Words`].
pub enum Words {
    /// A text.
    One(String),
    /// A list of texts as they are written, with or without quotes.
    List(Vec<String>),
}

impl<'a> Key<'a> {
    /// A key whose text `read` makes a value of.
    pub fn text<T>(
        name: &'static str,
        place: &'a mut Option<T>,
        read: impl Fn(&str) -> Result<T, String> + 'a,
    ) -> Self {
        let set = move |text: &str| read(text).map(|value| *place = Some(value));
        Self { name, secret: false, slot: Slot::Text(Box::new(set)) }
    }

    /// A key of a secret.
    pub fn secret(name: &'static str, place: &'a mut Option<Secret>) -> Self {
        Self { name, secret: true, slot: Slot::Secret(place) }
    }

    /// A key of a word or a list, of which `read` makes a value.
    pub fn words<T>(
        name: &'static str,
        expected: &'static str,
        place: &'a mut T,
        read: impl Fn(Words) -> Result<T, String> + 'a,
    ) -> Self {
        let set = move |words| read(words).map(|value| *place = value);
        Self { name, secret: false, slot: Slot::Words(expected, Box::new(set)) }
    }

    /// A key of something else without a secret.
    #[must_use]
    pub fn of(name: &'static str, slot: Slot<'a>) -> Self {
        Self { name, secret: false, slot }
    }

    /// Whether error messages name it among the known keys.
    #[must_use]
    pub fn is_known(&self) -> bool {
        !matches!(self.slot, Slot::Refused(_))
    }
}

/// What reading reports beside the value.
#[derive(Default)]
pub(super) struct ReadState {
    /// What is wrong with single values, each with its key path.
    pub(super) faults: Vec<String>,
    /// The key at which the reading ended, as it may be shown.
    pub(super) wrong_key: Option<String>,
    /// The texts of the file that YAML would take for something else, were they not in quotes.
    pub(super) quoted: HashSet<String>,
}

fn below(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

/// Reads a value into `slot`.
struct InSlot<'s, 'a, 'r> {
    slot: &'s mut Slot<'a>,
    path: &'r str,
    secret: bool,
    reading: &'r mut ReadState,
}

impl<'de> DeserializeSeed<'de> for InSlot<'_, '_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        let Self { slot, path, secret, reading } = self;
        match slot {
            Slot::Text(set) => {
                let text = String::deserialize(deserializer)?;
                reading.faults.extend(set(&text).err().map(|why| format!("{path}: {why}")));
                Ok(())
            }
            Slot::Secret(place) => Secret::deserialize(deserializer).map(|secret| **place = Some(secret)),
            Slot::Words(expected, set) => {
                deserializer.deserialize_any(InWords { expected, set, secret, quoted: &reading.quoted })
            }
            Slot::Map(group) => InGroup { group: *group, path, secret, reading }.deserialize(deserializer),
            Slot::Named(shape, each) => {
                deserializer.deserialize_map(InEach { shape, each: *each, path, secret, reading })
            }
            Slot::List(shape, each) => {
                deserializer.deserialize_seq(InEach { shape, each: *each, path, secret, reading })
            }
            Slot::Refused(why) => {
                serde::de::IgnoredAny::deserialize(deserializer)?;
                reading.faults.push(format!("{path}: {why}"));
                Ok(())
            }
        }
    }
}

/// Reads a map with keys of ours.
pub(super) struct InGroup<'r> {
    pub(super) group: &'r mut dyn Group,
    pub(super) path: &'r str,
    pub(super) secret: bool,
    pub(super) reading: &'r mut ReadState,
}

impl<'de> DeserializeSeed<'de> for InGroup<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for InGroup<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.group.shape())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Self { group, path, secret, reading } = self;
        let written = |shape: String| A::Error::custom(format!("it is written {shape}"));
        let mut present = Vec::new();
        let shape = group.shape();
        let mut keys = group.keys();
        loop {
            let place = if secret {
                // What is found may be the secret itself, so it is not repeated.
                let Some(name) = map.next_key::<String>()? else { break };
                keys.iter().position(|key| key.name == name)
            } else {
                let Some(place) = map.next_key_seed(KeyOf { keys: &keys, reading })? else { break };
                Some(place)
            };
            let key = place.and_then(|place| keys.get_mut(place)).ok_or_else(|| written(shape.clone()))?;
            present.push(key.name);
            let (path, secret) = (below(path, key.name), secret || key.secret);
            map.next_value_seed(InSlot { slot: &mut key.slot, path: &path, secret, reading })?;
        }
        drop(keys);
        if secret && present.is_empty() {
            return Err(written(shape));
        }
        group.finish(&present, path, &mut reading.faults);
        Ok(())
    }
}

/// Reads a key that must be one of these, so that the error of an unknown one has its own line and column.
struct KeyOf<'r, 'a> {
    keys: &'r [Key<'a>],
    reading: &'r mut ReadState,
}

impl<'de> DeserializeSeed<'de> for KeyOf<'_, '_> {
    type Value = usize;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<usize, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for KeyOf<'_, '_> {
    type Value = usize;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<usize, E> {
        self.keys.iter().position(|key| key.name == name).ok_or_else(|| {
            let known: Vec<_> = self.keys.iter().filter(|key| key.is_known()).map(|key| key.name).collect();
            self.reading.wrong_key = Some(message::show_key(name));
            E::custom(message::unknown(name, &known))
        })
    }
}

/// Reads a list, or a map with names of the operator's.
struct InEach<'r> {
    shape: &'r str,
    each: &'r mut dyn Each,
    path: &'r str,
    secret: bool,
    reading: &'r mut ReadState,
}

impl<'de> Visitor<'de> for InEach<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.shape)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let Self { each, path, secret, reading, .. } = self;
        for n in 0.. {
            let path = format!("{path}[{n}]");
            if list.next_element_seed(InEntry { each, name: &path, path: &path, secret, reading })?.is_none() {
                break;
            }
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Self { each, path, secret, reading, .. } = self;
        while let Some(name) = map.next_key::<String>()? {
            let path = below(path, &message::cut(&name));
            map.next_value_seed(InEntry { each, name: &name, path: &path, secret, reading })?;
        }
        Ok(())
    }
}

/// Reads an entry, which is made only now that there is one.
struct InEntry<'r> {
    each: &'r mut dyn Each,
    name: &'r str,
    path: &'r str,
    secret: bool,
    reading: &'r mut ReadState,
}

impl<'de> DeserializeSeed<'de> for InEntry<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        let mut slot = self.each.entry(self.name);
        InSlot { slot: &mut slot, path: self.path, secret: self.secret, reading: self.reading }
            .deserialize(deserializer)
    }
}

/// Reads a word or a list of ids.
struct InWords<'s, 'a> {
    expected: &'static str,
    set: &'s mut Box<TakeWords<'a>>,
    secret: bool,
    quoted: &'s HashSet<String>,
}

impl<'de> Visitor<'de> for InWords<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.expected)
    }

    fn visit_str<E: Error>(self, word: &str) -> Result<(), E> {
        (self.set)(Words::One(word.to_owned())).map_err(E::custom)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let mut ids = Vec::new();
        while let Some(id) = list.next_element_seed(Id { secret: self.secret, quoted: self.quoted })? {
            ids.push(id);
        }
        (self.set)(Words::List(ids)).map_err(A::Error::custom)
    }
}

/// Reads an id as it is written, which people may write as a number.
///
/// One that YAML takes for something else is refused: it may have been meant as YAML takes it.
struct Id<'s> {
    secret: bool,
    quoted: &'s HashSet<String>,
}

impl<'de> DeserializeSeed<'de> for Id<'_> {
    type Value = String;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<String, D::Error> {
        // Gives the text of the file, also where YAML makes a number of it.
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Id<'_> {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an id: a text or a whole number")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<String, E> {
        match scalar::taken_for(text).filter(|_| !self.quoted.contains(text)) {
            None => Ok(text.to_owned()),
            Some(kind) if self.secret || text.is_empty() => {
                Err(E::custom(format!("without quotes YAML takes this text for {kind}: write it in quotes")))
            }
            Some(kind) => Err(E::custom(format!(
                "without quotes YAML takes `{0}` for {kind}: write it in quotes: '{0}'",
                message::cut(text)
            ))),
        }
    }
}
