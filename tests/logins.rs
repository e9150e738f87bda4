//! Logins that bring no token, in every form in which platforms and what lies before them say so.

use std::collections::BTreeSet;

use imstats_exporter::client::Failure;
use imstats_exporter::simulator::Effect;

use crate::harness::*;

const MORNING: &str = "2026-11-20T10:00:00";

/// What a company asks that is large enough to be banned for its logins: 350 members, or 60 apps in 3 cycles.
fn many() -> [(String, &'static str, &'static str, &'static [i64]); 2] {
    let users: Vec<_> = (0..350).map(|n| format!("u{n:03}")).collect();
    let apps: Vec<_> = (0..60).map(|n| format!("cli_{n:03}")).collect();
    [
        (
            format!("wecom: [{{$wecom, contact: {{users: [{}], $fast}}}}]", users.join(", ")),
            GETTOKEN,
            "wecom_contact",
            &[40001, 40003, 40013, 40058, 40091, 41002, 41004, 45009, 48002, 60011, 60020, 84061, 301_002, 7, -99],
        ),
        (
            format!(
                "feishu: [{{$feishu, message_push: {{apps: [{}], cycles: [day, week, month], $fast}}}}]",
                apps.join(", ")
            ),
            TENANT_TOKEN,
            "feishu_message_push",
            &[
                10003, 10005, 10012, 10013, 10014, 10015, 20009, 40004, 99_991_401, 99_991_403, 99_991_543, 99_991_662,
                99_991_663, 99_991_673, 99_992_357, 211_011, 7,
            ],
        ),
    ]
}

/// What else comes in the place of a token: pages, JSON of others, and successes that are none.
fn no_tokens() -> Vec<(Effect, &'static str)> {
    let page = |status, body: &str| Effect::Raw {
        status,
        headers: vec![("content-type".to_owned(), "text/html".to_owned())],
        body: body.as_bytes().to_vec(),
    };
    let redirect = Effect::Raw {
        status: 302,
        headers: vec![("location".to_owned(), "http://127.0.0.1:1/portal".to_owned())],
        body: Vec::new(),
    };
    vec![
        (page(200, "<html><body>Sign in to the guest network</body></html>"), "HTML"),
        (page(403, "<html>blocked</html>"), "HTTP 403"),
        (page(404, "not found"), "HTTP 404"),
        (redirect, "unexpected redirect"),
        (raw(r#"{"status": "denied", "by": "proxy"}"#), "is base_url"),
        (raw("[]"), "is base_url"),
        (raw("{}"), "is base_url"),
        (Effect::Empty, "the answer is empty"),
        (Effect::Truncate, "not JSON"),
        (
            raw(r#"{"errcode": 0, "code": 0, "access_token": "tttttttt", "tenant_access_token": "tttttttt"}"#),
            "not a positive number",
        ),
        (
            raw(
                r#"{"errcode": 0, "code": 0, "access_token": "", "tenant_access_token": "", "expires_in": 7200, "expire": 7200}"#,
            ),
            "token is not a text",
        ),
        (
            raw(
                r#"{"errcode": 0, "code": 0, "access_token": "t", "tenant_access_token": "t", "expires_in": 0, "expire": 0}"#,
            ),
            "not a positive number",
        ),
    ]
}

/// Lets an hour pass in which the login answers with `effect`; gives what the operator reads then.
async fn an_hour_of(yaml: &str, login: &str, source: &str, effect: &Effect) -> String {
    let mut stage = Stage::new(MORNING, yaml).await;
    stage.every(login, effect.clone());
    stage.run_until("2026-11-20T10:59:00").await;
    let tries: BTreeSet<_> = stage.log(login).iter().map(|call| call.at).collect();
    // At 10:00, 10:10 and 10:30; one that the platform bans is left alone for an hour.
    assert!((1..=3).contains(&stage.calls(login)), "{effect:?}: {} logins", stage.calls(login));
    assert_eq!(tries.len() as u64, stage.calls(login), "{effect:?}: one at a time");
    assert_eq!(stage.all_calls(), stage.calls(login), "{effect:?}: nothing else is asked");
    assert!(!stage.up(source), "{effect:?}");
    assert_eq!(stage.targets(source)[0], 0);
    let error = stage.error(source);
    assert!(error.contains("the login failed: "), "{effect:?}: {error}");
    error
}

#[tokio::test]
async fn a_login_that_is_refused_with_any_code_is_made_a_handful_of_times_an_hour() {
    for (yaml, login, source, codes) in many() {
        for code in codes {
            let error = an_hour_of(&yaml, login, source, &Effect::Refuse(*code)).await;
            assert!(error.contains(&format!("code {code}")), "{error}");
        }
    }
}

#[tokio::test]
async fn a_login_that_brings_anything_but_a_token_is_made_a_handful_of_times_an_hour() {
    for (yaml, login, source, _) in many() {
        for (effect, words) in no_tokens() {
            let error = an_hour_of(&yaml, login, source, &effect).await;
            assert!(error.contains(words), "{effect:?}: {error}");
            assert!(!error.contains("tttttttt"), "no token is told: {error}");
        }
    }
}

#[tokio::test]
async fn an_address_that_is_banned_for_its_logins_is_left_alone_for_an_hour() {
    let mut stage = Stage::new(MORNING, "wecom: [{$wecom, contact: {users: [WangWu]}}]").await;
    stage.every(GETTOKEN, Effect::Refuse(45009));
    stage.run_until("2026-11-20T12:30:00").await;
    let tries: Vec<_> = stage.log(GETTOKEN).iter().map(|call| call.at).collect();
    assert_eq!(tries, ["10:00", "11:00", "12:00"].map(|time| at(&format!("2026-11-20T{time}:00"))));
    let error = stage.error("wecom_contact");
    assert!(error.contains("bans this address") && error.contains("checkCorpSpamBlock"), "{error}");
    stage.mend();
    stage.wake_at("2026-11-20T13:00:00").await;
    assert!(stage.up("wecom_contact"), "{}", stage.error("wecom_contact"));
}

#[tokio::test]
async fn a_life_of_a_token_that_comes_as_a_text_is_read() {
    for (yaml, login, api, source, row) in [
        (
            "wecom: [{$wecom, contact: {users: [WangWu], lookback_days: 1}}]",
            GETTOKEN,
            CONTACT,
            "wecom_contact",
            format!(
                r#"{{"errcode": 0, "behavior_data": [{{"stat_time": {}, "chat_cnt": 5}}]}}"#,
                midnight("2026-11-19")
            ),
        ),
        (
            "feishu: [{$feishu, message_push: {}}]",
            TENANT_TOKEN,
            PUSH,
            "feishu_message_push",
            r#"{"code": 0, "data": {"items": [{"metric_name": "send_msg_count", "metric_value": 5}]}}"#.to_owned(),
        ),
    ] {
        let mut stage = Stage::new(MORNING, yaml).await;
        let token = r#"{"errcode": "0", "code": "0", "access_token": "t", "tenant_access_token": "t",
            "expires_in": "7200", "expire": "7200"}"#;
        stage.every(login, raw(token));
        stage.every(api, raw(row));
        stage.wake().await;
        assert_eq!((stage.calls(login), stage.error(source)), (1, String::new()));
        let expiry = stage.series(&format!("imstats_source_token_expiry_timestamp_seconds{{source=\"{source}\"}}"));
        assert_eq!(expiry, Some(at("2026-11-20T12:00:00").as_second() as f64));
        assert_eq!(stage.targets(source), [1, 0, 0, 0, 0]);
    }
}

#[tokio::test]
async fn a_token_that_still_holds_is_used_on_while_the_login_is_down() {
    let mut stage = Stage::new("2026-11-20T09:01:00", "wecom: [{$wecom, contact: {users: [WangWu]}}]").await;
    stage.wake().await;
    stage.every(GETTOKEN, Effect::Html(502));
    // It is renewed ten minutes before its end; the refresh of an hour later comes then.
    stage.set("2026-11-20T10:55:00");
    stage.wake_slowly().await;
    assert_eq!(stage.error("wecom_contact"), "");
    assert_eq!(stage.targets("wecom_contact"), [1, 0, 0, 0, 0]);
    assert!(stage.up("wecom_contact") && stage.calls(CONTACT) == 2);
}

#[tokio::test]
async fn a_token_is_renewed_ten_minutes_before_its_end_and_not_before() {
    let stage = Stage::new("2026-11-20T09:00:00", "wecom: [{$wecom, contact: {users: [WangWu]}}]").await;
    let config = stage.sources().remove(0);
    for (time, logins) in [("09:00:00", 1), ("10:49:59", 1), ("10:50:00", 2)] {
        stage.set(&format!("2026-11-20T{time}"));
        stage.context.client.ask(&config.account, &first_call(&config)).await.unwrap();
        assert_eq!(stage.calls(GETTOKEN), logins, "at {time}");
    }
    assert!(stage.log(CONTACT).iter().all(|call| call.refused.is_none()));
}

#[tokio::test]
async fn the_token_of_a_former_secret_is_not_used_while_the_login_is_down() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secret");
    let stage = Stage::with(8, "2026-11-20T09:00:00", |simulator| {
        let secret = &configured_secrets(simulator)["wecom"];
        std::fs::write(&file, secret).unwrap();
        let yaml = filled("wecom: [{$wecom, contact: {users: [WangWu]}}]", simulator);
        yaml.replace(&format!("\"{secret}\""), &format!("{{file: \"{}\"}}", file.display()))
    })
    .await;
    let (client, config) = (&stage.context.client, stage.sources().remove(0));
    client.ask(&config.account, &first_call(&config)).await.unwrap();
    stage.every(GETTOKEN, Effect::Html(502));
    std::fs::write(&file, "another secret").unwrap();
    client.reload().await;
    stage.set("2026-11-20T10:55:00");
    let failure = client.ask(&config.account, &first_call(&config)).await.unwrap_err();
    assert!(matches!(failure, Failure::Unavailable(_)), "{failure}");
    assert_eq!(stage.calls(CONTACT), 1, "the old token would have held for another five minutes");
}
