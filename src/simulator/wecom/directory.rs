//! WeCom's lists of members, departments, customer service accounts and servicers.

use serde_json::{Value, json};

use super::rules::{refuse, refuse_for};
use crate::simulator::World;
use crate::simulator::answer::{ApiRequest, Refusal};
use crate::simulator::apis;
use crate::simulator::company::Department;

/// Answers the list API with that path.
pub(super) fn answer(world: &World, path: &str, received: &ApiRequest) -> Result<Value, Refusal> {
    match path {
        apis::FOLLOW_USERS => {
            let userids: Vec<&str> = world.company.follow_users().map(|user| user.userid.as_str()).collect();
            Ok(json!({ "follow_user": userids }))
        }
        apis::DEPARTMENT_IDS => {
            let item = |d: &Department| json!({ "id": d.partyid, "parentid": d.parent, "order": d.partyid * 10 });
            Ok(json!({ "department_id": departments(world, received, item)? }))
        }
        apis::DEPARTMENTS => {
            let item = |d: &Department| {
                json!({
                    "id": d.partyid,
                    "name": d.name,
                    "name_en": "",
                    "department_leader": [],
                    "parentid": d.parent,
                    "order": d.partyid * 10,
                })
            };
            Ok(json!({ "department": departments(world, received, item)? }))
        }
        apis::USERS => users(world, received),
        apis::KF_ACCOUNTS => kf_accounts(world, received),
        apis::KF_SERVICERS => kf_servicers(world, received),
        _ => Err(refuse(-1)),
    }
}

/// The department of the parameter `id` and all below it; all departments where there is no `id`.
fn departments(
    world: &World,
    received: &ApiRequest,
    item: impl Fn(&Department) -> Value,
) -> Result<Vec<Value>, Refusal> {
    let company = &world.company;
    let top = match received.parameter("id") {
        None | Some("") => 1,
        Some(text) => text.parse().map_err(|_| refuse_for(40058, "id"))?,
    };
    company.department(top).ok_or_else(|| refuse_for(60123, &top.to_string()))?;
    let below = |department: &&Department| {
        let mut at = department.partyid;
        while at != top {
            match company.department(at) {
                Some(department) => at = department.parent,
                None => return false,
            }
        }
        true
    };
    Ok(company.departments.iter().filter(below).map(item).collect())
}

/// The members of a department itself, as `user/simplelist` lists them.
fn users(world: &World, received: &ApiRequest) -> Result<Value, Refusal> {
    let partyid: i64 = received
        .parameter("department_id")
        .and_then(|text| text.parse().ok())
        .ok_or_else(|| refuse_for(40058, "department_id"))?;
    let department = world.company.department(partyid).ok_or_else(|| refuse_for(60123, &partyid.to_string()))?;
    let people = department.members.iter().map(|place| &world.company.users[*place]);
    let own = people.filter(|user| user.partyid == partyid);
    let items: Vec<Value> =
        own.map(|user| json!({ "userid": user.userid, "name": user.name, "department": [user.partyid] })).collect();
    Ok(json!({ "userlist": items }))
}

fn kf_accounts(world: &World, received: &ApiRequest) -> Result<Value, Refusal> {
    let number_of = |name: &str, default: u64| match received.field(name) {
        None => Ok(default),
        Some(value) => value.as_u64().ok_or_else(|| refuse_for(40058, name)),
    };
    let (offset, limit) = (number_of("offset", 0)?, number_of("limit", 100)?);
    if !(1..=100).contains(&limit) {
        return Err(refuse_for(40058, "limit"));
    }
    let page = world.company.kf_accounts.iter().skip(offset as usize).take(limit as usize);
    let items: Vec<Value> = page
        .map(|account| {
            json!({
                "open_kfid": account.open_kfid,
                "name": account.name,
                "avatar": "https://wework.qpic.cn/wwpic/none/0",
                "manage_privilege": true,
            })
        })
        .collect();
    Ok(json!({ "account_list": items }))
}

/// The servicers as they were entered: members, and departments with all of their members.
fn kf_servicers(world: &World, received: &ApiRequest) -> Result<Value, Refusal> {
    let open_kfid = received.parameter("open_kfid").ok_or_else(|| refuse(60251))?;
    let account = world.company.kf_account(open_kfid).ok_or_else(|| refuse_for(95004, open_kfid))?;
    let members = account.named.iter().map(|userid| json!({ "userid": userid, "status": 0, "stop_type": 0 }));
    let departments = account.named_departments.iter().map(|partyid| json!({ "department_id": partyid }));
    Ok(json!({ "servicer_list": members.chain(departments).collect::<Vec<Value>>() }))
}
