//! Feishu's list of departments.

use serde_json::{Value, json};

use super::rules::refuse;
use crate::simulator::World;
use crate::simulator::answer::{ApiRequest, Refusal};
use crate::simulator::company::FeishuDepartment;

/// The most departments of one answer.
const LONGEST_PAGE: usize = 50;

/// The departments directly below one, or with `fetch_child` all below it.
pub(super) fn answer(world: &World, received: &ApiRequest) -> Result<Value, Refusal> {
    let all = &world.company.feishu_departments;
    let open = match received.parameter("department_id_type") {
        None | Some("open_department_id") => true,
        Some("department_id") => false,
        Some(_) => return Err(refuse(99_992_402)),
    };
    let id = |department: &FeishuDepartment| {
        if open { department.open_department_id.clone() } else { department.department_id.clone() }
    };
    let recursive = match received.parameter("fetch_child") {
        None | Some("false") => false,
        Some("true") => true,
        Some(_) => return Err(refuse(99_992_402)),
    };
    let number_of = |name: &str, default: usize| match received.parameter(name) {
        None | Some("") => Ok(default),
        Some(text) => text.parse().map_err(|_| refuse(99_992_402)),
    };
    let size = number_of("page_size", 10)?;
    let start = match received.parameter("page_token") {
        None | Some("") => 0,
        Some(token) => token.strip_prefix("page-").and_then(|n| n.parse().ok()).ok_or_else(|| refuse(99_992_402))?,
    };
    if !(1..=LONGEST_PAGE).contains(&size) {
        return Err(refuse(99_992_402));
    }
    let parent = received.ids.first().map(String::as_str).unwrap_or_default();
    let under = all.iter().find(|department| id(department) == parent);
    if under.is_none() && parent != "0" {
        return Err(refuse(40004));
    }
    let above = under.map_or("0", |department| department.open_department_id.as_str());
    let found: Vec<&FeishuDepartment> = match (recursive, under) {
        (true, None) => all.iter().collect(),
        (true, Some(top)) => top.subtree.iter().skip(1).map(|place| &all[*place]).collect(),
        (false, _) => all.iter().filter(|department| department.parent == above).collect(),
    };
    let item = |department: &&FeishuDepartment| {
        let parent = world.company.feishu_department(&department.parent).map_or_else(|| "0".to_owned(), id);
        let members: u64 = department.subtree.iter().map(|place| all[*place].member_count).sum();
        json!({
            "name": department.name,
            "parent_department_id": parent,
            "department_id": department.department_id,
            "open_department_id": department.open_department_id,
            "leader_user_id": "",
            "order": "100",
            "member_count": members,
            "status": { "is_deleted": false },
        })
    };
    let items: Vec<Value> = found.iter().skip(start).take(size).map(item).collect();
    let next = start + items.len();
    let mut data = json!({ "has_more": next < found.len(), "items": items });
    if next < found.len() {
        data["page_token"] = format!("page-{next}").into();
    }
    Ok(data)
}
