//! `pseudonymize`: nobody is named in anything that leaves the program or outlives it, and no figure is lost.

use std::collections::BTreeSet;
use std::path::Path;

use imstats_exporter::simulator::{Company, Effect, Fault};

use crate::harness::*;
use crate::program::{Running, get, listening, page_with, run, start_simulating};

const PSEUDONYMIZE: &str = "pseudonymize: {key: \"a key that is long enough\"}";

/// Everything that a simulator has, without names, or with pseudonyms.
fn whole(simulator: &imstats_exporter::simulator::Simulator, instead_of_names: &str) -> String {
    everything(simulator).replace("names: true", instead_of_names)
}

/// Every id and name of a person.
fn people(company: &Company) -> Vec<String> {
    let users = company.users.iter().flat_map(|user| [user.userid.clone(), user.name.clone()]);
    let agents = company.agents.iter().flat_map(|agent| [agent.agent_id.clone(), agent.nick_name.clone()]);
    users.chain(agents).collect()
}

fn named<'a>(people: &'a [String], bytes: &[u8]) -> Option<&'a str> {
    let text = String::from_utf8_lossy(bytes);
    people.iter().find(|person| text.contains(person.as_str())).map(String::as_str)
}

/// Every file below `folder`, with its name.
fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(self::files(&path));
        } else {
            files.push((path.display().to_string(), std::fs::read(&path).unwrap()));
        }
    }
    files
}

#[tokio::test]
async fn figures_are_those_of_a_run_without_pseudonyms_and_nobody_is_named() {
    let time = "2026-11-20T12:00:00";
    let mut plain = Stage::with(40, time, |simulator| whole(simulator, "names: false")).await;
    let mut hidden = Stage::with(40, time, |simulator| whole(simulator, PSEUDONYMIZE)).await;
    plain.wake().await;
    hidden.wake().await;
    let figures = |stage: &Stage| -> Vec<(String, u64)> {
        let mut figures: Vec<_> = stage
            .page()
            .0
            .into_iter()
            .map(|(name, labels, value)| {
                let people = ["userid", "owner", "agent"];
                let labels: Vec<_> =
                    labels.into_iter().filter(|(label, _)| !people.contains(&label.as_str())).collect();
                (format!("{name} {labels:?}"), value.to_bits())
            })
            .collect();
        figures.retain(|(series, _)| !series.starts_with("imstats_") && !series.starts_with("process_"));
        figures.sort_unstable();
        figures
    };
    assert!(figures(&plain).len() > 500, "{}", figures(&plain).len());
    assert_eq!(figures(&plain), figures(&hidden));
    assert_eq!(plain.all_calls(), hidden.all_calls());
    let people = people(hidden.company());
    assert!(named(&people, plain.text().as_bytes()).is_some());
    assert_eq!(named(&people, hidden.text().as_bytes()), None);
}

#[tokio::test]
async fn pseudonyms_are_the_same_after_a_restart_and_without_the_platforms() {
    let mut stage = Stage::with(20, "2026-11-20T12:00:00", |simulator| whole(simulator, PSEUDONYMIZE)).await;
    stage.wake().await;
    let before = stage.page().figures();
    stage.restart().await;
    assert_eq!(stage.page().figures(), before, "from the store alone");
    let calls = stage.calls(CONTACT);
    stage.wake().await;
    assert_eq!(stage.page().figures(), before);
    assert_eq!(stage.calls(CONTACT), calls, "answered already, though its list had to be fetched again");
    // The lists of yesterday are in memory, and serve where today's can't be had.
    stage.every(FOLLOW, Effect::Html(502));
    stage.set("2026-11-21T12:00:00");
    stage.wake_slowly().await;
    assert_eq!(stage.shown("wecom_contact").as_deref(), Some("2026-11-20"));
    // After a restart only the platform knows whom to ask about; what was shown stays.
    let before = stage.page().figures();
    stage.restart().await;
    stage.set("2026-11-21T13:30:00");
    stage.wake_slowly().await;
    assert_eq!(stage.shown("wecom_contact").as_deref(), Some("2026-11-20"));
    assert!(!stage.up("wecom_contact") && stage.error("wecom_contact").contains("cannot list follow_user"));
    let users = |figures: std::collections::BTreeMap<String, f64>| -> Vec<(String, f64)> {
        figures.into_iter().filter(|(series, _)| series.starts_with("wecom_contact_user")).collect()
    };
    assert_eq!(users(stage.page().figures()), users(before));
}

#[tokio::test]
async fn nobody_who_gets_a_pseudonym_or_another_stays_on_show_under_the_old_one() {
    let time = "2026-11-20T12:00:00";
    let mut stage = Stage::with(40, time, |simulator| whole(simulator, "names: false")).await;
    stage.wake().await;
    let people = people(stage.company());
    let hidden = whole(&stage.simulator, PSEUDONYMIZE);
    stage.restart_with(&hidden).await;
    assert_eq!(named(&people, stage.text().as_bytes()), None, "not even before the platform is asked");
    stage.wake().await;
    assert_eq!(named(&people, stage.text().as_bytes()), None);
    let agents = |stage: &Stage| -> BTreeSet<String> {
        stage.page().0.into_iter().filter_map(|(_, mut labels, _)| labels.remove("agent")).collect()
    };
    let before = agents(&stage);
    assert!(!before.is_empty());
    stage.restart_with(&hidden.replace("a key that", "another key that")).await;
    stage.wake().await;
    assert_eq!(agents(&stage).len(), before.len());
    assert!(agents(&stage).is_disjoint(&before));
}

#[tokio::test]
async fn people_who_are_listed_in_the_configuration_are_asked_for_by_their_ids() {
    let lists = format!(
        "
wecom: [{{$wecom, {PSEUDONYMIZE}, contact: {{users: [WangWu], teams: {{two: {{users: [WangWu, Zhang.San]}}}}}},
    groupchat: {{owners: [Zhang.San]}}, kf: {{servicers: [WangWu], $kf_secret}}}}]
tencent_desk: [{{$desk, {PSEUDONYMIZE}, agent_statistics: {{agents: [$agent]}}}}]
"
    );
    let agent = Company::new(40, 1).agents[0].agent_id.clone();
    let lists = lists.replace("$agent", &format!("\"{agent}\""));
    let mut hidden = Stage::new("2026-11-20T12:00:00", &lists).await;
    hidden.wake().await;
    let mut plain = Stage::new("2026-11-20T12:00:00", &lists.replace(&format!("{PSEUDONYMIZE}, "), "")).await;
    plain.wake().await;
    let values = |stage: &Stage| {
        let mut values: Vec<_> = stage.page().figures().into_values().map(f64::to_bits).collect();
        values.sort_unstable();
        values
    };
    assert!(values(&hidden).len() > 20);
    assert_eq!(values(&hidden), values(&plain));
    assert_eq!(named(&people(hidden.company()), hidden.text().as_bytes()), None);
    // Turned off, they are asked anew and named.
    hidden.restart_with(&lists.replace(&format!("{PSEUDONYMIZE}, "), "")).await;
    hidden.wake().await;
    assert_eq!(hidden.page().figures(), plain.page().figures());
}

#[tokio::test]
async fn a_platform_who_names_people_in_its_refusals_is_not_repeated() {
    let mut stage = Stage::with(8, "2026-11-20T12:00:00", |simulator| whole(simulator, PSEUDONYMIZE)).await;
    let refusal = r#"{"errcode": 123456, "errmsg": "WangWu is on holiday"}"#;
    stage.simulator.faults().add(Fault::on(CONTACT, raw(refusal)));
    stage.wake_slowly().await;
    let error = stage.error("wecom_contact");
    assert!(error.contains("code 123456") && error.contains("not repeated"), "{error}");
    let served = Served::start(&stage).await;
    let people = people(stage.company());
    for path in ["/", "/api/v1/status"] {
        assert_eq!(named(&people, served.get(path).await.as_bytes()), None, "{path}");
    }
    stage.mend();
    stage.simulator.faults().add(Fault::on(CONTACT, raw(r#"{"WangWu": 1, "WangWu": 2}"#)));
    stage.wake_slowly().await;
    let error = stage.error("wecom_contact");
    assert!(error.contains("a key comes twice") && !error.contains("WangWu"), "{error}");
}

/// The whole program: its pages, its log at the finest, its store and what it exports.
#[tokio::test]
async fn nobody_is_named_on_pages_in_the_log_in_the_store_or_in_what_is_exported() {
    let folder = tempfile::TempDir::new().unwrap();
    let (file, store, csv) =
        (folder.path().join("exporter.yaml"), folder.path().join("data"), folder.path().join("csv"));
    let simulate = start_simulating(&file);
    let yaml = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, yaml.replace("names: true", PSEUDONYMIZE)).unwrap();
    let [config, storage, exported] = [&file, &store, &csv].map(|path| path.to_str().unwrap().to_owned());
    let common = ["--config.file", &config, "--storage.path", &storage, "--log.level", "trace", "--log.format", "json"];
    let serve = Running::start(&[&["serve", "--web.listen-address", "127.0.0.1:0"], &common[..]].concat());
    let metrics = listening(&serve);
    let whole = |page: &str| {
        Page::read(page).all("imstats_source_targets{state=\"pending\"}") == [0.0; 6]
            && Page::read(page).all("imstats_source_stat_timestamp_seconds").len() == 6
    };
    let mut told = vec![("page", page_with(&metrics, whole).await.into_bytes())];
    for path in ["/", "/api/v1/status"] {
        told.push((path, get(&metrics.replace("/metrics", path)).await.unwrap().into_bytes()));
    }
    let (code, printed, log) = serve.end("-TERM");
    assert_eq!(code, Some(0));
    assert!(log.contains("asked the platform"), "the log is a whole one");
    told.extend([("printed", printed.into_bytes()), ("log", log.into_bytes())]);
    let today = imstats_exporter::day::Day::containing(jiff::Timestamp::now(), &imstats_exporter::day::Zone::china());
    let (from, to) = (today.plus(-6).to_string(), today.plus(-3).to_string());
    let days = ["--from", from.as_str(), "--to", to.as_str()];
    let commands: [&[&str]; 4] =
        [&["backfill"], &["export"], &["export", "--format", "csv", "--output", &exported], &["check", "--online"]];
    for command in commands {
        let days: &[&str] = if command[0] == "check" { &[] } else { &days };
        let arguments: Vec<String> = [command, days, &common].concat().iter().map(|word| (*word).to_owned()).collect();
        let ended = tokio::task::spawn_blocking(move || run(&arguments.iter().map(String::as_str).collect::<Vec<_>>()));
        let (code, printed, log) = soon(ended).await.unwrap();
        assert_eq!(code, Some(0), "{command:?}: {printed}{log}");
        assert!(printed.len() + log.len() > 100, "{command:?}");
        told.push((command[0], (printed + &log).into_bytes()));
    }
    let people = people(&Company::new(20, 1));
    assert!(people.len() > 40);
    for (place, text) in told {
        assert_eq!(named(&people, &text), None, "{place}");
    }
    let kept: Vec<_> = files(&store).into_iter().chain(files(&csv)).collect();
    assert!(kept.len() > 6, "{}", kept.len());
    for (name, bytes) in kept {
        assert_eq!(named(&people, &bytes), None, "{name}");
    }
    drop(simulate);
}
