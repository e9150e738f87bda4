//! The lists of members and departments that WeCom's sources share.
//!
//! Pages: <https://developer.work.weixin.qq.com/document/path/92571> (members with customers),
//! <https://developer.work.weixin.qq.com/document/path/95350> (departments).

use serde_json::Value;

use super::api::Info;
use super::id::is_id;
use super::listing::{Entry, ListEntry, ListPaging, ListRequest, Need, each, id, text};
use super::malformed::Malformed;
use crate::platform::Call;

/// The key of [`follow_users`].
pub(super) const FOLLOW_USERS: &str = "follow_user";
/// The key of [`departments`].
pub(super) const DEPARTMENTS: &str = "department";
/// The key of [`department_names`].
pub(super) const DEPARTMENT_NAMES: &str = "department_name";
/// The key of [`user_names`].
pub(super) const USER_NAMES: &str = "user_name";

const NO_MEMBERS: &str = "the app sees no member with the right to customer contact: put the members into its visible range, \
    应用管理 > the app > 可见范围 (App management > the app > Visible range), and give them the right under 客户联系 > 权限配置 \
    (Customer contact > Permissions)";
const NO_DEPARTMENTS: &str = "the app sees no department: put the departments into its visible range, 应用管理 > the app > \
    可见范围 (App management > the app > Visible range)";

/// `wecom_user_info`, with the main department.
pub(super) const USER_INFO: Info = Info {
    name: "wecom_user_info",
    help: "WeCom: the name of a member",
    id: "userid",
    parent: Some("partyid"),
    people: true,
};

/// `wecom_department_info`.
pub(super) const DEPARTMENT_INFO: Info = Info {
    name: "wecom_department_info",
    help: "WeCom: the name of a department",
    id: "partyid",
    parent: Some("parentid"),
    people: false,
};

/// The members who have the customer-contact right, within the app's visible range.
pub(super) fn follow_users() -> ListRequest {
    let path = "externalcontact/get_follow_user_list";
    let list =
        of_people(FOLLOW_USERS, Call::get(path, format!("cgi-bin/{path}"), vec![]), Need::Required, |page, _| {
            each(page, "/follow_user", |user, n| match user.as_str() {
                Some(user) if is_id(user) => {
                    Ok(Entry::Subject(ListEntry { id: user.to_owned(), parent: None, name: None }))
                }
                _ => Err(Malformed::new(&format!("/follow_user/{n}"), "an id")),
            })
        });
    ListRequest { when_empty: Some(NO_MEMBERS), ..list }
}

/// The departments that the app may see.
pub(super) fn departments() -> ListRequest {
    let path = "department/simplelist";
    let list = listing(DEPARTMENTS, Call::get(path, format!("cgi-bin/{path}"), vec![]), Need::Required, |page, _| {
        read_departments(page, "/department_id")
    });
    ListRequest { when_empty: Some(NO_DEPARTMENTS), ..list }
}

/// The same with their names, from an older call that newer apps may be refused.
pub(super) fn department_names() -> ListRequest {
    let path = "department/list";
    listing(DEPARTMENT_NAMES, Call::get(path, format!("cgi-bin/{path}"), vec![]), Need::NamesOnly, |page, _| {
        read_departments(page, "/department")
    })
}

/// The names of all members of all departments that the app may see.
pub(super) fn user_names() -> ListRequest {
    let path = "department/simplelist";
    of_people(USER_NAMES, Call::get(path, format!("cgi-bin/{path}"), vec![]), Need::NamesOnly, |page, _| {
        each(page, "/department_id", |entry, n| {
            Ok(Entry::Sublist(members_with_names(&id(entry, "id", "/department_id", n)?)))
        })
    })
}

/// The members of one department, without those of its children.
///
/// Their names are left out, though the answer has them: this list is also asked for where names are not wanted, and is
/// stored.
pub(super) fn members(department: &str) -> ListRequest {
    member_list("member", department, |page, _| {
        each(page, "/userlist", |user, n| {
            let id = id(user, "userid", "/userlist", n)?;
            Ok(Entry::Subject(ListEntry { id, parent: None, name: None }))
        })
    })
}

/// The same with the names, and with the main department of each.
fn members_with_names(department: &str) -> ListRequest {
    member_list("member_name", department, |page, listing| {
        each(page, "/userlist", |user, n| {
            let id = id(user, "userid", "/userlist", n)?;
            // The first of several is the main one; the list of each of them has the member.
            let first = user.pointer("/department/0").and_then(Value::as_u64).map(|department| department.to_string());
            let parent = first.or_else(|| listing.key.split_once('/').map(|(_, department)| department.to_owned()));
            Ok(Entry::Subject(ListEntry { id, parent, name: text(user, "name") }))
        })
    })
}

fn member_list(
    key: &str,
    department: &str,
    read: fn(&Value, &ListRequest) -> Result<Vec<Entry>, Malformed>,
) -> ListRequest {
    let path = "user/simplelist";
    let query = vec![("department_id", department.to_owned())];
    let call = Call::get(path, format!("cgi-bin/{path}"), query);
    of_people(&format!("{key}/{department}"), call, Need::Optional, read)
}

fn listing(
    key: &str,
    call: Call,
    need: Need,
    read: fn(&Value, &ListRequest) -> Result<Vec<Entry>, Malformed>,
) -> ListRequest {
    ListRequest { key: key.to_owned(), call, paging: ListPaging::Single, read, need, people: false, when_empty: None }
}

fn of_people(
    key: &str,
    call: Call,
    need: Need,
    read: fn(&Value, &ListRequest) -> Result<Vec<Entry>, Malformed>,
) -> ListRequest {
    ListRequest { people: true, ..listing(key, call, need, read) }
}

fn read_departments(page: &Value, pointer: &str) -> Result<Vec<Entry>, Malformed> {
    each(page, pointer, |department, n| {
        let parent = id(department, "parentid", pointer, n).ok();
        Ok(Entry::Subject(ListEntry { id: id(department, "id", pointer, n)?, parent, name: text(department, "name") }))
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_first_of_a_members_departments_is_the_main_one() {
        let listing = members_with_names("7");
        let page = json!({"userlist": [
            {"userid": "a", "name": "A", "department": [3, 7]},
            {"userid": "b", "name": "B", "department": []},
            {"userid": "c", "name": "C"},
        ]});
        let entries = (listing.read)(&page, &listing).unwrap();
        let main = entries.into_iter().map(|entry| match entry {
            Entry::Subject(found) => (found.id, found.parent),
            _ => panic!("members are subjects"),
        });
        let expected = [("a", "3"), ("b", "7"), ("c", "7")].map(|(id, main)| (id.to_owned(), Some(main.to_owned())));
        assert_eq!(main.collect::<Vec<_>>(), expected);
    }
}
