//! Lists that are discovered at a platform: the subjects that can be asked about.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::id::{MOST_ID_BYTES, is_id};
use super::malformed::Malformed;
use crate::platform::Call;

/// Whether the list that is stored under `key` is one of people. A list with an unknown key is taken for one.
#[must_use]
pub fn lists_people(key: &str) -> bool {
    let of_others = ["kf_account", "department"].iter().any(|begin| key.starts_with(begin));
    !of_others || key.starts_with("department_member/")
}

/// A person or thing that a platform lists.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ListEntry {
    /// The platform's id.
    pub id: String,
    /// The id of its parent, where that matters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
    /// Its name, where the list has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// A list to fetch.
#[derive(Clone, Debug)]
pub struct ListRequest {
    /// What the list is stored under; unique among the lists of one account.
    pub key: String,
    /// The call for the first page.
    pub call: Call,
    /// How the next page is asked for.
    pub paging: ListPaging,
    /// Reads a page.
    pub read: fn(page: &Value, listing: &ListRequest) -> Result<Vec<Entry>, Malformed>,
    /// What it means where the platform does not give it.
    pub need: Need,
    /// Whether it lists people.
    pub people: bool,
    /// What the operator can do about an empty list, where an empty one is most likely a mistake.
    pub when_empty: Option<&'static str>,
}

/// What it means that the platform does not give a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Without it there are no targets.
    Required,
    /// It adds to other lists: where the platform does not give it, it is left out, and the others are used.
    Optional,
    /// Only names come from it, which may be missing.
    NamesOnly,
}

/// How a list goes on after its first page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListPaging {
    /// It has one page.
    Single,
    /// By `offset` and `limit` in the body, until a page has fewer than this many entries.
    Offset(usize),
    /// By what each page gives for the next one, while it says that there is more.
    Cursor {
        /// Where a page says whether there is more.
        more: &'static str,
        /// Where it gives the cursor.
        next: &'static str,
        /// Where the next call carries it.
        carrier: Carrier,
    },
}

/// The part of a call that carries a cursor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carrier {
    /// This parameter of the query; such a cursor is a text.
    Query(&'static str),
    /// This field of the body; such a cursor is a text or a whole number.
    Body(&'static str),
}

impl ListPaging {
    /// Makes `call` ask for the page after `page`, which has `count` entries; false where none follows.
    ///
    /// # Errors
    /// Where `page` does not say which one follows.
    pub fn turn(self, call: &mut Call, page: &Value, count: usize) -> Result<bool, Malformed> {
        match self {
            Self::Single => Ok(false),
            Self::Offset(limit) if count < limit => Ok(false),
            Self::Offset(limit) => {
                if let Some(body) = &mut call.body {
                    let offset = body["offset"].as_u64().unwrap_or(0);
                    body["offset"] = (offset + limit as u64).into();
                }
                Ok(true)
            }
            Self::Cursor { more, next, carrier } => {
                let cursor = page.pointer(next);
                match (page.pointer(more), carrier, cursor) {
                    (None | Some(Value::Null | Value::Bool(false)), ..) => Ok(false),
                    (Some(Value::Bool(true)), Carrier::Query(name), Some(Value::String(cursor))) => {
                        call.query.retain(|(key, _)| *key != name);
                        call.query.push((name, cursor.clone()));
                        Ok(true)
                    }
                    (Some(Value::Bool(true)), Carrier::Body(name), Some(cursor))
                        if cursor.is_string() || cursor.is_u64() =>
                    {
                        if let Some(Value::Object(body)) = &mut call.body {
                            body.insert(name.to_owned(), cursor.clone());
                        }
                        Ok(true)
                    }
                    (_, Carrier::Query(_), _) => Err(Malformed::new(next, "a text, though there is more")),
                    (_, Carrier::Body(_), _) => Err(Malformed::new(next, "a text or a number, though there is more")),
                }
            }
        }
    }
}

/// One entry of a list's page.
#[derive(Clone, Debug)]
pub enum Entry {
    /// It is this.
    Subject(ListEntry),
    /// All entries of another list.
    Sublist(ListRequest),
    /// It can't be read: it is left out, and the others are used.
    Odd(Malformed),
}

/// The lists that are known, by their keys.
pub type Directory = BTreeMap<String, Arc<Vec<ListEntry>>>;

/// The entries of the list `key`; empty where it is not known.
#[must_use]
pub(super) fn entries<'a>(directory: &'a Directory, key: &str) -> &'a [ListEntry] {
    directory.get(key).map_or(&[], |list| list.as_slice())
}

/// The array at `pointer`.
///
/// # Errors
/// [`Malformed`] where there is none.
pub(super) fn array<'a>(page: &'a Value, pointer: &str) -> Result<&'a Vec<Value>, Malformed> {
    page.pointer(pointer).and_then(Value::as_array).ok_or_else(|| Malformed::new(pointer, "a list"))
}

/// Reads each entry of the list at `pointer` with `read`, which gets its place; one that it can't read is odd.
///
/// # Errors
/// [`Malformed`] where there is no list.
pub(super) fn each(
    page: &Value,
    pointer: &str,
    read: impl Fn(&Value, usize) -> Result<Entry, Malformed>,
) -> Result<Vec<Entry>, Malformed> {
    let entries = array(page, pointer)?.iter().enumerate();
    Ok(entries.map(|(n, entry)| read(entry, n).unwrap_or_else(Entry::Odd)).collect())
}

/// The id in the field `name` of entry `n` of the list at `pointer`: a text that can be one, or a whole number.
///
/// # Errors
/// [`Malformed`] where there is none.
pub(super) fn id(entry: &Value, name: &str, pointer: &str, n: usize) -> Result<String, Malformed> {
    match &entry[name] {
        Value::String(id) if is_id(id) => Ok(id.clone()),
        Value::Number(id) if id.is_u64() => Ok(id.to_string()),
        _ => Err(Malformed::new(&format!("{pointer}/{n}/{name}"), "an id")),
    }
}

/// The text in the field `name`, where there is one and it is not longer than any id or name.
#[must_use]
pub(super) fn text(entry: &Value, name: &str) -> Option<String> {
    entry[name].as_str().filter(|text| !text.trim().is_empty() && text.len() <= MOST_ID_BYTES).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::*;

    fn ids(page: &Value) -> Result<Vec<String>, String> {
        let read = |entry: &Value, n: usize| {
            Ok(Entry::Subject(ListEntry { id: id(entry, "id", "/list", n)?, parent: None, name: text(entry, "name") }))
        };
        let entries = each(page, "/list", read).map_err(|malformed| malformed.path)?;
        let ids = entries.into_iter().map(|entry| match entry {
            Entry::Subject(found) => format!("{} {:?}", found.id, found.name),
            Entry::Sublist(listing) => listing.key,
            Entry::Odd(malformed) => malformed.path,
        });
        Ok(ids.collect())
    }

    #[test]
    fn a_cursor_travels_in_the_query_or_in_the_body() {
        let paging = |carrier| ListPaging::Cursor { more: "/data/has_more", next: "/data/next", carrier };
        let page = |next: Value| json!({"data": {"has_more": true, "next": next}});
        let (query, body) = (paging(Carrier::Query("page_token")), paging(Carrier::Body("cursor")));

        let mut call = Call::get("list", "list", vec![("page_size", "50".to_owned())]);
        for cursor in ["one", "two"] {
            assert_eq!(query.turn(&mut call, &page(json!(cursor)), 50), Ok(true));
            assert_eq!(call.query, [("page_size", "50".to_owned()), ("page_token", cursor.to_owned())]);
        }
        let mut call = Call::post("list", "list", json!({"size": 50}));
        for cursor in [json!("one"), json!(100)] {
            assert_eq!(body.turn(&mut call, &page(cursor.clone()), 50), Ok(true));
            assert_eq!(call.body, Some(json!({"size": 50, "cursor": cursor})));
        }

        let asked = call.clone();
        for end in [json!({}), json!({"data": {"has_more": false, "next": 7}}), json!({"data": {"has_more": null}})] {
            assert_eq!(body.turn(&mut call, &end, 50), Ok(false), "{end}");
        }
        for odd in [page(Value::Null), page(json!([1])), page(json!(-1)), json!({"data": {"has_more": 1, "next": 7}})] {
            let error = body.turn(&mut call, &odd, 50).unwrap_err().to_string();
            assert!(error.contains("/data/next") && error.contains("a text or a number"), "{error}");
        }
        assert_eq!(call, asked, "the call stays as it is where no page follows");
        let error = query.turn(&mut call, &page(json!(7)), 50).unwrap_err().to_string();
        assert!(error.contains("a text, though there is more"), "{error}");
    }

    #[test]
    fn ids_are_texts_or_whole_numbers_and_names_may_be_missing() {
        let page = json!({"list": [{"id": "a", "name": "A"}, {"id": 7, "name": " "}, {"id": "b".repeat(256)}]});
        let long = format!("{} None", "b".repeat(256));
        assert_eq!(ids(&page), Ok(vec!["a Some(\"A\")".to_owned(), "7 None".to_owned(), long]));
        assert_eq!(ids(&json!({"list": []})), Ok(vec![]));
        for no_id in [json!(""), json!("b".repeat(257)), json!(-7), json!(1.5), json!(null), json!(["a"])] {
            let read = ids(&json!({"list": [{"id": no_id}, {"id": "a"}]}));
            assert_eq!(read, Ok(vec!["/list/0/id".to_owned(), "a None".to_owned()]), "{no_id}");
        }
        for no_list in [json!({}), json!({"list": null}), json!({"list": {"id": "a"}}), json!([])] {
            assert_eq!(ids(&no_list), Err("/list".to_owned()), "{no_list}");
        }
    }

    #[test]
    fn a_list_that_is_not_known_has_no_entries() {
        let found = ListEntry { id: "a".to_owned(), parent: None, name: None };
        let directory = Directory::from([("list".to_owned(), Arc::new(vec![found.clone()]))]);
        assert_eq!((entries(&directory, "list"), entries(&directory, "other")), (&[found][..], &[][..]));
    }
}
