//! The subjects and days of a call, read leniently and before it is judged: for the log and for faults.

use serde_json::Value;

use super::answer::ApiRequest;
use super::apis;
use super::feishu::message_push::period;
use crate::day::{Day, Days, Zone};

/// The ids that a call of the API with that path names, and the days that it asks for.
pub(super) fn of(path: &str, received: &ApiRequest) -> (Vec<String>, Option<Days>) {
    let text = |name| received.field(name).map(plain);
    match path {
        apis::CONTACT => {
            let mut ids = list(received.field("userid"));
            ids.extend(list(received.field("partyid")));
            (ids, days(received, "start_time", "end_time"))
        }
        apis::GROUPCHAT | apis::GROUPCHAT_BY_DAY => {
            let owners = received.field("owner_filter").and_then(|filter| filter.get("userid_list"));
            (list(owners), days(received, "day_begin_time", "day_end_time"))
        }
        apis::KF => {
            let account = text("open_kfid").unwrap_or_default();
            let subject = text("servicer_userid").map_or(account.clone(), |userid| format!("{account}/{userid}"));
            (vec![subject], days(received, "start_time", "end_time"))
        }
        apis::DESK => (list(received.field("AgentIds")), days(received, "From", "To")),
        apis::PUSH => {
            let app = received.ids.first().cloned().unwrap_or_default();
            let department = text("department_id").filter(|id| !id.is_empty());
            let subject = department.map_or(app.clone(), |department| format!("{app}/{department}"));
            let date: Option<Day> = text("date").and_then(|date| date.parse().ok());
            let cycle = received.field("cycle_type").and_then(Value::as_i64).unwrap_or(1);
            (vec![subject], date.map(|date| period(date, cycle)))
        }
        apis::CHILDREN => (received.ids.clone(), None),
        apis::GETTOKEN => (parameter(received, "corpid"), None),
        apis::DEPARTMENT_IDS | apis::DEPARTMENTS => (parameter(received, "id"), None),
        apis::USERS => (parameter(received, "department_id"), None),
        apis::KF_SERVICERS => (parameter(received, "open_kfid"), None),
        apis::TENANT_TOKEN => (text("app_id").into_iter().collect(), None),
        _ => (Vec::new(), None),
    }
}

fn parameter(received: &ApiRequest, name: &str) -> Vec<String> {
    received.parameter(name).map(str::to_owned).into_iter().collect()
}

fn list(value: Option<&Value>) -> Vec<String> {
    value.and_then(Value::as_array).map(|ids| ids.iter().map(plain).collect()).unwrap_or_default()
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn days(received: &ApiRequest, first: &str, last: &str) -> Option<Days> {
    let first = day(received.field(first)?)?;
    Some(Days { first, last: received.field(last).and_then(day).unwrap_or(first) })
}

fn day(value: &Value) -> Option<Day> {
    let instant = jiff::Timestamp::from_second(value.as_i64()?).ok()?;
    Some(Day::containing(instant, &Zone::china()))
}
