//! What befalls commands on history: a platform, a disk, a receiver or a reader that fails.

use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};
use std::time::Duration;

use imstats_exporter::client::Proxies;
use imstats_exporter::day::{Clock, Days};
use imstats_exporter::history::{Authorization, Bounds, Receiver, ReceiverError, RemoteWriteError, SendProgress};
use imstats_exporter::history::{Summary, export_remote_write};
use imstats_exporter::simulator::{Effect, Fault};
use jiff::Timestamp;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::{CONTACT, DESK, OWNERS, PUSH, Past, day, days, run};
use crate::disk::Disk;
use crate::harness::{filled, soon};

const ALL_OF_WECOM: &str = "wecom: [{$wecom, contact: {users: all, $fast}, groupchat: {owners: all, $fast}}]";

fn missing(summary: &Summary) -> usize {
    summary.troubles.iter().map(|trouble| trouble.ranges).sum()
}

/// The newest day that all platforms have, when it is in the store.
async fn fetched_yesterday(past: &Past) -> String {
    let yesterday = Bounds::of(&past.sources()[3], Timestamp::now()).newest.to_string();
    let (code, _, error) = run(past, &["backfill", "--from", &yesterday, "--to", &yesterday]).await;
    assert_eq!(code, Some(0), "{error}");
    yesterday
}

#[tokio::test]
async fn a_platform_that_wants_a_pause_gets_it_and_nothing_is_missing() {
    let past = Past::with(4, Clock::system()).await;
    let newest = Bounds::of(&past.sources()[5], Timestamp::now()).newest;
    let span = Days { first: newest.plus(-20), last: newest };
    past.simulator.faults().add(Fault::on(PUSH, Effect::TooManyRequests(Some(1))).times(3));
    let summary = past.fetch("feishu_message_push", span).await;
    assert_eq!((missing(&summary), summary.edges.len()), (0, 0), "{summary:?}");
    assert_eq!(past.plan("feishu_message_push", span).await.calls().most(), 0);
}

/// A gateway that wants no calls for so many seconds.
fn pause_of(seconds: u32) -> Effect {
    let headers = vec![("retry-after".to_owned(), seconds.to_string())];
    Effect::Raw { status: 429, headers, body: Vec::new() }
}

#[tokio::test]
async fn a_pause_of_an_hour_is_waited_for() {
    let past = Past::new(4).await;
    // One question: nothing is stored meanwhile.
    let span = days("2026-11-19", "2026-11-19");
    let config = past.sources().into_iter().find(|config| config.source.api().name == "tencent_desk_agent").unwrap();
    past.simulator.faults().add(Fault::on(DESK, pause_of(3600)).times(1));
    let mut fetching = std::pin::pin!(past.fetch("tencent_desk_agent", span));
    let paused = async {
        while past.context.client.pause_left(&config.account, DESK).is_zero() {
            tokio::task::yield_now().await;
        }
        // Time enough to ask again and again, and to give up.
        for _ in 0..1000 {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        biased;
        summary = &mut fetching => panic!("it ended within the pause: {summary:?}"),
        () = paused => {}
    }
    past.clock.advance(Duration::from_hours(1));
    let summary = soon(fetching).await;
    assert_eq!(missing(&summary), 0, "{summary:?}");
    assert_eq!(past.calls(DESK), 2);
}

#[tokio::test]
async fn a_platform_that_wants_a_pause_for_ever_is_told_and_ends_the_backfill() {
    let past = Past::new(4).await;
    past.simulator.faults().add(Fault::on(DESK, pause_of(7)));
    let running = async {
        loop {
            past.clock.advance(Duration::from_secs(1));
            tokio::task::yield_now().await;
        }
    };
    let summary = tokio::select! {
        summary = soon(past.fetch("tencent_desk_agent", days("2026-11-19", "2026-11-19"))) => summary,
        () = running => unreachable!(),
    };
    assert_eq!(missing(&summary), 1, "{summary:?}");
    assert!(summary.troubles[0].failure.contains("the API is paused"), "{summary:?}");
    assert_eq!(past.calls(DESK), 5 * 3, "asked five times, with two repetitions each");
}

#[tokio::test]
async fn a_team_that_is_defined_anew_lacks_all_its_days() {
    let mut past = Past::new(20).await;
    let span = days("2026-11-01", "2026-11-19");
    past.yaml = filled("wecom: [{$wecom, groupchat: {owners: none, teams: {t: {owners: [WangWu]}}}}]", &past.simulator);
    let lacking = past.plan("wecom_groupchat_team", span).await.calls().most();
    assert!(lacking > 0);
    past.fetch("wecom_groupchat_team", span).await;
    assert_eq!(past.plan("wecom_groupchat_team", span).await.calls().most(), 0);
    past.yaml = past.yaml.replace("t: {owners: [WangWu]}", "t: {owners: [Zhang.San]}");
    assert_eq!(past.plan("wecom_groupchat_team", span).await.calls().most(), lacking);
}

#[tokio::test]
async fn neighbours_that_the_platform_cannot_answer_do_not_end_a_backfill() {
    let mut past = Past::new(400).await;
    past.yaml = filled(ALL_OF_WECOM, &past.simulator);
    let span = days("2026-11-01", "2026-11-19");
    let users: Vec<_> = past.simulator.company().follow_users().map(|user| user.userid.clone()).collect();
    for userid in &users[10..34] {
        past.simulator.faults().add(Fault::on(CONTACT, Effect::Html(503)).subject(userid));
    }
    let summary = past.fetch("wecom_contact", span).await;
    let told = summary.troubles.iter().any(|trouble| trouble.failure.contains("the server failed"));
    assert!(told && missing(&summary) <= 24, "{summary:?}");
    // All others are there: what a second run would ask is about these only.
    assert!(past.plan("wecom_contact", span).await.calls().most() <= 24);
    past.simulator.faults().clear();
    let summary = past.fetch("wecom_contact", span).await;
    assert_eq!((missing(&summary), past.plan("wecom_contact", span).await.calls().most()), (0, 0), "{summary:?}");
}

#[tokio::test]
async fn who_is_refused_is_looked_for_once_in_all_days() {
    let mut past = Past::new(400).await;
    past.yaml = filled(ALL_OF_WECOM, &past.simulator);
    let span = days("2026-11-01", "2026-11-19");
    let owner = past.simulator.company().owners().nth(7).unwrap().userid.clone();
    past.simulator.faults().add(Fault::on(OWNERS, Effect::Refuse(60111)).subject(&owner));
    let batches = past.plan("wecom_groupchat_owner", span).await.calls().most();
    let before = past.calls(OWNERS);
    let summary = past.fetch("wecom_groupchat_owner", span).await;
    assert_eq!((summary.refused, missing(&summary)), (1, 0), "{summary:?}");
    let halving = past.calls(OWNERS) - before - batches;
    assert!(halving <= 16, "{halving} calls beside {batches}");
}

#[tokio::test]
async fn one_bad_answer_is_missing_alone_and_the_rest_is_stored() {
    let past = Past::new(20).await;
    let span = days("2026-06-01", "2026-11-19");
    let userid = past.simulator.company().follow_users().next().unwrap().userid.clone();
    past.simulator.faults().add(Fault::on(CONTACT, Effect::Truncate).subject(&userid).times(1));
    let summary = past.fetch("wecom_contact", span).await;
    assert_eq!(missing(&summary), 1, "{summary:?}");
    assert!(summary.troubles[0].failure.contains("not JSON"), "{summary:?}");
    assert!(summary.troubles[0].example.ends_with(&userid), "{summary:?}");
    let before = past.calls(CONTACT);
    let summary = past.fetch("wecom_contact", span).await;
    assert_eq!((missing(&summary), past.calls(CONTACT) - before), (0, 1), "{summary:?}");
}

#[tokio::test]
async fn a_platform_that_forgets_the_first_day_meanwhile_loses_that_day_only() {
    let past = Past::new(20).await;
    // The oldest of three ranges of at most 30 days begins a day too early.
    let span = days("2026-08-22", "2026-11-19");
    let userid = past.simulator.company().follow_users().next().unwrap().userid.clone();
    past.fetch("wecom_contact", Days { first: day("2026-09-21"), ..span }).await;
    let before = past.calls(CONTACT);
    past.simulator.faults().add(Fault::on(CONTACT, Effect::Refuse(600_018)).subject(&userid).times(1));
    let summary = past.fetch("wecom_contact", span).await;
    assert_eq!((missing(&summary), summary.edges.len()), (0, 1), "{summary:?}");
    assert_eq!((summary.edges[0].day, summary.edges[0].code.as_str()), (span.first, "600018"));
    assert_eq!(past.calls(CONTACT) - before, summary.calls);
    // Where nothing is to be had, that is told after two tries, and nothing is taken for gone.
    let past = Past::new(4).await;
    past.simulator.faults().add(Fault::on(CONTACT, Effect::Refuse(600_018)));
    let summary = past.fetch("wecom_contact", days("2026-11-01", "2026-11-19")).await;
    assert!(summary.edges.is_empty() && summary.refused as u64 * 2 == past.calls(CONTACT), "{summary:?}");
}

#[tokio::test]
async fn figures_that_were_fetched_early_and_never_again_are_lacking() {
    let ready: Timestamp = "2026-11-19T06:00:00+08:00".parse().unwrap();
    let past = Past::with(20, Clock::manual(ready + Duration::from_secs(60))).await;
    let span = days("2026-11-17", "2026-11-18");
    let calls = past.fetch("tencent_desk_agent", span).await.calls;
    assert_eq!(calls, 2);
    past.clock.set(ready + Duration::from_hours(80));
    assert_eq!(past.plan("tencent_desk_agent", span).await.calls().most(), 1, "the day that had just become ready");
    assert_eq!(past.fetch("tencent_desk_agent", span).await.calls, 1);
    assert_eq!(past.plan("tencent_desk_agent", span).await.calls().most(), 0);
}

#[tokio::test]
async fn a_disk_that_fills_up_ends_a_backfill_and_it_goes_on_where_it_was() {
    let past = Past::with(60, Clock::system()).await;
    let data = past.folder.path().join("data");
    let Some(disk) = Disk::mount(&data, "size=1600k") else { return };
    let newest = Bounds::of(&past.sources()[0], Timestamp::now()).newest;
    let (from, to) = (newest.plus(-170).to_string(), newest.to_string());
    let args = ["backfill", "--from", &from, "--to", &to, "--source", "wecom_contact"];
    let (code, said, error) = run(&past, &args).await;
    assert_eq!(code, Some(1), "{said}{error}");
    assert!(error.contains("no space left for") && error.contains("imstats.db"), "{error}");
    let before = past.calls(CONTACT);
    disk.grow("64m");
    let (code, said, error) = run(&past, &args).await;
    assert!(code == Some(0) && said.contains("calls made"), "{said}{error}");
    let again = past.calls(CONTACT) - before;
    assert!(before > 10, "{before} calls, then {again}");
    let (_, said, _) = run(&past, &[&args[..], &["--dry-run"]].concat()).await;
    assert!(said.contains("0 calls in all"), "{said}");
    // Only what was under way when the disk was full is asked twice.
    let company = past.simulator.company();
    let all = (company.follow_users().count() + company.departments.len() + 2) as u64 * 6;
    assert!((all..all + 100).contains(&(before + again)), "{before} + {again} of {all}");
}

#[tokio::test]
async fn an_export_that_fails_leaves_the_file_of_before() {
    let past = Past::with(40, Clock::system()).await;
    let newest = Bounds::of(&past.sources()[3], Timestamp::now()).newest;
    let (from, to) = (newest.plus(-60).to_string(), newest.to_string());
    let span = ["--from", &from, "--to", &to];
    let (code, _, error) = run(&past, &[&["backfill"][..], &span, &["--source", "tencent_desk_agent"]].concat()).await;
    assert_eq!(code, Some(0), "{error}");
    let folder = past.folder.path().join("exports");
    let Some(disk) = Disk::mount(&folder, "size=64k") else { return };
    let path = folder.join("history.om");
    std::fs::write(&path, "of before").unwrap();
    let export = [&["export"][..], &span, &["--output", path.to_str().unwrap()]].concat();
    let (code, _, error) = run(&past, &export).await;
    assert!(code == Some(1) && error.contains("cannot write") && error.contains("history.om"), "{error}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "of before");
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 1, "what was written by then is deleted");
    disk.grow("64m");
    assert_eq!(run(&past, &export).await.0, Some(0));
    assert!(std::fs::read_to_string(&path).unwrap().ends_with("# EOF\n"));
}

#[tokio::test]
async fn a_damaged_store_is_left_to_the_exporter_and_replaces_no_export() {
    let past = Past::with(40, Clock::system()).await;
    let yesterday = fetched_yesterday(&past).await;
    let span = ["--from", yesterday.as_str(), "--to", yesterday.as_str()];
    let data = past.folder.path().join("data");
    let (file, output) = (data.join("imstats.db"), past.folder.path().join("history.om"));
    let mut bytes = std::fs::read(&file).unwrap();
    let half = bytes.len() / 2;
    bytes[half..].fill(0x55);
    std::fs::write(&file, &bytes).unwrap();
    std::fs::write(&output, "of before").unwrap();
    let export = [&["export"][..], &span, &["--output", output.to_str().unwrap()]].concat();
    // The second time it is known to be damaged before anything is read.
    let backfill = [&["backfill"][..], &span].concat();
    for command in [&export[..], &export, &["check"], &backfill] {
        let (code, _, error) = run(&past, command).await;
        assert!(code == Some(1) && error.contains("is damaged"), "{command:?}: {error}");
    }
    assert_eq!(std::fs::read_to_string(&output).unwrap(), "of before");
    let aside = || {
        std::fs::read_dir(&data)
            .unwrap()
            .filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().contains("damaged"))
            .count()
    };
    assert_eq!((aside(), std::fs::read(&file).unwrap() == bytes), (0, true), "another program may have it open");
}

#[tokio::test]
async fn a_reader_that_goes_away_or_a_full_disk_ends_a_command_without_a_panic() {
    let past = Past::with(4, Clock::system()).await;
    let yesterday = fetched_yesterday(&past).await;
    let span = ["--from", yesterday.as_str(), "--to", yesterday.as_str()];
    let commands: [&[&str]; 6] = [
        &["check"],
        &["once"],
        &["completions", "bash"],
        &["backfill", span[0], span[1], span[2], span[3]],
        &["export", span[0], span[1], span[2], span[3]],
        &["dashboards", "boards"],
    ];
    for command in commands {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        for (output, expected) in [(gone_reader().into(), 141), (Stdio::from(full), 1)] {
            let mut started = Command::new(env!("CARGO_BIN_EXE_imstats_exporter"));
            started.current_dir(past.folder.path()).args(command).stdout(output).stderr(Stdio::piped());
            started.args(if command[0] == "completions" { &[][..] } else { &["--storage.path", "data"] });
            let ended = tokio::task::spawn_blocking(move || started.output().unwrap()).await.unwrap();
            let said = String::from_utf8(ended.stderr).unwrap();
            assert_eq!(ended.status.code(), Some(expected), "{command:?}: {said}");
            assert!(!said.contains("panicked"), "{command:?}: {said}");
            assert_eq!(said.contains("cannot write"), expected == 1, "{command:?}: {said}");
        }
    }
}

/// An output whose reader has gone before anything is written: a socket that is shut, because a copy of a pipe's other end
/// may live on for a moment in whatever another test is just starting.
fn gone_reader() -> OwnedFd {
    let (reader, writer) = UnixStream::pair().unwrap();
    reader.shutdown(Shutdown::Read).unwrap();
    writer.into()
}

/// A receiver that answers each request with these bytes, or never.
async fn receiver(answer: Option<&'static str>, endless: bool) -> (String, tokio::task::JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://me:s3cret@{}/api/v1/write", listener.local_addr().unwrap());
    let serving = tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = vec![0; 1 << 20];
            let _ = stream.read(&mut request).await;
            let Some(answer) = answer else { continue };
            let _ = stream.write_all(answer.as_bytes()).await;
            while endless && stream.write_all(&[b'x'; 4096]).await.is_ok() {}
        }
    });
    (url, serving)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_misbehaves_is_told_of_and_gets_no_secret_elsewhere() {
    let past = Past::new(4).await;
    let span = days("2026-11-18", "2026-11-19");
    past.fetch("tencent_desk_agent", span).await;
    let elsewhere = "HTTP/1.1 307 Temporary Redirect\r\nlocation: http://127.0.0.1:9/\r\ncontent-length: 0\r\n\r\n";
    let endless = "HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain\r\n\r\n";
    for (answer, is_endless, expected) in [
        (Some(elsewhere), false, "refuses the samples with HTTP 307"),
        (Some(endless), true, "refuses the samples with HTTP 400: xxxxx"),
        (Some("what is not HTTP"), false, "takes no samples"),
        (None, false, "takes no samples"),
    ] {
        let (url, serving) = receiver(answer, is_endless).await;
        let receiver = Receiver::new(&url, Authorization::None, Proxies::default(), Duration::ZERO).unwrap();
        let history = past.history(span, "2026-11-20T12:00:00+08:00", &[]);
        let sent = SendProgress::default();
        let sending = export_remote_write(history, &receiver, &sent);
        let error = tokio::time::timeout(Duration::from_secs(20), sending).await.expect(expected).unwrap_err();
        let RemoteWriteError::Receiver(ReceiverError::Refused { .. } | ReceiverError::Unavailable { .. }) = &error
        else {
            panic!("{error}")
        };
        let text = format!("{error:?} {error}");
        assert!(text.contains(expected) && text.len() < 1500 && !text.contains("s3cret"), "{text}");
        serving.abort();
    }
}
