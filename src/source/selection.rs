//! The words `all`, `none` and `top`, and lists of ids, as they are written in the configuration.

use std::collections::HashMap;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, SeqAccess, Visitor};

use super::decode::MOST_ID_BYTES;

/// Which subjects are asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Selection {
    /// Nobody.
    #[default]
    None,
    /// All that the platform lists.
    All,
    /// Those of the first level.
    Top,
    /// These ids.
    These(Vec<String>),
}

impl Selection {
    /// The ids that were written down.
    #[must_use]
    pub fn listed(&self) -> &[String] {
        if let Self::These(ids) = self { ids } else { &[] }
    }

    /// Adds what is wrong with the ids at `key` to `faults`.
    pub fn check(&self, key: &str, may_be_top: bool, faults: &mut Vec<String>) {
        if *self == Self::Top && !may_be_top {
            faults.push(format!("{key}: `top` is for Feishu departments only: write all, none or a list"));
        }
        let mut seen = HashMap::new();
        for (n, id) in self.listed().iter().enumerate() {
            if id.trim().is_empty() {
                faults.push(format!("{key}[{n}]: an id is empty"));
            } else if id.len() > MOST_ID_BYTES {
                faults.push(format!("{key}[{n}]: an id is longer than {MOST_ID_BYTES} bytes"));
            } else if let Some(before) = seen.insert(id, n) {
                // Not the id: people may have pseudonyms.
                faults.push(format!("{key}[{n}]: the same id as in {key}[{before}]"));
            }
        }
    }
}

impl<'de> Deserialize<'de> for Selection {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct SelectionVisitor;

        impl<'de> Visitor<'de> for SelectionVisitor {
            type Value = Selection;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("`all`, `none` or a list of ids")
            }

            fn visit_str<E: Error>(self, word: &str) -> Result<Selection, E> {
                match word {
                    "all" => Ok(Selection::All),
                    "none" => Ok(Selection::None),
                    "top" => Ok(Selection::Top),
                    id => Err(E::custom(format!("`{id}` is neither `all` nor `none`; a single id is written [{id}]"))),
                }
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Selection, A::Error> {
                let mut ids = Vec::new();
                while let Some(Id(id)) = list.next_element()? {
                    ids.push(id);
                }
                Ok(if ids.is_empty() { Selection::None } else { Selection::These(ids) })
            }
        }

        deserializer.deserialize_any(SelectionVisitor)
    }
}

/// An id, which people may write as a number.
struct Id(String);

impl<'de> Deserialize<'de> for Id {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct IdVisitor;

        impl Visitor<'_> for IdVisitor {
            type Value = Id;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an id: a text or a whole number")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Id, E> {
                Ok(Id(text.to_owned()))
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<Id, E> {
                Ok(Id(number.to_string()))
            }
        }

        deserializer.deserialize_any(IdVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_lists_are_read() {
        let read = |text: &str| serde_yaml::from_str::<Selection>(text).unwrap();
        assert_eq!(read("all"), Selection::All);
        assert_eq!(read("[]"), read("none"));
        assert_eq!(read("[1001, zhangsan]"), Selection::These(vec!["1001".into(), "zhangsan".into()]));
        assert!(serde_yaml::from_str::<Selection>("zhangsan").unwrap_err().to_string().contains("[zhangsan]"));
    }

    #[test]
    fn each_bad_id_is_told() {
        let mut faults = Vec::new();
        Selection::These(vec!["a".into(), " ".into(), "a".into()]).check("k", false, &mut faults);
        Selection::Top.check("k", false, &mut faults);
        assert_eq!(faults.len(), 3, "{faults:?}");
    }
}
