//! Tokens and signatures that end too early, secrets that are wrong, permissions that are missing.

use imstats_exporter::day::Clock;
use imstats_exporter::simulator::{Effect, Fault};

use crate::harness::*;

const MORNING: &str = "2026-11-20T10:00:00";
const ALL: &str = "
wecom: [{$wecom, contact: {users: all, $fast}, groupchat: {owners: all, $fast}}]
feishu: [{$feishu, message_push: {departments: top, $fast}}]
tencent_desk: [{$desk, agent_statistics: {$fast}}]
";
const CONTACT_ONLY: &str = "wecom: [{$wecom, contact: {users: all, $fast}}]";

/// The figures of an exporter to which nothing happens.
async fn undisturbed(yaml: &str) -> Page {
    let mut stage = Stage::new(MORNING, yaml).await;
    stage.wake().await;
    stage.page()
}

#[tokio::test]
async fn one_token_serves_all_requests_of_a_secret_however_many_wait_for_it() {
    let yaml = "wecom: [{$wecom, contact: {users: all, concurrency: 32, $fast}, groupchat: {owners: all, $fast}}]";
    let mut stage = Stage::new(MORNING, yaml).await;
    stage.wake().await;
    assert_eq!(stage.calls(GETTOKEN), 1);
    assert_eq!(stage.calls(CONTACT), stage.company().follow_users().count() as u64);
    let expiry = stage.series("imstats_source_token_expiry_timestamp_seconds{source=\"wecom_contact\"}");
    assert_eq!(expiry, Some(at("2026-11-20T12:00:00").as_second() as f64));
}

#[tokio::test]
async fn a_token_that_is_voided_in_mid_round_is_replaced_once_and_no_figure_is_lost() {
    let mut stage = Stage::new(MORNING, CONTACT_ONLY).await;
    let user = stage.company().follow_users().nth(20).unwrap().userid.clone();
    let hang = stage.fault(Fault::on(CONTACT, Effect::Hang).subject(&user).times(1));
    let mut worker = stage.take("wecom_contact");
    let round = tokio::spawn(async move { worker.wake().await });
    // Eight at a time: seven go on while one hangs.
    let all = stage.company().follow_users().count() as u64;
    stage.until("all but one are answered", |stage| stage.calls(CONTACT) == all).await;
    round.abort();
    assert!(round.await.unwrap_err().is_cancelled());
    stage.simulator.faults().remove(hang);
    stage.simulator.revoke_tokens();
    stage.simulator.reset_calls();
    // The same exporter goes on, its token now void: eight ask at once with it.
    let config = stage.sources().remove(0);
    let mut worker = imstats_exporter::poller::Worker::new(stage.context.clone(), config, stage.clock.now());
    worker.restore().await.unwrap();
    soon(worker.wake()).await.unwrap();
    assert_eq!(stage.calls(GETTOKEN), 1);
    assert_eq!(stage.page().figures(), undisturbed(CONTACT_ONLY).await.figures());
}

#[tokio::test]
async fn a_refused_token_is_fetched_anew_and_the_request_tried_again_at_every_platform() {
    let expected = undisturbed(ALL).await.figures();
    // Each code once, in the middle of a round.
    for (api, code, logins) in [
        (CONTACT, 42001, GETTOKEN),
        (CONTACT, 40014, GETTOKEN),
        (CONTACT, 40001, GETTOKEN),
        (OWNERS, 42001, GETTOKEN),
        (FOLLOW, 42001, GETTOKEN),
        (PUSH, 99_991_663, TENANT_TOKEN),
        (PUSH, 99_991_661, TENANT_TOKEN),
        (CHILDREN, 99_991_663, TENANT_TOKEN),
        (DESK, 70001, DESK),
    ] {
        let mut stage = Stage::new(MORNING, ALL).await;
        stage.fault(Fault::on(api, Effect::Refuse(code)).times(1));
        stage.wake_slowly().await;
        assert_eq!(stage.page().figures(), expected, "{api} {code}");
        // Tencent's signature is made here; so only the question is repeated.
        assert_eq!(stage.calls(logins), 2, "{api} {code}");
        for polled in &stage.workers {
            assert_eq!(stage.error(polled.source), "", "{api} {code}");
        }
    }
}

#[tokio::test]
async fn revoked_tokens_are_noticed_by_both_platforms_that_issue_them() {
    let mut stage = Stage::new(MORNING, ALL).await;
    stage.wake().await;
    let before = stage.page().figures();
    stage.simulator.revoke_tokens();
    stage.wake_at("2026-11-20T11:30:00").await;
    assert_eq!((stage.calls(GETTOKEN), stage.calls(TENANT_TOKEN)), (2, 2));
    assert_eq!(stage.page().figures(), before);
    assert!(stage.workers.iter().all(|polled| stage.up(polled.source)));
}

#[tokio::test]
async fn a_token_is_renewed_before_its_end_and_not_before() {
    let mut stage = Stage::new("2026-11-20T06:00:00", CONTACT_ONLY).await;
    stage.wake().await;
    // The refresh of one hour later finds it good; that of six hours later does not.
    stage.wake_at("2026-11-20T07:00:00").await;
    assert_eq!(stage.calls(GETTOKEN), 1);
    stage.wake_at("2026-11-20T13:00:00").await;
    assert_eq!(stage.calls(GETTOKEN), 2);
    assert!(stage.log(CONTACT).iter().all(|call| call.refused.is_none()), "no call with an expired token");
}

#[tokio::test]
async fn a_token_refused_for_ever_denies_the_account_after_two_tries() {
    for (yaml, source, api, code) in [
        ("wecom: [{$wecom, contact: {users: [Zhang.San, WangWu], concurrency: 1}}]", "wecom_contact", CONTACT, 40014),
        (
            "feishu: [{$feishu, message_push: {cycles: [day, week], concurrency: 1}}]",
            "feishu_message_push",
            PUSH,
            99_991_663,
        ),
        ("tencent_desk: [{$desk, agent_statistics: {}}]", "tencent_desk_agent", DESK, 70001),
    ] {
        let mut stage = Stage::new(MORNING, yaml).await;
        stage.every(api, Effect::Refuse(code));
        stage.wake_slowly().await;
        assert_eq!(stage.calls(api), 2, "{source}");
        assert!(!stage.up(source));
        assert!(stage.error(source).contains(&code.to_string()), "{}", stage.error(source));
        assert!(stage.error(source).contains("a token that was made just now"), "{}", stage.error(source));
        stage.wake_at("2026-11-20T10:09:55").await;
        assert_eq!(stage.calls(api), 2, "{source}: nothing for ten minutes");
        stage.mend();
        stage.set("2026-11-20T10:11:00");
        stage.wake_slowly().await;
        assert!(stage.up(source), "{source}: {}", stage.error(source));
    }
}

#[tokio::test]
async fn a_wrong_secret_is_told_in_words_and_tried_after_10_then_20_then_40_then_60_minutes() {
    for (yaml, source, api, words) in [
        (CONTACT_ONLY, "wecom_contact", GETTOKEN, "我的企业 > 企业信息 > 企业ID (My company"),
        (
            "feishu: [{$feishu, message_push: {}}]",
            "feishu_message_push",
            TENANT_TOKEN,
            "开发者后台 > the app > 凭证与基础信息 (Developer Console",
        ),
        ("tencent_desk: [{$desk, agent_statistics: {}}]", "tencent_desk_agent", DESK, "secret_key"),
    ] {
        let mut stage = Stage::new(MORNING, yaml).await;
        for credential in CREDENTIALS {
            stage.simulator.rotate_secret(credential);
        }
        stage.run_until("2026-11-20T14:00:00").await;
        let tries: Vec<_> = stage.log(api).iter().map(|call| call.at).collect();
        let expected =
            ["10:00", "10:10", "10:30", "11:10", "12:10", "13:10"].map(|time| at(&format!("2026-11-20T{time}:00")));
        assert_eq!(tries, expected, "{source}");
        assert_eq!(stage.all_calls(), 6, "{source}: nothing else is asked");
        assert!(!stage.up(source));
        assert!(stage.error(source).contains(words), "{}", stage.error(source));
        assert_eq!(stage.targets(source)[0], 0);
        let counted = stage.page().all("imstats_api_requests_total{outcome=\"denied\"}");
        assert_eq!(counted.iter().sum::<f64>(), 6.0, "{source}");
    }
}

#[tokio::test]
async fn a_changed_secret_file_is_tried_at_once() {
    let folder = tempfile::TempDir::new().unwrap();
    let file = folder.path().join("secret");
    std::fs::write(&file, "mistyped").unwrap();
    let yaml = |simulator: &_| {
        let inline = &configured_secrets(simulator)["wecom"];
        let from_file = format!("{{file: \"{}\"}}", file.display());
        filled(CONTACT_ONLY, simulator).replace(&format!("\"{inline}\""), &from_file)
    };
    let mut stage = Stage::with(40, MORNING, yaml).await;
    stage.wake().await;
    stage.wake_at("2026-11-20T10:05:00").await;
    assert_eq!((stage.up("wecom_contact"), stage.calls(GETTOKEN)), (false, 1));
    std::fs::write(&file, &stage.company().secret).unwrap();
    stage.wake().await;
    assert!(stage.up("wecom_contact"), "{}", stage.error("wecom_contact"));
    assert_eq!(stage.calls(GETTOKEN), 2);
    // And a secret that is replaced at the platform while the exporter runs.
    let new = stage.simulator.rotate_secret(imstats_exporter::simulator::Credential::Wecom);
    std::fs::write(&file, format!("{new}\n")).unwrap();
    stage.wake_at("2026-11-20T11:30:00").await;
    assert!(stage.up("wecom_contact"), "{}", stage.error("wecom_contact"));
    assert!(stage.shown("wecom_contact").is_some());
}

#[tokio::test]
async fn a_reload_tries_at_once_what_was_mended_at_the_platform() {
    let mut stage = Stage::new(MORNING, CONTACT_ONLY).await;
    stage.every(FOLLOW, Effect::Refuse(60020));
    stage.wake().await;
    stage.mend();
    stage.wake_at("2026-11-20T10:02:00").await;
    assert!(!stage.up("wecom_contact"), "it would be tried after ten minutes");
    stage.context.client.reload().await;
    stage.wake().await;
    assert!(stage.up("wecom_contact"), "{}", stage.error("wecom_contact"));
}

#[tokio::test]
async fn a_refusal_of_the_account_stops_all_sources_of_its_secret_and_no_others() {
    let yaml = "
wecom: [{$wecom, contact: {users: all, $fast}, groupchat: {owners: all, $fast}, kf: {$kf_secret, $fast}}]
tencent_desk: [{$desk, agent_statistics: {$fast}}]
";
    let mut stage = Stage::new(MORNING, yaml).await;
    stage.fault(Fault::on(FOLLOW, Effect::Refuse(60020)).times(1));
    stage.wake().await;
    assert_eq!((stage.calls(FOLLOW), stage.calls(CONTACT), stage.calls(OWNERS)), (1, 0, 0));
    for source in ["wecom_contact", "wecom_groupchat_owner"] {
        assert!(!stage.up(source), "{source}");
        let error = stage.error(source);
        assert!(error.contains("trusted IPs") && error.contains("127.0.0.1"), "{source}: {error}");
    }
    assert!(stage.up("wecom_kf") && stage.up("tencent_desk_agent"), "they have secrets of their own");
    stage.wake_at("2026-11-20T10:10:00").await;
    assert!(stage.up("wecom_contact") && stage.up("wecom_groupchat_owner"));
}

#[tokio::test]
async fn sources_that_were_fine_are_down_when_their_account_is_refused_through_another() {
    let yaml = "wecom: [{$wecom, contact: {users: all, $fast}, groupchat: {owners: all, $fast}}]";
    let mut stage = Stage::new(MORNING, yaml).await;
    stage.wake().await;
    stage.every("wecom", Effect::Refuse(60020));
    // The refresh is due for both; the second is not even asked.
    stage.wake_at("2026-11-20T11:00:00").await;
    assert_eq!(stage.calls(OWNERS), 1);
    for source in ["wecom_contact", "wecom_groupchat_owner"] {
        assert!(!stage.up(source), "{source}");
        assert!(stage.error(source).contains("trusted IPs"), "{source}: {}", stage.error(source));
    }
    assert_eq!(stage.shown("wecom_groupchat_owner").as_deref(), Some("2026-11-19"), "its page stands");
    stage.mend();
    stage.wake_at("2026-11-20T11:10:00").await;
    assert!(stage.up("wecom_contact") && stage.up("wecom_groupchat_owner"));
}

#[tokio::test]
async fn a_missing_permission_stops_that_api_only() {
    let yaml =
        "wecom: [{$wecom, contact: {users: all, $fast}, groupchat: {owners: all, teams: {a: {owners: all}}, $fast}}]";
    let mut stage = Stage::new(MORNING, yaml).await;
    stage.every(CONTACT, Effect::Refuse(48002));
    stage.wake().await;
    assert!(!stage.up("wecom_contact"));
    assert!(stage.error("wecom_contact").contains("callable apps"), "{}", stage.error("wecom_contact"));
    assert!(stage.up("wecom_groupchat_owner") && stage.up("wecom_groupchat_team"));
    // Those that were under way together with the first.
    let refused = stage.calls(CONTACT);
    assert!(refused <= 8, "{refused}");
    stage.wake_at("2026-11-20T10:09:00").await;
    assert_eq!(stage.calls(CONTACT), refused);
}

#[tokio::test]
async fn the_kf_secret_may_not_be_used_for_customer_contact() {
    // The wrong one of two secrets is a mistake that people make.
    let yaml = "wecom: [{$wecom, contact: {users: [Zhang.San], $kf_secret}, kf: {servicers: none, $kf_secret}}]";
    let mut stage = Stage::new(MORNING, yaml).await;
    stage.wake().await;
    assert!(!stage.up("wecom_contact") && stage.error("wecom_contact").contains("48002"));
    assert!(stage.up("wecom_kf"), "{}", stage.error("wecom_kf"));
}

#[tokio::test]
async fn each_platform_says_in_words_what_to_mend() {
    for (api, code, source, words) in [
        (PUSH, 99_991_672, "feishu_message_push", "application:application.app_message_stats.overview:readonly"),
        (PUSH, 211_004, "feishu_message_push", "edition"),
        (PUSH, 99_991_401, "feishu_message_push", "IP allowlist"),
        (CHILDREN, 40004, "feishu_message_push", "contacts range"),
        (DESK, 70009, "tencent_desk_agent", "secret_key"),
        (DESK, 60010, "tencent_desk_agent", "administrator"),
        (DESK, 60021, "tencent_desk_agent", "IP allowlist"),
        (DESK, 141_000, "tencent_desk_agent", "activate Desk"),
        (CONTACT, 60020, "wecom_contact", "trusted IPs"),
        (GETTOKEN, 40013, "wecom_contact", "corp_id"),
        (CONTACT, 50003, "wecom_contact", "disabled"),
    ] {
        let mut stage = Stage::new(MORNING, ALL).await;
        stage.every(api, Effect::Refuse(code));
        stage.wake_slowly().await;
        let error = stage.error(source);
        assert!(!stage.up(source), "{api} {code}");
        assert!(error.contains(words) && error.contains(&code.to_string()), "{api} {code}: {error}");
        let first = stage.calls(api);
        stage.wake_at("2026-11-20T10:09:00").await;
        assert_eq!(stage.calls(api), first, "{api} {code} is not hammered");
    }
}

#[tokio::test]
async fn a_clock_that_is_wrong_is_named_where_tencent_refuses_its_signatures() {
    let mut stage = Stage::new(MORNING, "tencent_desk: [{$desk, agent_statistics: {}}]").await;
    // The platform's clock is ten minutes behind ours.
    let ours = Clock::manual(at("2026-11-20T10:10:00"));
    stage.move_to(&ours).await;
    stage.wake().await;
    assert_eq!(stage.calls(DESK), 2, "a new signature is tried once");
    assert!(!stage.up("tencent_desk_agent"));
    assert!(stage.error("tencent_desk_agent").contains("clock"), "{}", stage.error("tencent_desk_agent"));
    ours.set(at("2026-11-20T10:20:00"));
    stage.clock.set(at("2026-11-20T10:20:00"));
    stage.wake().await;
    assert!(stage.up("tencent_desk_agent"), "{}", stage.error("tencent_desk_agent"));
}

#[tokio::test]
async fn one_platform_down_does_not_touch_the_others() {
    let expected = undisturbed(ALL).await.figures();
    for (platform, prefix) in [("wecom", "wecom"), ("feishu", "feishu"), ("tencent_desk", "tencent_desk")] {
        let mut stage = Stage::new(MORNING, ALL).await;
        stage.every(platform, Effect::Html(502));
        stage.wake_slowly().await;
        let rest = expected.iter().filter(|(series, _)| !series.starts_with(prefix));
        assert_eq!(
            stage.page().figures(),
            rest.map(|(series, value)| (series.clone(), *value)).collect(),
            "{platform}"
        );
        for polled in &stage.workers {
            assert_eq!(stage.up(polled.source), !polled.source.starts_with(prefix), "{}", polled.source);
        }
        stage.mend();
        stage.set("2026-11-20T10:10:00");
        stage.wake_slowly().await;
        assert_eq!(stage.page().figures(), expected, "{platform}");
    }
}
