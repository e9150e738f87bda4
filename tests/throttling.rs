//! Too many calls: how they are avoided, and what happens where a platform says so.

use std::sync::Arc;
use std::time::Duration;

use imstats_exporter::client::Failure;
use imstats_exporter::day::Clock;
use imstats_exporter::simulator::{Effect, Fault, Options};

use crate::harness::*;

const MORNING: &str = "2026-11-20T10:00:00";
const PAUSED: &str = "imstats_api_paused_until_timestamp_seconds";

#[tokio::test]
async fn a_throttled_api_of_wecom_pauses_for_a_minute_while_the_others_go_on() {
    let yaml = "
wecom: [{$wecom, contact: {users: all, $fast}, groupchat: {owners: all, $fast}}]
tencent_desk: [{$desk, agent_statistics: {$fast}}]
";
    let mut stage = Stage::new(MORNING, yaml).await;
    stage.fault(Fault::on(CONTACT, Effect::Refuse(45009)).times(1));
    let mut worker = stage.take("wecom_contact");
    let round = tokio::spawn(async move { worker.wake().await.map(|_| ()) });
    let paused = format!("{PAUSED}{{api=\"{CONTACT}\"}}");
    stage.until("the pause is shown", |stage| stage.series(&paused).is_some()).await;
    stage.wake().await;
    assert!(stage.up("wecom_groupchat_owner") && stage.up("tencent_desk_agent"));
    // Those under way with the first were answered; no more were asked.
    let asked = stage.calls(CONTACT);
    assert!(asked <= 8, "{asked}");
    assert_eq!(stage.page().all(PAUSED), [at("2026-11-20T10:01:00").as_second() as f64]);
    stage.set("2026-11-20T10:00:59");
    stage.wake().await;
    assert_eq!(stage.calls(CONTACT), asked);
    stage.set("2026-11-20T10:01:00");
    soon(round).await.unwrap().unwrap();
    assert!(stage.page().all(PAUSED).is_empty());
    assert_eq!(stage.targets("wecom_contact"), [stage.company().follow_users().count(), 0, 0, 0, 0]);
    assert_eq!(stage.error("wecom_contact"), "");
    assert_eq!(stage.page().all("imstats_api_requests_total{outcome=\"throttled\"}").iter().sum::<f64>(), 1.0);
}

#[tokio::test]
async fn an_api_that_is_throttled_again_after_its_pause_rests_for_an_hour() {
    let yaml = "wecom: [{$wecom, contact: {users: all, concurrency: 1, $fast}, groupchat: {owners: all, $fast}}]";
    let mut stage = Stage::new(MORNING, yaml).await;
    stage.every(CONTACT, Effect::Refuse(45009));
    stage.wake_slowly().await;
    assert_eq!(stage.calls(CONTACT), 2, "nobody else is asked");
    let users = stage.company().follow_users().count();
    let [ok, _, _, failed, pending] = stage.targets("wecom_contact");
    assert_eq!((ok, failed + pending), (0, users));
    assert!(stage.error("wecom_contact").contains("rate limited"), "{}", stage.error("wecom_contact"));
    assert!(!stage.up("wecom_contact"), "nothing of it could be used");
    assert!(stage.up("wecom_groupchat_owner"));
    stage.mend();
    stage.wake_at("2026-11-20T10:50:00").await;
    assert_eq!(stage.calls(CONTACT), 2);
    stage.wake_at("2026-11-20T11:02:00").await;
    assert_eq!(stage.targets("wecom_contact"), [users, 0, 0, 0, 0]);
}

#[tokio::test]
async fn feishu_says_itself_how_long_to_wait() {
    for (reset, pause) in [(Some(7), 7), (None, 60)] {
        let mut stage = Stage::new(MORNING, "feishu: [{$feishu, message_push: {$fast}}]").await;
        stage.fault(Fault::on(PUSH, Effect::TooManyRequests(reset)).times(1));
        let mut worker = stage.take("feishu_message_push");
        let round = tokio::spawn(async move { worker.wake().await.map(|_| ()) });
        stage.until("the pause is shown", |stage| !stage.page().all(PAUSED).is_empty()).await;
        let until = at(MORNING).as_second() + pause;
        assert_eq!(stage.page().all(PAUSED), [until as f64]);
        stage.clock.set(jiff::Timestamp::from_second(until).unwrap());
        soon(round).await.unwrap().unwrap();
        assert_eq!((stage.calls(PUSH), stage.targets("feishu_message_push")), (2, [1, 0, 0, 0, 0]));
    }
}

#[tokio::test]
async fn a_platform_that_always_asks_for_a_short_pause_is_asked_three_times_and_left_for_the_next_waking() {
    for (yaml, api, source) in [
        ("feishu: [{$feishu, message_push: {$fast}}]", PUSH, "feishu_message_push"),
        ("tencent_desk: [{$desk, agent_statistics: {$fast}}]", DESK, "tencent_desk_agent"),
    ] {
        let mut stage = Stage::new(MORNING, yaml).await;
        let throttle = stage.every(api, Effect::TooManyRequests(Some(7)));
        soon(stage.wake_slowly()).await;
        assert_eq!((stage.calls(api), stage.targets(source)), (3, [0, 0, 0, 1, 0]));
        assert!(!stage.up(source), "nothing of it could be used");
        stage.simulator.faults().remove(throttle);
        stage.wake_at("2026-11-20T10:10:00").await;
        assert_eq!(stage.targets(source), [1, 0, 0, 0, 0]);
    }
}

#[tokio::test]
async fn every_throttle_of_every_platform_is_one() {
    for (yaml, api, source, effect) in [
        ("tencent_desk: [{$desk, agent_statistics: {}}]", DESK, "tencent_desk_agent", Effect::Refuse(141_009)),
        ("tencent_desk: [{$desk, agent_statistics: {}}]", DESK, "tencent_desk_agent", Effect::Refuse(60007)),
        ("tencent_desk: [{$desk, agent_statistics: {}}]", DESK, "tencent_desk_agent", Effect::TooManyRequests(None)),
        ("wecom: [{$wecom, contact: {users: [WangWu]}}]", CONTACT, "wecom_contact", Effect::Refuse(45033)),
        ("wecom: [{$wecom, contact: {users: [WangWu]}}]", CONTACT, "wecom_contact", Effect::TooManyRequests(None)),
        ("wecom: [{$wecom, contact: {users: [WangWu]}}]", GETTOKEN, "wecom_contact", Effect::Refuse(45033)),
        (
            "feishu: [{$feishu, message_push: {}}]",
            TENANT_TOKEN,
            "feishu_message_push",
            Effect::TooManyRequests(Some(3)),
        ),
    ] {
        let mut stage = Stage::new(MORNING, yaml).await;
        stage.fault(Fault::on(api, effect.clone()).times(1));
        stage.wake_slowly().await;
        assert_eq!(stage.calls(api), 2, "{api} {effect:?}");
        assert_eq!((stage.targets(source), stage.error(source)), ([1, 0, 0, 0, 0], String::new()), "{api} {effect:?}");
    }
}

#[tokio::test]
async fn calls_are_spread_so_that_a_platform_need_not_say_no() {
    let options = Options { calls_per_minute: Some(120), ..Options::new(60, Clock::manual(at(MORNING))) };
    let yaml = "wecom: [{$wecom, contact: {users: all, rate_limit: 100/m}}]";
    let mut stage = Stage::with_options(options, |simulator| filled(yaml, simulator)).await;
    stage.wake_slowly().await;
    let log = stage.log(CONTACT);
    assert_eq!(log.len(), stage.company().follow_users().count());
    assert!(log.iter().all(|call| call.refused.is_none()));
    let took = log[log.len() - 1].at.duration_since(log[0].at);
    // 54 calls, 0.6 s each, the first two at once.
    assert!(took.as_secs() >= 30, "{took}");
}

/// Two accounts of one company, each with figures of members, at a call a second, and of owners.
async fn two_accounts() -> Stage {
    let account = "- {$wecom, contact: {users: [WangWu], rate_limit: 60/m}, groupchat: {owners: [WangWu], $fast}}\n";
    Stage::with(40, MORNING, |simulator| {
        let account = filled(account, simulator);
        format!("wecom:\n{account}{}", account.replace("account: acme", "account: second"))
    })
    .await
}

#[tokio::test]
async fn two_accounts_of_one_company_share_its_pace() {
    let stage = two_accounts().await;
    let sources = stage.sources();
    let [first, _, second, owners_of_second] = &sources[..] else { panic!("{sources:?}") };
    let client = &stage.context.client;
    client.ask(&first.account, &first_call(first)).await.unwrap();
    let (call, of_owners) = (first_call(second), first_call(owners_of_second));
    let mut waiting = std::pin::pin!(client.ask(&second.account, &call));
    // Calls of another API go out meanwhile.
    for _ in 0..20 {
        tokio::select! {
            biased;
            _ = &mut waiting => panic!("it did not wait for its turn"),
            reply = client.ask(&owners_of_second.account, &of_owners) => drop(reply.unwrap()),
        }
    }
    assert_eq!(stage.calls(CONTACT), 1);
    stage.clock.advance(Duration::from_secs(1));
    soon(waiting).await.unwrap();
    assert_eq!(stage.calls(CONTACT), 2);
}

#[tokio::test]
async fn two_accounts_of_one_company_share_its_pauses() {
    let stage = two_accounts().await;
    let sources = stage.sources();
    stage.fault(Fault::on(CONTACT, Effect::Refuse(45009)).times(1));
    let client = stage.context.client.with_patience(Duration::ZERO);
    for config in [&sources[0], &sources[2]] {
        let failure = client.ask(&config.account, &first_call(config)).await.unwrap_err();
        assert!(matches!(failure, Failure::Throttled(_)), "{}: {failure}", config.account.name);
    }
    assert_eq!(stage.calls(CONTACT), 1, "the second account asks nothing within the pause");
}

#[tokio::test]
async fn calls_that_wait_for_their_turn_do_not_go_out_into_a_pause() {
    let yaml = "wecom: [{$wecom, contact: {users: [WangWu], rate_limit: 60/m}, groupchat: {owners: [WangWu], $fast}}]";
    let stage = Stage::new(MORNING, yaml).await;
    let [contact, owners] = &stage.sources()[..] else { panic!() };
    let client = stage.context.client.with_patience(Duration::from_secs(10));
    // The token is there before.
    client.ask(&owners.account, &first_call(owners)).await.unwrap();
    stage.fault(Fault::on(CONTACT, Effect::Refuse(45009)).times(1));
    let mut asking = tokio::task::JoinSet::new();
    for _ in 0..6 {
        let (client, account, call) = (client.clone(), Arc::clone(&contact.account), first_call(contact));
        asking.spawn(async move { client.ask(&account, &call).await });
    }
    stage.until("the pause", |_| !client.pause_left(&contact.account, CONTACT).is_zero()).await;
    stage.clock.advance(Duration::from_secs(10));
    for answer in soon(asking.join_all()).await {
        assert!(matches!(answer, Err(Failure::Throttled(_))), "{answer:?}");
    }
    assert_eq!(stage.calls(CONTACT), 1, "more calls within a pause make it longer");
}

#[tokio::test]
async fn a_pause_that_a_gateway_asks_for_is_kept() {
    for (yaml, api) in [
        ("wecom: [{$wecom, contact: {users: [WangWu]}}]", CONTACT),
        ("tencent_desk: [{$desk, agent_statistics: {}}]", DESK),
        ("feishu: [{$feishu, message_push: {}}]", PUSH),
    ] {
        let stage = Stage::new(MORNING, yaml).await;
        let headers = vec![("retry-after".to_owned(), "7".to_owned())];
        stage.every(api, Effect::Raw { status: 429, headers, body: b"<h1>Too Many Requests</h1>".to_vec() });
        let client = stage.context.client.with_patience(Duration::ZERO);
        let config = stage.sources().remove(0);
        let failure = client.ask(&config.account, &first_call(&config)).await.unwrap_err();
        let Failure::Throttled(pause) = &failure else { panic!("{api}: {failure}") };
        assert_eq!(pause.left, Duration::from_secs(7), "{api}");
    }
}
