//! WeCom's front door: login, tokens, the envelope, and the rules that all of its statistics share.
//!
//! Every answer is HTTP 200; `errcode` tells how it went.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

use super::World;
use super::answer::{Answer, Received, Refusal};
use super::apis::{self, APIS};
use super::tokens::{Credential, Standing};
use super::{contact, directory, groupchat, kf};
use crate::day::{Day, Days, Zone};

/// Ids in one list, and days back from today.
const LONGEST_LIST: usize = 100;
const KEPT_DAYS: i64 = 180;

/// Answers a call of the API at `place` in [`APIS`].
pub(super) fn answer(world: &World, place: usize, received: &Received) -> Answer {
    let path = APIS[place].path;
    envelope(
        path,
        match path {
            apis::GETTOKEN => login(world, place, received),
            _ => admit(world, place, received).and_then(|()| match path {
                apis::CONTACT => contact::answer(world, received),
                apis::GROUPCHAT => groupchat::by_owner(world, received),
                apis::GROUPCHAT_BY_DAY => groupchat::by_day(world, received),
                apis::KF => kf::answer(world, received),
                _ => directory::answer(world, path, received),
            }),
        },
    )
}

/// The platform's refusal with that code.
pub(super) fn refuse(code: i64) -> Refusal {
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

/// A platform's envelope around the outcome of a call.
pub(super) fn envelope(path: &str, outcome: Result<Value, Refusal>) -> Answer {
    let refusal = match outcome {
        Ok(mut value) => {
            value["errcode"] = 0.into();
            value["errmsg"] = "ok".into();
            return Answer::json(&value);
        }
        Err(refusal) => refusal,
    };
    let code = refusal.code;
    // The real hint and address are different with each call; ours are not, so that two runs agree.
    let message = format!(
        "{}, hint: [1700000000_206_5f0c1e], from ip: 127.0.0.1, more info at https://open.work.weixin.qq.com/devtool/query?e={code}",
        refusal.message
    );
    let mut body = Map::from_iter([("errcode".to_owned(), code.into()), ("errmsg".to_owned(), message.into())]);
    // A refusal may carry the empty payload, which is not to be taken for an answer.
    if path == apis::CONTACT {
        body.insert("behavior_data".to_owned(), json!([]));
    }
    let mut answer = Answer::json(&Value::Object(body));
    answer.headers.push(("error-code".to_owned(), code.to_string()));
    answer.refused = Some(code);
    answer
}

/// The days of a range: whole days, not too many, not today and not too long ago.
pub(super) fn days(received: &Received, first: &str, last: &str, most: u32) -> Result<Days, Refusal> {
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
fn time(received: &Received, name: &str) -> Result<Day, Refusal> {
    let seconds = received.field(name).and_then(Value::as_i64).ok_or_else(|| refuse_for(40058, name))?;
    // Not above 32 bits: milliseconds are the mistake that people make.
    let instant = u32::try_from(seconds).ok().and_then(|seconds| Timestamp::from_second(i64::from(seconds)).ok());
    instant.map(|instant| Day::containing(instant, &Zone::china())).ok_or_else(|| refuse(600018))
}

fn login(world: &World, place: usize, received: &Received) -> Result<Value, Refusal> {
    if world.quota.logins_shut(received.now) || world.quota.admit(place, received.now).is_err() {
        return Err(refuse(45009));
    }
    let failed = |code| {
        world.quota.login_failed(received.now);
        refuse(code)
    };
    if received.method != APIS[place].verb {
        return Err(refuse(40058));
    }
    if received.parameter("corpid").is_none_or(str::is_empty) {
        return Err(refuse(41002));
    }
    if received.parameter("corpid") != Some(&world.company.corp_id) {
        return Err(failed(40013));
    }
    let given = received.parameter("corpsecret").unwrap_or_default();
    if given.is_empty() {
        return Err(refuse(41004));
    }
    let credential = [Credential::Wecom, Credential::WecomKf].into_iter().find(|c| world.tokens.secret(*c) == given);
    let credential = credential.ok_or_else(|| failed(40001))?;
    let (token, lifetime) = world.tokens.issue(credential, received.now, SignedDuration::ZERO);
    Ok(json!({ "access_token": token, "expires_in": lifetime }))
}

fn admit(world: &World, place: usize, received: &Received) -> Result<(), Refusal> {
    let api = &APIS[place];
    let token = received.parameter("access_token").filter(|token| !token.is_empty());
    let credential = match world.tokens.standing(token.ok_or_else(|| refuse(41001))?, received.now) {
        Standing::Valid(credential) => credential,
        Standing::Expired => return Err(refuse(42001)),
        Standing::Unknown => return Err(refuse(40014)),
    };
    match credential {
        Credential::Wecom => {}
        Credential::WecomKf if !api.path.starts_with("externalcontact/") => {}
        Credential::WecomKf => return Err(refuse(48002)),
        Credential::Feishu | Credential::TencentDesk => return Err(refuse(40014)),
    }
    world.quota.admit(place, received.now).map_err(|_| refuse(45009))?;
    if received.method != api.verb {
        return Err(refuse_for(40058, "wrong http method"));
    }
    let is_object = received.json.as_ref().is_some_and(Value::is_object);
    if api.verb == hyper::Method::POST && !is_object { Err(refuse(47001)) } else { Ok(()) }
}
