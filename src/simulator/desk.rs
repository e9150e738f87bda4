//! Tencent Cloud Desk: the daily statistics of its agents, and the rules of Tencent's REST calls.
//!
//! Every answer is HTTP 200; `ActionStatus` and `ErrorCode` tell how it went.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::World;
use super::answer::{Answer, ApiRequest, Refusal};
use super::apis;
use super::company::Agent;
use super::draw::{Draw, number, rhythm, weekday};
use super::tokens::Credential;
use super::usersig;
use crate::day::{Day, Days, Zone};

/// The most entries of one answer.
const LONGEST_PAGE: u64 = 100;

/// What is counted before averages are taken of it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tally {
    first_login: i64,
    last_logout: i64,
    free: u64,
    busy: u64,
    rest: u64,
    sessions: u64,
    transferred: u64,
    effective: u64,
    ended: u64,
    users: u64,
    accept_seconds: u64,
    pub(super) messages: u64,
    sent: u64,
    received: u64,
    unanswered: u64,
    first_response_seconds: u64,
    first_within_30s: u64,
    response_seconds: u64,
    within_30s: u64,
    rated: u64,
    satisfied: u64,
}

impl Tally {
    /// The counts of an agent on `day`; all zeros on a day off.
    pub(super) fn of(agent: &Agent, day: Day) -> Self {
        let date = number(day);
        let mut nature = Draw::of(agent.key);
        let mut draw = Draw::on(agent.key, date);
        let off = if weekday(date) >= 5 { 0.7 } else { 0.08 };
        if draw.unit() < off {
            return Self::default();
        }
        let sessions = draw.count(nature.between(6.0, 40.0) * rhythm(date).max(0.7));
        let effective = draw.part(sessions, 0.6, 0.95);
        let unanswered = draw.part(sessions - effective, 0.0, 0.5);
        let answered = sessions - unanswered;
        let sent = sessions + draw.count(sessions as f64 * 7.0);
        let received = sessions + draw.count(sessions as f64 * 8.0);
        let (first_each, each, long_each) =
            (draw.between(5.0, 60.0), draw.between(10.0, 90.0), draw.between(100.0, 500.0));
        let rated = draw.part(effective, 0.2, 0.7);
        let login = day.midnight(&Zone::china()).as_second() + 8 * 3600 + (draw.next() % 7200) as i64;
        let at_work = 7 * 3600 + draw.next() % 7200;
        let (busy, rest) = (draw.part(at_work, 0.02, 0.15), draw.part(at_work, 0.05, 0.2));
        Self {
            first_login: login,
            last_logout: login + at_work as i64,
            free: at_work - busy - rest,
            busy,
            rest,
            sessions,
            transferred: draw.part(sessions, 0.0, 0.1),
            effective,
            ended: draw.part(sessions, 0.5, 0.95),
            users: draw.part(sessions, 0.8, 1.0),
            accept_seconds: (sessions as f64 * long_each) as u64,
            messages: sent + received,
            sent,
            received,
            unanswered,
            first_response_seconds: (answered as f64 * first_each) as u64,
            first_within_30s: draw.part(answered, 0.4, 0.95),
            response_seconds: (answered as f64 * each) as u64,
            within_30s: draw.part(answered, 0.3, 0.9),
            rated,
            satisfied: draw.part(rated, 0.6, 1.0),
        }
    }

    /// Adds a later day.
    pub(super) fn add(&mut self, later: &Self) {
        if self.first_login == 0 {
            self.first_login = later.first_login;
        }
        self.last_logout = self.last_logout.max(later.last_logout);
        self.free += later.free;
        self.busy += later.busy;
        self.rest += later.rest;
        self.sessions += later.sessions;
        self.transferred += later.transferred;
        self.effective += later.effective;
        self.ended += later.ended;
        self.users += later.users;
        self.accept_seconds += later.accept_seconds;
        self.messages += later.messages;
        self.sent += later.sent;
        self.received += later.received;
        self.unanswered += later.unanswered;
        self.first_response_seconds += later.first_response_seconds;
        self.first_within_30s += later.first_within_30s;
        self.response_seconds += later.response_seconds;
        self.within_30s += later.within_30s;
        self.rated += later.rated;
        self.satisfied += later.satisfied;
    }

    /// The row as the platform writes it.
    pub(super) fn figures(&self, agent: &Agent) -> Value {
        let average = |seconds: u64, count: u64| seconds.checked_div(count).unwrap_or(0);
        let answered = self.sessions - self.unanswered;
        json!({
            "AgentId": agent.agent_id,
            "AgentNickName": agent.nick_name,
            "FirstLoginTimestamp": self.first_login,
            "LastLogoutTimestamp": self.last_logout,
            "FreeTime": self.free,
            "BusyTime": self.busy,
            "RestTime": self.rest,
            "TotalSessionCnt": self.sessions,
            "TransferSessionCnt": self.transferred,
            "EffectiveSessionCnt": self.effective,
            "AgentEndCnt": self.ended,
            "ServeUserCnt": self.users,
            "TotalAcceptTime": self.accept_seconds,
            "TotalMsgCnt": self.messages,
            "AgentMsgCnt": self.sent,
            "UserMsgCnt": self.received,
            "NotRespSessionCnt": self.unanswered,
            "AvgFirstRespTime": average(self.first_response_seconds, answered),
            "FirstRespUnder30sCnt": self.first_within_30s,
            "AvgRespTime": average(self.response_seconds, answered),
            "AvgRespUnder30sCnt": self.within_30s,
            "AvgAcceptTime": average(self.accept_seconds, self.sessions),
            "SatisfactionSelectedCnt": self.rated,
            "SatisfiedCnt": self.satisfied,
        })
    }
}

/// Answers a call of `describe_agent_statistics`, the API at `place` in [`apis::APIS`].
pub(super) fn answer(world: &World, place: usize, received: &ApiRequest) -> Answer {
    envelope(admit(world, place, received).and_then(|()| statistics(world, received)))
}

/// The platform's refusal with that code.
pub(super) fn refuse(code: i64) -> Refusal {
    let meaning = match code {
        60002 => "http parse error, please check the url",
        60003 => "json parse error, please check the body",
        60004 => "usersig or identifier in the url is wrong",
        60006 => "invalid sdkappid",
        60007 | 141_009 => "request rate limit exceeded",
        60009 => "bad url, no such command",
        60010 => "need app admin permission",
        60012 => "sdkappid is missing",
        70001 => "usersig expired",
        70003 => "usersig is illegal",
        70009 => "usersig verify failed, the key is wrong",
        70013 => "identifier does not match the usersig",
        70014 => "sdkappid does not match the usersig",
        141_000 => "not a desk application",
        141_002 => "internal error, please retry",
        141_004 => "invalid parameter",
        141_010 => "agent does not exist",
        _ => "unknown error",
    };
    Refusal { code, status: 200, message: meaning.to_owned(), headers: Vec::new() }
}

/// Tencent's envelope around the outcome of a call.
pub(super) fn envelope(outcome: Result<Value, Refusal>) -> Answer {
    match outcome {
        Ok(mut value) => {
            value["ActionStatus"] = "OK".into();
            value["ErrorCode"] = 0.into();
            value["ErrorInfo"] = "".into();
            Answer::json(&value)
        }
        Err(Refusal { code, message, .. }) => {
            let mut answer = Answer::json(&json!({ "ActionStatus": "FAIL", "ErrorCode": code, "ErrorInfo": message }));
            answer.refused = Some(code);
            answer
        }
    }
}

fn admit(world: &World, place: usize, received: &ApiRequest) -> Result<(), Refusal> {
    if received.method != apis::APIS[place].verb {
        return Err(refuse(60002));
    }
    let company = &world.company;
    let app = received.parameter("sdkappid").ok_or_else(|| refuse(60012))?;
    if app != company.sdk_app_id.to_string() {
        return Err(refuse(60006));
    }
    let identifier = received.parameter("identifier").unwrap_or_default();
    let usersig = received.parameter("usersig").unwrap_or_default();
    if identifier.is_empty() || usersig.is_empty() {
        return Err(refuse(60004));
    }
    let key = world.tokens.secret(Credential::TencentDesk);
    usersig::verify(usersig, &key, company.sdk_app_id, identifier, received.now.as_second()).map_err(refuse)?;
    if identifier != company.identifier {
        return Err(refuse(60010));
    }
    let random = received.parameter("random").and_then(|random| random.parse::<u32>().ok());
    if random.is_none() || received.parameter("contenttype") != Some("json") {
        return Err(refuse(60002));
    }
    world.quota.admit(place, received.now).map_err(|_| refuse(141_009))?;
    if received.json.as_ref().is_some_and(Value::is_object) { Ok(()) } else { Err(refuse(60003)) }
}

fn statistics(world: &World, received: &ApiRequest) -> Result<Value, Refusal> {
    let company = &world.company;
    let days = days(received)?;
    let number_of = |name: &str, default: u64| match received.field(name) {
        None => Ok(default),
        Some(value) => value.as_u64().ok_or_else(|| refuse(141_004)),
    };
    let (limit, offset) = (number_of("Limit", LONGEST_PAGE)?, number_of("Offset", 0)?);
    if !(1..=LONGEST_PAGE).contains(&limit) {
        return Err(refuse(141_004));
    }
    let agents: Vec<&Agent> = match received.field("AgentIds") {
        None => company.agents.iter().collect(),
        Some(Value::Array(ids)) if ids.is_empty() => company.agents.iter().collect(),
        Some(Value::Array(ids)) => each_once(ids.iter().map(|id| named(world, id)).collect::<Result<_, Refusal>>()?),
        Some(_) => return Err(refuse(141_004)),
    };
    let listed: Vec<&Agent> = agents
        .into_iter()
        .filter(|agent| !world.overlay(apis::DESK, &agent.agent_id, days.last, received.now).missing)
        .collect();
    let row = |agent: &&Agent| {
        let mut sum = Tally::default();
        for day in days.iter() {
            let overlay = world.overlay(apis::DESK, &agent.agent_id, day, received.now);
            if !overlay.zero {
                sum.add(&Tally::of(agent, day));
            }
            sum.messages = overlay.shift(sum.messages);
        }
        sum.figures(agent)
    };
    let page = listed.iter().skip(offset as usize).take(limit as usize);
    Ok(json!({ "TotalCount": listed.len(), "Data": page.map(row).collect::<Vec<Value>>() }))
}

/// The agents without those that were named before, in whatever case.
fn each_once(mut agents: Vec<&Agent>) -> Vec<&Agent> {
    let mut seen = BTreeSet::new();
    agents.retain(|agent| seen.insert(agent.agent_id.as_str()));
    agents
}

fn named<'a>(world: &'a World, id: &Value) -> Result<&'a Agent, Refusal> {
    let id = id.as_str().ok_or_else(|| refuse(141_004))?;
    world.company.agent(id).ok_or_else(|| refuse(141_010))
}

/// The days from a first midnight to a last second before midnight, all of them over.
fn days(received: &ApiRequest) -> Result<Days, Refusal> {
    let time = |name: &str| received.field(name).and_then(Value::as_i64).ok_or_else(|| refuse(141_004));
    let china = Zone::china();
    let first = Day::from_midnight(time("From")?, &china).ok_or_else(|| refuse(141_004))?;
    let end = time("To")?.checked_add(1).and_then(|end| Day::from_midnight(end, &china));
    let last = end.ok_or_else(|| refuse(141_004))?.plus(-1);
    if first > last || last >= today(received.now) { Err(refuse(141_004)) } else { Ok(Days { first, last }) }
}

fn today(now: Timestamp) -> Day {
    Day::containing(now, &Zone::china())
}
