//! Answers that are made to harm, or that no sane program writes: no figure comes of them, and nobody else is touched.

use std::collections::BTreeMap;
use std::io::Write;
use std::time::Duration;

use flate2::{Compression, write::GzEncoder};
use imstats_exporter::simulator::{Effect, Fault};

use crate::harness::*;
use crate::ill::*;
use crate::lint::{Dialect, read};
use crate::wire::{Wire, Words};

/// `answer` in place of each platform's own: its figures are absent, in these words, and it is well at the next waking.
async fn spoils(what: &str, answer: impl Fn(&Platform) -> Effect, words: &str) {
    let well = well().await;
    for platform in PLATFORMS {
        let mut stage = Stage::new(MORNING, WELL).await;
        stage.every(platform.api, answer(&platform));
        stage.wake_slowly().await;
        let error = stage.error(platform.source);
        assert!(error.contains(words), "{} {what}: {error}", platform.name);
        assert_eq!(stage.targets(platform.source), [0, 0, 0, 1, 0], "{} {what}", platform.name);
        only_the_others(&stage, &platform, well, what);
        recovers(&mut stage, &platform, well, what).await;
    }
}

/// These in place of a figure, in an answer that is otherwise good: the figure is absent, named and counted, and back with
/// the refresh.
async fn spoil_the_figure(numbers: &[&str]) {
    let well = well().await;
    for platform in PLATFORMS {
        for number in numbers {
            let mut stage = Stage::new(MORNING, WELL).await;
            stage.every(platform.api, raw(platform.answer(number)));
            stage.wake_slowly().await;
            let error = stage.error(platform.source);
            assert!(error.contains(&format!("/0/{} is not a", platform.field)), "{} {number}: {error}", platform.name);
            assert_eq!(stage.targets(platform.source), [1, 0, 0, 0, 0], "{} {number}", platform.name);
            let counted = format!("imstats_source_invalid_values{{source=\"{}\"}}", platform.source);
            assert_eq!(stage.series(&counted), Some(1.0), "{} {number}", platform.name);
            only_the_others(&stage, &platform, well, number);
            stage.clock.advance(Duration::from_mins(50));
            recovers(&mut stage, &platform, well, number).await;
        }
    }
}

/// The same over a wire, for what is wrong below JSON.
async fn breaks(what: &str, words: &Words, told: &str) {
    let well = well().await;
    for platform in PLATFORMS {
        let (stage, _wire) = over(Wire::new(platform.api, words.clone()), &platform, "").await;
        let error = stage.error(platform.source);
        assert!(error.contains(told), "{} {what}: {error}", platform.name);
        assert_eq!(stage.targets(platform.source), [0, 0, 0, 1, 0], "{} {what}", platform.name);
        only_the_others(&stage, &platform, well, what);
    }
}

#[tokio::test]
async fn numbers_that_are_none() {
    for number in ["NaN", "Infinity", "-Infinity", "1e400", "-1e400", "0x10", "1_000", "007", ".5", ""] {
        spoils(number, |platform| raw(platform.answer(number)), "not JSON").await;
    }
}

#[tokio::test]
async fn numbers_that_no_figure_is() {
    let longest = "9".repeat(400);
    let in_text = format!("\"{longest}\"");
    spoils("four hundred nines", |platform| raw(platform.answer(&longest)), "not JSON").await;
    spoil_the_figure(&["-1", "-0.5", "1e300", "9007199254740993", &in_text, "\"1e400\"", "\"NaN\"", "\"inf\""]).await;
}

#[tokio::test]
async fn what_is_no_number_is_no_figure() {
    spoil_the_figure(&["true", "[]", "[1]", "{}", "\"many\"", "\"1 \"", "\"-7\"", "\"１２\""]).await;
}

#[tokio::test]
async fn minus_zero_is_zero() {
    for platform in PLATFORMS {
        let mut stage = Stage::new(MORNING, WELL).await;
        stage.every(platform.api, raw(platform.answer("-0.0")));
        stage.wake_slowly().await;
        let shown = stage.text();
        let line = shown.lines().find(|line| line.starts_with(platform.metric)).unwrap();
        assert!(line.ends_with(" 0.0") || line.ends_with(" 0"), "{line}");
    }
}

#[tokio::test]
async fn a_key_that_comes_twice_counts_only_where_both_agree() {
    let well = well().await;
    for platform in PLATFORMS {
        let field = platform.field;
        let mut stage = Stage::new(MORNING, WELL).await;
        stage.every(platform.api, raw(platform.answer(&format!("3, \"{field}\": 4"))));
        stage.wake_slowly().await;
        let error = stage.error(platform.source);
        assert!(error.contains("twice") && error.contains(field), "{}: {error}", platform.name);
        only_the_others(&stage, &platform, well, "twice");
        stage.mend();
        stage.every(platform.api, raw(platform.answer(&format!("3, \"{field}\": 3"))));
        stage.wake_slowly().await;
        assert_eq!(stage.page().all(platform.metric), [3.0], "{}", platform.name);
    }
}

#[tokio::test]
async fn rows_that_come_twice_count_only_where_both_agree() {
    let well = well().await;
    for platform in PLATFORMS {
        let [three, four] = ["3", "4"].map(|number| platform.row(number));
        let mut stage = Stage::new(MORNING, WELL).await;
        stage.every(platform.api, raw(platform.answer_of(&[&three, &four])));
        stage.wake_slowly().await;
        let error = stage.error(platform.source);
        assert!(error.contains("/1 is not the same as an earlier row"), "{}: {error}", platform.name);
        only_the_others(&stage, &platform, well, "twice");
        stage.mend();
        stage.every(platform.api, raw(platform.answer_of(&[&three, &three])));
        stage.wake_slowly().await;
        assert_eq!(stage.page().all(platform.metric), [3.0], "{}", platform.name);
    }
}

#[tokio::test]
async fn half_an_answer_and_none_at_all() {
    spoils("truncated", |_| Effect::Truncate, "not JSON").await;
    spoils("empty", |_| Effect::Empty, "the answer is empty").await;
    spoils("blank", |_| raw("\r\n"), "the answer is empty").await;
    spoils(
        "cut in a character",
        |platform| Effect::Raw {
            status: 200,
            headers: Vec::new(),
            body: [platform.answer("1").as_bytes(), b"\xe5\xae"].concat(),
        },
        "not JSON",
    )
    .await;
}

#[tokio::test]
async fn text_that_is_no_text() {
    let with = |platform: &Platform, name: &[u8]| {
        let answer = platform.answer("1, \"x\": \"?\"");
        let (before, after) = answer.split_once('?').unwrap();
        Effect::Raw { status: 200, headers: Vec::new(), body: [before.as_bytes(), name, after.as_bytes()].concat() }
    };
    spoils("half a pair", |platform| with(platform, b"\\ud800"), "not JSON").await;
    // In a field that is not used it spoils nothing; in an id it does, as half of an id is somebody else's.
    for platform in PLATFORMS {
        let mut stage = Stage::new(MORNING, WELL).await;
        stage.every(platform.api, with(&platform, b"\xff\xfe"));
        stage.wake_slowly().await;
        assert_eq!(stage.page().all(platform.metric), [1.0], "{}", platform.name);
        assert_eq!(stage.error(platform.source), "", "{}", platform.name);
    }
    let answer = [
        b"{\"ActionStatus\": \"OK\", \"ErrorCode\": 0, \"TotalCount\": 1, \"Data\": [{\"AgentId\": \"a\xff".as_slice(),
        b"\", \"TotalSessionCnt\": 1}]}",
    ]
    .concat();
    let spoilt = |_: &Platform| Effect::Raw { status: 200, headers: Vec::new(), body: answer.clone() };
    let mut stage = Stage::new(MORNING, WELL).await;
    stage.every(DESK, spoilt(&PLATFORMS[1]));
    stage.wake_slowly().await;
    assert!(stage.error("tencent_desk_agent").contains("/Data/0/AgentId"), "{}", stage.error("tencent_desk_agent"));
    assert_eq!(stage.page().all("tencent_desk_agent_sessions"), [0.0; 0]);
}

#[tokio::test]
async fn what_gateways_do_to_an_answer_is_undone() {
    let well = well().await;
    for platform in PLATFORMS {
        for effect in [Effect::ByteOrderMark, Effect::CodeAsText(0)] {
            let mut stage = Stage::new(MORNING, WELL).await;
            stage.every(platform.name, effect.clone());
            stage.wake_slowly().await;
            assert_eq!(stage.page().figures(), *well, "{} {effect:?}: {}", platform.name, stage.error(platform.source));
        }
        // An empty answer is asked for again.
        let mut stage = Stage::new(MORNING, WELL).await;
        stage.fault(Fault::on(platform.api, Effect::Empty).times(2));
        stage.wake_slowly().await;
        assert_eq!(stage.calls(platform.api), 3, "{}", platform.name);
        assert_eq!(stage.page().figures(), *well, "{}", platform.name);
    }
}

#[tokio::test]
async fn a_code_that_comes_as_a_text_means_the_same() {
    for (platform, code, words) in PLATFORMS
        .iter()
        .zip([48002, 60021, 99_991_672])
        .zip(["可调用接口的应用", "IP 白名单", "权限管理"])
        .map(|((platform, code), words)| (platform, code, words))
    {
        let mut stage = Stage::new(MORNING, WELL).await;
        stage.every(platform.api, Effect::CodeAsText(code));
        stage.wake_slowly().await;
        let error = stage.error(platform.source);
        assert!(error.contains(words) && error.contains(&code.to_string()), "{}: {error}", platform.name);
        assert_eq!((stage.up(platform.source), stage.calls(platform.api)), (false, 1), "{}", platform.name);
    }
}

#[tokio::test]
async fn a_million_brackets() {
    spoils("nested", |_| raw("[".repeat(1_000_000)), "not JSON").await;
    spoils("nested objects", |_| raw("{\"a\":".repeat(200_000)), "not JSON").await;
    let deep = format!("{}{}", "[".repeat(1_000), "]".repeat(1_000));
    spoils("nested in a row", |platform| raw(platform.answer(&format!("1, \"x\": {deep}"))), "not JSON").await;
}

#[tokio::test]
async fn millions_of_values_in_a_few_mebibytes() {
    let many = "0,".repeat(5_000_000);
    spoils("many", |platform| raw(platform.answer(&format!("1, \"x\": [{many}0]"))), "more than").await;
}

/// `body` as gzip packs it.
fn packed(body: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

fn in_gzip(body: Vec<u8>) -> Effect {
    Effect::Raw { status: 200, headers: vec![("content-encoding".to_owned(), "gzip".to_owned())], body }
}

#[tokio::test]
async fn a_gzip_bomb() {
    let bomb = packed(&vec![b' '; 17 << 20]);
    assert!(bomb.len() < 200_000);
    spoils("bomb", |_| in_gzip(bomb.clone()), "larger than 16 MiB").await;
}

#[tokio::test]
async fn gzip_that_is_broken_and_gzip_that_is_not() {
    let good = |platform: &Platform| packed(platform.answer("1").as_bytes());
    spoils("torn", |platform| in_gzip(good(platform)[..30].to_vec()), "the exchange broke off").await;
    spoils("none", |platform| in_gzip(platform.answer("1").into_bytes()), "the exchange broke off").await;
    for platform in PLATFORMS {
        let mut stage = Stage::new(MORNING, WELL).await;
        stage.every(platform.api, in_gzip(good(&platform)));
        stage.wake_slowly().await;
        assert_eq!(stage.page().all(platform.metric), [1.0], "{}: {}", platform.name, stage.error(platform.source));
    }
}

#[tokio::test]
async fn a_body_without_end() {
    let chunk = format!("10000\r\n{}\r\n", " ".repeat(1 << 16));
    let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    breaks("endless", &Words::for_ever(head, chunk, Duration::ZERO), "larger than 16 MiB").await;
}

#[tokio::test]
async fn a_length_that_is_wrong() {
    let body = "{\"errcode\": 0, \"ErrorCode\": 0, \"code\": 0}";
    let with = |head: &str| Words::of(format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\n{body}"));
    breaks("too long", &with("content-length: 1000"), "the exchange broke off").await;
    breaks("too short", &with("content-length: 20"), "not JSON").await;
    breaks("negative", &with("content-length: -1"), "the exchange broke off").await;
    breaks("two", &with("content-length: 20\r\ncontent-length: 30"), "the exchange broke off").await;
    breaks("beyond all", &with("content-length: 99999999999999999999"), "the exchange broke off").await;
    breaks("no chunk", &with("transfer-encoding: chunked"), "the exchange broke off").await;
}

#[tokio::test]
async fn what_is_not_http() {
    breaks("silence", &Words::of(""), "the exchange broke off").await;
    breaks("noise", &Words::of(vec![0xff; 5000]), "the exchange broke off").await;
    breaks("mail", &Words::of("220 mail.example ESMTP\r\n"), "the exchange broke off").await;
    let headers = format!("HTTP/1.1 200 OK\r\n{}\r\n", "x: y\r\n".repeat(10_000));
    breaks("ten thousand headers", &Words::of(headers), "the exchange broke off").await;
}

#[tokio::test]
async fn a_name_longer_than_any() {
    // What names a series: an agent, a metric of Feishu.
    let long = "x".repeat(300);
    let well = well().await;
    for (platform, field) in [(PLATFORMS[1], "AgentId"), (PLATFORMS[2], "metric_name")] {
        let row = platform.row("1").replace("a@example.com", &long).replace("send_msg_count", &long);
        let mut stage = Stage::new(MORNING, WELL).await;
        stage.every(platform.api, raw(platform.answer_of(&[&row])));
        stage.wake_slowly().await;
        let error = stage.error(platform.source);
        assert!(error.contains(&format!("/0/{field} is not an id")), "{error}");
        only_the_others(&stage, &platform, well, "");
    }
}

#[tokio::test]
async fn names_that_could_end_a_label_or_a_line() {
    let names = ["a\\\"} 9\n", "\u{0}", "\u{202e}abc", "{}", "\\", "é\r\n# EOF"];
    for platform in [PLATFORMS[1], PLATFORMS[2]] {
        let rows: Vec<_> = names
            .iter()
            .map(|name| {
                let name = serde_json::to_string(name).unwrap();
                platform.row("5").replace("\"a@example.com\"", &name).replace("\"send_msg_count\"", &name)
            })
            .collect();
        let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
        let mut stage = Stage::new(MORNING, WELL).await;
        stage.every(platform.api, raw(platform.answer_of(&rows)));
        stage.wake_slowly().await;
        let families = read(&stage.text(), Dialect::Text).unwrap();
        let family = families.iter().find(|family| family.name == platform.metric).unwrap();
        let shown: Vec<_> = family.samples.iter().flat_map(|sample| sample.labels.values()).collect();
        assert!(names.iter().all(|name| shown.iter().any(|label| label == name)), "{shown:?}");
    }
}

#[tokio::test]
async fn a_hundred_thousand_rows_are_shown_and_more_are_not() {
    let platform = PLATFORMS[1];
    let rows = |numbers: std::ops::Range<u32>| {
        let rows: Vec<_> = numbers.map(|n| platform.row("2").replace("a@", &format!("agent{n}@"))).collect();
        platform.answer_of(&rows.iter().map(String::as_str).collect::<Vec<_>>())
    };
    let mut stage = Stage::new(MORNING, WELL).await;
    stage.every(DESK, raw(rows(0..100_000)));
    stage.wake_slowly().await;
    assert_eq!(stage.page().all(platform.metric).len(), 100_000, "{}", stage.error(platform.source));
    let mut stage = Stage::new(MORNING, WELL).await;
    stage.every(DESK, raw(rows(0..100_001)));
    stage.wake_slowly().await;
    assert!(stage.error(platform.source).contains("at most 100000 rows"), "{}", stage.error(platform.source));
    assert_eq!(stage.targets(platform.source), [0, 0, 0, 1, 0]);
}

#[tokio::test]
async fn a_bad_row_spoils_its_own_target_and_no_other() {
    let yaml = "wecom: [{$wecom, groupchat: {owners: [a, b, c], $fast}}]";
    let row = |owner: &str, chats: &str| format!("{{\"owner\": \"{owner}\", \"data\": {{\"chat_total\": {chats}}}}}");
    for (bad, total) in [
        ("{\"owner\": \"b\", \"data\": 7}".to_owned(), 3),
        ("{\"owner\": \"b\"}".to_owned(), 3),
        (format!("{},{}", row("b", "1"), row("b", "2")), 4),
    ] {
        let items = format!("{},{bad},{}", row("a", "1"), row("c", "3"));
        let mut stage = Stage::new(MORNING, yaml).await;
        let body = format!("{{\"errcode\": 0, \"total\": {total}, \"next_offset\": {total}, \"items\": [{items}]}}");
        stage.every(OWNERS, raw(body));
        stage.wake().await;
        assert_eq!(stage.targets("wecom_groupchat_owner"), [2, 0, 0, 1, 0], "{}", stage.error("wecom_groupchat_owner"));
        // The day is shown when it is late, without the bad one.
        stage.wake_at("2026-11-20T12:00:00").await;
        assert_eq!(stage.page().all("wecom_groupchat_owner_chats"), [1.0, 3.0]);
    }
}

#[tokio::test]
async fn what_was_shown_stands_while_its_refresh_fails() {
    let mut stage = Stage::new("2026-11-20T06:00:00", WELL).await;
    stage.wake_slowly().await;
    let shown = stage.page().figures();
    assert!(!shown.is_empty());
    for (hours, platform) in (1..).zip(PLATFORMS) {
        stage.fault(Fault::on(platform.api, Effect::Truncate));
        stage.set(&format!("2026-11-20T{:02}:10:00", 6 + hours));
        stage.wake_slowly().await;
        let now: BTreeMap<_, _> = stage.page().figures();
        assert_eq!(now, shown, "{}", platform.name);
    }
}
