//! Feishu's front door: login, tokens, the envelope with its HTTP statuses, and the way to its APIs.

mod departments;
pub(super) mod message_push;
mod rules;

use hyper::header::{AUTHORIZATION, CONTENT_TYPE};
use jiff::SignedDuration;
use serde_json::{Value, json};

use super::World;
use super::answer::{Answer, ApiRequest, Refusal};
use super::apis::{self, APIS};
use super::quota::OverQuota;
use super::tokens::{Credential, TokenState};

pub(super) use rules::refuse;

/// A token with less time left than this is replaced when one is asked for.
const RENEWED: SignedDuration = SignedDuration::from_mins(30);

/// Answers a call of the API at `place` in [`APIS`].
pub(super) fn answer(world: &World, place: usize, received: &ApiRequest) -> Answer {
    envelope(match APIS[place].path {
        apis::TENANT_TOKEN => login(world, place, received),
        path => admit(world, place, received).and_then(|()| {
            let data = if path == apis::PUSH {
                message_push::answer(world, received)
            } else {
                departments::answer(world, received)
            };
            Ok(json!({ "data": data? }))
        }),
    })
}

/// The refusal of a call too many.
pub(super) fn throttle(exceeded: &OverQuota) -> Refusal {
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

fn login(world: &World, place: usize, received: &ApiRequest) -> Result<Value, Refusal> {
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

fn admit(world: &World, place: usize, received: &ApiRequest) -> Result<(), Refusal> {
    let authorization = received.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let token = authorization.and_then(|text| text.strip_prefix("Bearer ")).ok_or_else(|| refuse(99_991_661))?;
    if world.tokens.standing(token, received.now) != TokenState::Valid(Credential::Feishu) {
        return Err(refuse(99_991_663));
    }
    world.quota.admit(place, received.now).map_err(|exceeded| throttle(&exceeded))?;
    if APIS[place].verb == hyper::Method::POST { is_json(received) } else { Ok(()) }
}

fn is_json(received: &ApiRequest) -> Result<(), Refusal> {
    let content_type = received.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let said = content_type.to_ascii_lowercase().starts_with("application/json");
    let is = received.json.as_ref().is_some_and(Value::is_object);
    if said && is { Ok(()) } else { Err(refuse(9499)) }
}
