//! What all of WeCom's statistics share: its refusals, and the forms of ids, lists and days.

use jiff::Timestamp;
use serde_json::Value;

use crate::day::{Day, Days, Zone};
use crate::simulator::answer::{ApiRequest, Refusal};

/// Ids in one list, and days back from today.
const LONGEST_LIST: usize = 100;
const KEPT_DAYS: i64 = 180;

/// The platform's refusal with that code.
pub(in crate::simulator) fn refuse(code: i64) -> Refusal {
    let meaning = match code {
        -1 => "system busy",
        40001 => "invalid credential",
        40013 => "invalid corpid",
        40014 => "invalid access_token",
        40058 => "invalid Request Parameter",
        41002 => "corpid missing",
        41004 => "corpsecret missing",
        60011 => "no privilege to access/modify contact/party/agent",
        301002 => "not allow operate another agent with this accesstoken",
        41001 => "access_token missing",
        42001 => "access_token expired",
        45009 => "api freq out of limit",
        45033 => "api concurrent out of limit",
        47001 => "data format error",
        48002 => "api forbidden",
        60020 => "not allow to access from your ip",
        60111 => "userid not found",
        60123 => "invalid party id",
        60251 => "open_kfid missing",
        60252 => "invalid open_kfid",
        60253 => "servicer_userid not in open_kfid",
        81013 => "user & party & tag all invalid",
        84061 => "not external contact",
        84074 => "no permission for external contact",
        95004 => "open_kfid not exist",
        600018 => "invalid start_time or end_time",
        _ => "unknown error",
    };
    Refusal { code, status: 200, message: meaning.to_owned(), headers: Vec::new() }
}

/// The same, with the part of the request that was at fault.
pub(super) fn refuse_for(code: i64, what: &str) -> Refusal {
    let refusal = refuse(code);
    if code == 60111 {
        // Here WeCom quotes the id.
        return Refusal { message: format!("invalid string value `{what}`. {}", refusal.message), ..refusal };
    }
    Refusal { message: format!("{}: {what}", refusal.message), ..refusal }
}

/// The days of a range: whole days, not too many, not today and not too long ago.
pub(super) fn days(received: &ApiRequest, first: &str, last: &str, most: u32) -> Result<Days, Refusal> {
    let days = Days { first: time(received, first)?, last: time(received, last)? };
    let today = Day::containing(received.now, &Zone::china());
    let kept = Days { first: today.plus(-KEPT_DAYS), last: today.plus(-1) };
    let fits = kept.contains(days.first) && kept.contains(days.last) && (1..=most).contains(&days.count());
    if fits { Ok(days) } else { Err(refuse(600018)) }
}

/// The strings of a list; an absent list is empty.
pub(super) fn strings<'a>(list: Option<&'a Value>, name: &str) -> Result<Vec<&'a str>, Refusal> {
    let ids = array(list, name)?;
    ids.iter().map(|id| id.as_str().ok_or_else(|| refuse_for(40058, name))).collect()
}

/// The department ids of a list; an absent list is empty.
pub(super) fn numbers(list: Option<&Value>, name: &str) -> Result<Vec<i64>, Refusal> {
    array(list, name)?.iter().map(|id| id.as_i64().ok_or_else(|| refuse_for(40058, name))).collect()
}

/// Seconds since the epoch of a day's midnight.
pub(super) fn midnight(day: Day) -> i64 {
    day.midnight(&Zone::china()).as_second()
}

fn array<'a>(list: Option<&'a Value>, name: &str) -> Result<&'a [Value], Refusal> {
    match list {
        None => Ok(&[]),
        Some(Value::Array(ids)) if ids.len() <= LONGEST_LIST => Ok(ids),
        Some(Value::Array(_)) => Err(refuse_for(40058, &format!("{name} exceeds max size {LONGEST_LIST}"))),
        Some(_) => Err(refuse_for(40058, &format!("{name} should be an array"))),
    }
}

/// A time, rounded down to its day.
fn time(received: &ApiRequest, name: &str) -> Result<Day, Refusal> {
    let seconds = received.field(name).and_then(Value::as_i64).ok_or_else(|| refuse_for(40058, name))?;
    // Not above 32 bits: milliseconds are the mistake that people make.
    let instant = u32::try_from(seconds).ok().and_then(|seconds| Timestamp::from_second(i64::from(seconds)).ok());
    instant.map(|instant| Day::containing(instant, &Zone::china())).ok_or_else(|| refuse(600018))
}
