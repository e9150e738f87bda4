//! Lists as platforms give them at their edges: empty ones, and ones with an entry of another form.

use hyper::body::Bytes;
use serde_json::{Value, json};

use super::answer::Answer;
use super::apis;

/// WeCom's code for a field that is too long.
pub(super) const TOO_LONG: i64 = 40058;

/// Where the answer of the API with that path has its list.
fn list_of(path: &str) -> &'static str {
    match path {
        apis::CONTACT => "/behavior_data",
        apis::KF => "/statistic_list",
        apis::FOLLOW_USERS => "/follow_user",
        apis::DEPARTMENT_IDS => "/department_id",
        apis::DEPARTMENTS => "/department",
        apis::USERS => "/userlist",
        apis::KF_ACCOUNTS => "/account_list",
        apis::KF_SERVICERS => "/servicer_list",
        apis::DESK => "/Data",
        apis::PUSH | apis::CHILDREN => "/data/items",
        _ => "/items",
    }
}

/// The answer with an empty list, in the way in which its platform gives one.
pub(super) fn empty(path: &str, answer: Answer) -> Answer {
    change(answer, |body| match path {
        // Feishu's gateway leaves it out.
        apis::PUSH => body["data"] = json!({}),
        apis::CHILDREN => body["data"] = json!({ "has_more": false }),
        apis::DESK => {
            body["TotalCount"] = 0.into();
            body["Data"] = Value::Null;
        }
        apis::GROUPCHAT => {
            body["total"] = 0.into();
            if let Some(body) = body.as_object_mut() {
                body.remove("items");
                body.remove("next_offset");
            }
        }
        _ => {
            if let Some(list) = body.pointer_mut(list_of(path)) {
                *list = json!([]);
            }
        }
    })
}

/// The answer with `entry` before those of its list.
pub(super) fn with_first(path: &str, entry: Value, answer: Answer) -> Answer {
    change(answer, |body| {
        if let Some(list) = body.pointer_mut(list_of(path)).and_then(Value::as_array_mut) {
            list.insert(0, entry);
        }
    })
}

/// A right answer with its body changed; a refusal stays as it is.
fn change(answer: Answer, change: impl FnOnce(&mut Value)) -> Answer {
    match serde_json::from_slice::<Value>(&answer.body) {
        Ok(mut body) if answer.refused.is_none() => {
            change(&mut body);
            Answer { body: Bytes::from(body.to_string()), ..answer }
        }
        _ => answer,
    }
}
