//! Feishu's front door: login, tokens, the envelope with its HTTP statuses, and the list of departments.

use hyper::header::{AUTHORIZATION, CONTENT_TYPE};
use jiff::SignedDuration;
use serde_json::{Value, json};

use super::World;
use super::answer::{Answer, Received, Refusal};
use super::apis::{self, APIS};
use super::company::FeishuDepartment;
use super::message_push;
use super::quota::Exceeded;
use super::tokens::{Credential, Standing};

/// A token with less time left than this is replaced when one is asked for.
const RENEWED: SignedDuration = SignedDuration::from_mins(30);

/// The most departments of one answer.
const LONGEST_PAGE: usize = 50;

/// Answers a call of the API at `place` in [`APIS`].
pub(super) fn answer(world: &World, place: usize, received: &Received) -> Answer {
    envelope(match APIS[place].path {
        apis::TENANT_TOKEN => login(world, place, received),
        path => admit(world, place, received).and_then(|()| {
            let data =
                if path == apis::PUSH { message_push::answer(world, received) } else { children(world, received) };
            Ok(json!({ "data": data? }))
        }),
    })
}

/// The platform's refusal with that code, and the HTTP status that goes with it.
pub(super) fn refuse(code: i64) -> Refusal {
    let (status, meaning) = match code {
        9499 => (400, "Invalid parameter type in json"),
        // The call for a token answers its errors with 200.
        10003 => (200, "invalid param"),
        10014 => (200, "app secret invalid"),
        10015 => (200, "wrong app secret"),
        40004 => (400, "no dept authority error"),
        211_004 => (403, "no authority for quota limit"),
        211_005 => (400, "invalid app id"),
        211_007 => (400, "invalid date format"),
        211_010 => (403, "invalid date range"),
        211_011 => (404, "data not found"),
        99_991_400 => (429, "request trigger frequency limit"),
        99_991_661 => (400, "Missing access token for authorization."),
        99_991_663 => {
            (400, "Invalid access token for authorization. Please make a test attempt with the correct token.")
        }
        99_991_672 => (400, "Access denied. One of the following scopes is required"),
        99_991_401 => (400, "ip denied"),
        99_991_403 => (400, "This month's API call quota has been exceeded"),
        99_991_662 => (400, "app not in use"),
        99_991_673 => (400, "app is not installed"),
        99_992_357 => (400, "The request you send is not a valid {open_department_id} or not exists"),
        99_992_402 => (400, "field validation failed"),
        1500 | 1551 | 1557 | 2200 => (500, "internal error"),
        _ => (400, "unknown error"),
    };
    Refusal { code, status, message: meaning.to_owned(), headers: Vec::new() }
}

/// The refusal of a call too many.
pub(super) fn throttle(exceeded: &Exceeded) -> Refusal {
    let headers = vec![
        ("x-ogw-ratelimit-limit", exceeded.limit.to_string()),
        ("x-ogw-ratelimit-reset", exceeded.reset.to_string()),
    ];
    Refusal { headers, ..refuse(99_991_400) }
}

/// Feishu's envelope around the outcome of a call; what a login returns is beside `code`, all else in `data`.
pub(super) fn envelope(outcome: Result<Value, Refusal>) -> Answer {
    const LOG_ID: &str = "202611200000000000000000000000AB";
    let mut answer = match outcome {
        Ok(mut value) => {
            value["code"] = 0.into();
            value["msg"] = "success".into();
            Answer::json(&value)
        }
        Err(refusal) => {
            let mut error = json!({ "log_id": LOG_ID });
            if refusal.code == 99_991_672 {
                let scope = "application:application.app_message_stats.overview:readonly";
                error["permission_violations"] = json!([{ "type": "action_scope_required", "subject": scope }]);
            }
            let mut answer = Answer::json(&json!({ "code": refusal.code, "msg": refusal.message, "error": error }));
            answer.status = refusal.status;
            answer.headers.extend(refusal.headers.into_iter().map(|(name, value)| (name.to_owned(), value)));
            answer.refused = Some(refusal.code);
            answer
        }
    };
    answer.headers.push(("x-tt-logid".to_owned(), LOG_ID.to_owned()));
    answer
}

fn login(world: &World, place: usize, received: &Received) -> Result<Value, Refusal> {
    world.quota.admit(place, received.now).map_err(|exceeded| throttle(&exceeded))?;
    is_json(received)?;
    let text = |name: &str| received.field(name).and_then(Value::as_str).ok_or_else(|| refuse(10003));
    let (app_id, secret) = (text("app_id")?, text("app_secret")?);
    if app_id != world.company.app_id {
        return Err(refuse(10003));
    }
    if secret != world.tokens.secret(Credential::Feishu) {
        return Err(refuse(10014));
    }
    let (token, expire) = world.tokens.issue(Credential::Feishu, received.now, RENEWED);
    Ok(json!({ "tenant_access_token": token, "expire": expire }))
}

fn admit(world: &World, place: usize, received: &Received) -> Result<(), Refusal> {
    let authorization = received.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let token = authorization.and_then(|text| text.strip_prefix("Bearer ")).ok_or_else(|| refuse(99_991_661))?;
    if world.tokens.standing(token, received.now) != Standing::Valid(Credential::Feishu) {
        return Err(refuse(99_991_663));
    }
    world.quota.admit(place, received.now).map_err(|exceeded| throttle(&exceeded))?;
    if APIS[place].verb == hyper::Method::POST { is_json(received) } else { Ok(()) }
}

fn is_json(received: &Received) -> Result<(), Refusal> {
    let content_type = received.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let said = content_type.to_ascii_lowercase().starts_with("application/json");
    let is = received.json.as_ref().is_some_and(Value::is_object);
    if said && is { Ok(()) } else { Err(refuse(9499)) }
}

/// The departments directly below one, or with `fetch_child` all below it.
fn children(world: &World, received: &Received) -> Result<Value, Refusal> {
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
