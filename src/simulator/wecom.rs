//! WeCom's front door: login, tokens, the envelope, and the way to its APIs.
//!
//! Every answer is HTTP 200; `errcode` tells how it went.

pub(super) mod contact;
mod directory;
pub(super) mod groupchat;
pub(super) mod kf;
mod rules;

use jiff::SignedDuration;
use serde_json::{Map, Value, json};

use super::World;
use super::answer::{Answer, ApiRequest, Refusal};
use super::apis::{self, APIS};
use super::tokens::{Credential, TokenState};

pub(super) use rules::refuse;
use rules::refuse_for;

/// Answers a call of the API at `place` in [`APIS`].
pub(super) fn answer(world: &World, place: usize, received: &ApiRequest) -> Answer {
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

fn login(world: &World, place: usize, received: &ApiRequest) -> Result<Value, Refusal> {
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

fn admit(world: &World, place: usize, received: &ApiRequest) -> Result<(), Refusal> {
    let api = &APIS[place];
    let token = received.parameter("access_token").filter(|token| !token.is_empty());
    let credential = match world.tokens.standing(token.ok_or_else(|| refuse(41001))?, received.now) {
        TokenState::Valid(credential) => credential,
        TokenState::Expired => return Err(refuse(42001)),
        TokenState::Unknown => return Err(refuse(40014)),
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
