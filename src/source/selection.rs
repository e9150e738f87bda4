//! The words `all`, `none` and `top`, and lists of ids, as they are written in the configuration.

use std::borrow::Cow;
use std::collections::HashMap;

use super::id::{MOST_ID_BYTES, person_key};
use crate::yaml::Words;

/// Which subjects are asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Selection {
    /// No subject.
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
    /// How one is written, in words.
    pub const SHAPE: &'static str = "`all`, `none` or a list of ids";

    /// Reads what was written.
    ///
    /// # Errors
    /// What is wrong with a word.
    pub fn read(words: Words) -> Result<Self, String> {
        match words {
            Words::List(ids) if ids.is_empty() => Ok(Self::None),
            Words::List(ids) => Ok(Self::These(ids)),
            Words::One(word) => match word.as_str() {
                "all" => Ok(Self::All),
                "none" => Ok(Self::None),
                "top" => Ok(Self::Top),
                id => Err(format!("`{id}` is neither `all` nor `none`; a single id is written [{id}]")),
            },
        }
    }

    /// The ids that were written down.
    #[must_use]
    pub fn listed(&self) -> &[String] {
        if let Self::These(ids) = self { ids } else { &[] }
    }

    /// Adds what is wrong with the ids of people at `key` to `faults`: they have no ASCII case.
    pub fn check_people(&self, key: &str, faults: &mut Vec<String>) {
        self.check_by(key, false, person_key, faults);
    }

    /// Adds what is wrong with the ids at `key` to `faults`.
    pub fn check(&self, key: &str, may_be_top: bool, faults: &mut Vec<String>) {
        self.check_by(key, may_be_top, |id| Cow::Borrowed(id), faults);
    }

    /// The same, where ids with one `identity` are of one subject.
    fn check_by(&self, key: &str, may_be_top: bool, identity: fn(&str) -> Cow<'_, str>, faults: &mut Vec<String>) {
        if *self == Self::Top && !may_be_top {
            faults.push(format!("{key}: `top` is for Feishu departments only: write all, none or a list"));
        }
        let mut seen = HashMap::new();
        for (n, id) in self.listed().iter().enumerate() {
            if id.trim().is_empty() {
                faults.push(format!("{key}[{n}]: an id is empty"));
            } else if id.len() > MOST_ID_BYTES {
                faults.push(format!("{key}[{n}]: an id is longer than {MOST_ID_BYTES} bytes"));
            } else if let Some(before) = seen.insert(identity(id), n) {
                // Not the id: people may have pseudonyms.
                let case = if self.listed()[before] == *id {
                    ""
                } else {
                    ", but for upper and lower case, which ids don't have: drop one of them"
                };
                faults.push(format!("{key}[{n}]: the same id as in {key}[{before}]{case}"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_lists_are_read() {
        let word = |text: &str| Selection::read(Words::One(text.to_owned()));
        let list = |ids: &[&str]| Selection::read(Words::List(ids.iter().map(|id| (*id).to_owned()).collect()));
        assert_eq!(word("all"), Ok(Selection::All));
        assert_eq!(list(&[]), word("none"));
        assert_eq!(list(&["1001", "zhangsan"]), Ok(Selection::These(vec!["1001".into(), "zhangsan".into()])));
        assert!(word("zhangsan").unwrap_err().contains("[zhangsan]"));
    }

    #[test]
    fn each_bad_id_is_told() {
        let mut faults = Vec::new();
        Selection::These(vec!["a".into(), " ".into(), "a".into()]).check("k", false, &mut faults);
        Selection::Top.check("k", false, &mut faults);
        assert_eq!(faults.len(), 3, "{faults:?}");
    }

    #[test]
    fn two_people_differ_in_more_than_case() {
        let ids = Selection::These(vec!["ZhangSan".into(), "lisi".into(), "zhangsan".into(), "lisi".into()]);
        let (mut of_people, mut of_others) = (Vec::new(), Vec::new());
        ids.check_people("users", &mut of_people);
        ids.check("accounts", false, &mut of_others);
        assert_eq!(of_others, ["accounts[3]: the same id as in accounts[1]"]);
        assert!(of_people[0].starts_with("users[2]: the same id as in users[0], but for upper and lower case"));
        assert_eq!(&of_people[1..], ["users[3]: the same id as in users[1]"]);
    }
}
