//! What a platform changes on its side: figures that come late or are corrected, secrets that are replaced.

use std::time::Duration;

use imstats_exporter::simulator::Effect;

use crate::harness::*;
use crate::ill::*;

/// The sum of the figures that the simulator can restate.
fn leading(stage: &Stage, platform: &Platform) -> f64 {
    let metric = match platform.name {
        "wecom" => "wecom_contact_user_messages_sent",
        "tencent_desk" => "tencent_desk_agent_messages",
        _ => "feishu_message_push{metric_name=\"send_msg_count\"}",
    };
    stage.page().all(metric).iter().sum()
}

/// [`WELL`] with a refresh an hour apart.
fn refreshed() -> String {
    WELL.replace("$fast", "$fast, refresh_interval: 1h")
}

#[tokio::test]
async fn zeros_before_the_figures_are_ready_are_corrected_within_an_hour() {
    let well = well().await;
    for platform in PLATFORMS {
        let mut stage = Stage::new(MORNING, &refreshed()).await;
        let zeros = stage.every(platform.api, Effect::ZerosBefore(23));
        stage.wake_slowly().await;
        let stat = format!("imstats_source_stat_timestamp_seconds{{source=\"{}\"}}", platform.source);
        assert!(stage.series(&stat).is_some(), "{}: the platform said 0, and 0 is shown", platform.name);
        assert_eq!(leading(&stage, &platform), 0.0, "{}", platform.name);
        stage.simulator.faults().remove(zeros);
        stage.clock.advance(Duration::from_mins(59));
        stage.wake_slowly().await;
        stage.set("2026-11-20T11:02:00");
        stage.wake_slowly().await;
        assert_eq!(stage.page().figures(), *well, "{}", platform.name);
    }
}

#[tokio::test]
async fn a_day_that_the_platform_restates_is_shown_anew_with_the_refresh() {
    for platform in PLATFORMS {
        let mut stage = Stage::new(MORNING, &refreshed()).await;
        stage.wake_slowly().await;
        let before = leading(&stage, &platform);
        let shown: imstats_exporter::day::Day = stage.shown(platform.source).unwrap().parse().unwrap();
        for (delta, time) in [(5, "2026-11-20T11:02:00"), (-1_000_000, "2026-11-20T12:05:00")] {
            stage.every(platform.api, Effect::Restate { day: shown, since: at(MORNING), delta });
            stage.set(time);
            stage.wake_slowly().await;
            let expected = if delta > 0 { before + delta as f64 } else { 0.0 };
            let now = leading(&stage, &platform);
            // Each agent has the delta.
            assert!(if delta > 0 { now >= expected } else { now == expected }, "{} {delta}: {now}", platform.name);
        }
        stage.mend();
        stage.set("2026-11-20T13:10:00");
        stage.wake_slowly().await;
        assert_eq!(leading(&stage, &platform), before, "{}", platform.name);
    }
}

#[tokio::test]
async fn a_secret_that_is_replaced_in_its_file_is_taken_up_by_itself() {
    let folder = tempfile::tempdir().unwrap();
    let secrets = ["wecom", "desk", "feishu"];
    let file = |secret: &str| folder.path().join(secret);
    for (platform, (secret, credential)) in
        PLATFORMS.iter().zip(secrets.into_iter().zip([CREDENTIALS[0], CREDENTIALS[2], CREDENTIALS[3]]))
    {
        let mut stage = Stage::with(40, MORNING, |simulator| {
            let mut yaml = filled(&refreshed(), simulator);
            for (name, text) in configured_secrets(simulator).into_iter().filter(|(name, _)| secrets.contains(name)) {
                std::fs::write(file(name), &text).unwrap();
                yaml = yaml.replace(&format!("\"{text}\""), &format!("{{file: \"{}\"}}", file(name).display()));
            }
            yaml
        })
        .await;
        stage.wake_slowly().await;
        let before = stage.page().figures();
        let new = stage.simulator.rotate_secret(credential);
        // The old one is refused; the figures stand.
        stage.set("2026-11-20T11:02:00");
        stage.wake_slowly().await;
        assert!(!stage.up(platform.source), "{}", platform.name);
        assert_eq!(stage.page().figures(), before, "{}", platform.name);
        // It is tried at the next waking, whatever the pause.
        std::fs::write(file(secret), &new).unwrap();
        stage.set("2026-11-20T11:05:00");
        stage.wake_slowly().await;
        assert!(stage.up(platform.source), "{}: {}", platform.name, stage.error(platform.source));
        assert_eq!(stage.page().figures(), before, "{}", platform.name);
    }
}

#[tokio::test]
async fn figures_that_come_late_are_absent_until_then_and_never_zero() {
    let well = well().await;
    for platform in PLATFORMS {
        let mut stage = Stage::new(MORNING, WELL).await;
        let late = stage.every(platform.api, raw(platform.answer_of(&[])));
        stage.wake_slowly().await;
        only_the_others(&stage, &platform, well, "late");
        assert_eq!(stage.targets(platform.source), [0, 1, 0, 0, 0], "{}", platform.name);
        stage.simulator.faults().remove(late);
        stage.set("2026-11-20T10:40:00");
        stage.wake_slowly().await;
        assert_eq!(stage.page().figures(), *well, "{}: asked again within half an hour", platform.name);
    }
}
