//! Dashboards, rules and runbooks against the tables: whatever they query exists and may be combined that way.

pub(crate) mod known;
pub(crate) mod query;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use known::Known;
use query::Query;

use crate::tools;

/// Labels that name people or groups of them: Alertmanager routes by some, and none belongs into an alert.
const NOT_IN_ALERTS: &[&str] = &["owner", "team_name", "userid", "agent"];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The files of a folder of the project with that extension.
fn files(folder: &str, extension: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(root().join(folder)).unwrap();
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|found| found == extension));
    files.sort();
    files
}

fn dashboards() -> Vec<(String, Value)> {
    let paths = files("grafana", "json").into_iter().chain(files("grafana/zh", "json"));
    let read = |path: PathBuf| {
        let json = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        (path.strip_prefix(root()).unwrap().display().to_string(), json)
    };
    paths.map(read).collect()
}

/// The panels of a dashboard, also those in collapsed rows.
fn panels(dashboard: &Value) -> Vec<&Value> {
    let top = dashboard["panels"].as_array().unwrap();
    top.iter().chain(top.iter().flat_map(|panel| panel["panels"].as_array().into_iter().flatten())).collect()
}

struct Rule {
    name: String,
    expr: String,
    rule: Value,
}

fn rules() -> Vec<Rule> {
    let mut rules = Vec::new();
    for path in files("prometheus", "yaml") {
        let file: Value = serde_yaml::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        for rule in file["groups"].as_array().into_iter().flatten().flat_map(|group| group["rules"].as_array().unwrap())
        {
            let text = |key: &str| rule[key].as_str().unwrap().to_owned();
            rules.push(Rule { name: text("alert"), expr: text("expr"), rule: rule.clone() });
        }
    }
    rules
}

/// What is wrong with a query.
fn faults(known: &Known, text: &str, scope: &[&str]) -> Vec<String> {
    Query::parse(known, text).map_or_else(|error| vec![error], |query| query.faults(scope))
}

#[test]
fn every_query_of_a_dashboard_is_sound() {
    let known = Known::all();
    let mut wrong = Vec::new();
    let mut count = 0;
    for (file, dashboard) in dashboards() {
        let scope: &[&str] = if file.contains("exporter-health") { &["job", "instance"] } else { &["account"] };
        for panel in panels(&dashboard) {
            for target in panel["targets"].as_array().into_iter().flatten() {
                let expr = target["expr"].as_str().unwrap();
                let found = faults(&known, expr, scope).into_iter();
                wrong.extend(found.map(|fault| format!("{file}, {}: {fault}\n    {expr}", panel["title"])));
                count += 1;
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(count > 500, "{count} queries");
}

#[test]
fn every_query_of_the_documents_is_sound() {
    let known = Known::all();
    for (file, query) in crate::queries::of_documents() {
        assert_eq!(faults(&known, &query, &[]), [""; 0], "{file}: {query}");
    }
    // As a document had it: the largest of four figures.
    let largest = "max by (account) (last_over_time(feishu_message_push{cycle=\"day\"}[2h] offset -58h))";
    assert!(faults(&known, largest, &[])[0].contains("by max over all of its labels"));
}

#[test]
fn every_panel_says_what_it_shows() {
    for (file, dashboard) in dashboards() {
        for panel in panels(&dashboard).into_iter().filter(|panel| panel["type"] != "row") {
            let title = panel["title"].as_str().unwrap();
            let description = panel["description"].as_str().unwrap();
            assert!(!title.is_empty() && description.len() > 40, "{file}: {title}: {description}");
            let defaults = &panel["fieldConfig"]["defaults"];
            assert!(defaults["unit"].is_string() && defaults["noValue"].is_string(), "{file}: {title}");
        }
    }
}

#[test]
fn every_figure_is_on_a_dashboard_or_is_known_to_be_missing() {
    /// What only few companies have, or what others say better.
    const LEFT_OUT: &[&str] = &[
        "tencent_desk_agent_messages",
        "tencent_desk_agent_session_seconds",
        "tencent_desk_agent_sessions_average_response_within_30s",
        "wecom_kf_account_upgraded_customers",
        "wecom_groupchat_owner_migrated_trainee_chats",
    ];
    let text: String = dashboards().iter().map(|(_, dashboard)| dashboard.to_string()).collect();
    // Tables of the same fields, such as those of members and of teams, stand for each other.
    let mut fields: BTreeMap<_, Vec<String>> = BTreeMap::new();
    for api in imstats_exporter::source::apis() {
        for table in api.tables {
            for field in table.fields {
                fields.entry((api.title, field.name)).or_default().push(table.metric(field));
            }
        }
    }
    for metrics in fields.into_values() {
        let left_out = metrics.iter().any(|metric| LEFT_OUT.contains(&metric.as_str()));
        let shown = metrics.iter().any(|metric| text.contains(&format!("{metric}{{")));
        assert_ne!(shown, left_out, "{metrics:?}");
    }
}

#[test]
fn dashboards_are_what_the_script_makes() {
    if !tools::has("python3") {
        return;
    }
    let script = root().join("grafana/generate.py");
    let done = Command::new("python3").arg(script).arg("--check").output().unwrap();
    assert!(
        done.status.success(),
        "{}{}",
        String::from_utf8_lossy(&done.stdout),
        String::from_utf8_lossy(&done.stderr)
    );
}

#[test]
fn every_rule_is_sound_and_leads_to_its_runbook() {
    let known = Known::all();
    let runbooks = std::fs::read_to_string(root().join("docs/runbooks.md")).unwrap();
    let anchors: BTreeSet<_> = runbooks.lines().filter_map(|line| line.strip_prefix("### ")).collect();
    let rules = rules();
    for Rule { name, expr, rule } in &rules {
        assert_eq!(faults(&known, expr, &[]), [""; 0], "{name}: {expr}");
        let labels = Query::parse(&known, expr).unwrap().result_labels();
        let labels = labels.unwrap_or_else(|| panic!("{name}: its labels are not said by an aggregation"));
        assert!(!labels.iter().any(|label| NOT_IN_ALERTS.contains(&label.as_str())), "{name}: {labels:?}");
        assert!(rule["for"].is_string(), "{name}");
        assert!(["critical", "warning", "info"].contains(&rule["labels"]["severity"].as_str().unwrap()), "{name}");
        for note in ["summary", "description"] {
            assert!(rule["annotations"][note].is_string(), "{name}: {note}");
        }
        let url = rule["annotations"]["runbook_url"].as_str().unwrap();
        let here = concat!(env!("CARGO_PKG_REPOSITORY"), "/blob/main/docs/runbooks.md");
        assert_eq!(url, format!("{here}#{}", name.to_lowercase()), "{name}: one address, that of Cargo.toml");
        assert!(anchors.contains(name.as_str()), "docs/runbooks.md has no section {name}");
    }
    let names: BTreeSet<_> = rules.iter().map(|rule| rule.name.as_str()).collect();
    assert_eq!(anchors, names, "sections without an alert");
}

#[test]
fn every_rule_fires_in_a_test() {
    let cases: Vec<Value> = files("prometheus/tests", "yaml")
        .iter()
        .map(|path| serde_yaml::from_str(&std::fs::read_to_string(path).unwrap()).unwrap())
        .collect();
    let cases: Vec<_> = cases
        .iter()
        .flat_map(|file| file["tests"].as_array().unwrap())
        .flat_map(|test| test["alert_rule_test"].as_array().unwrap())
        .collect();
    for Rule { name, .. } in rules() {
        let of: Vec<_> = cases.iter().filter(|case| case["alertname"] == name.as_str()).collect();
        assert!(
            of.iter().any(|case| !case["exp_alerts"].as_array().unwrap().is_empty()),
            "{name} never fires in a test"
        );
    }
}

#[test]
fn the_command_writes_what_the_project_holds() {
    let folder = tempfile::tempdir().unwrap();
    let done =
        Command::new(env!("CARGO_BIN_EXE_imstats_exporter")).arg("dashboards").arg(folder.path()).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let mut held = 0;
    for path in [files("grafana", "json"), files("grafana/zh", "json"), files("prometheus", "yaml")].concat() {
        let written = folder.path().join(path.strip_prefix(root()).unwrap());
        let same = |path: &Path| std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert!(same(&path) == same(&written), "{}", path.display());
        held += 1;
    }
    assert_eq!(String::from_utf8_lossy(&done.stdout).lines().count(), held);
}

#[test]
fn wrong_queries_are_found_out() {
    let known = Known::all();
    for (query, expected) in [
        ("sum (wecom_contact_user_new_contacts)", "copies of"),
        ("sum (max by (account) (wecom_contact_user_new_contacts))", "copies of"),
        ("sum (max by (account, userid) (wecom_contact_user_replied_chats_ratio))", "is added up: WeCom"),
        ("sum (max by (account, partyid) (wecom_contact_department_new_contacts))", "a department contains"),
        (
            "avg (max by (account, open_kfid) (wecom_kf_account_replied_sessions_ratio))",
            "without its weight wecom_kf_account_sessions",
        ),
        (
            "sum (max by (account, open_kfid) (wecom_kf_account_satisfied_ratio) * \
             max by (account, open_kfid) (wecom_kf_account_sessions))",
            "without its weight",
        ),
        ("sum_over_time(max by (account, owner) (wecom_groupchat_owner_members)[7d:1d])", "over days"),
        ("wecom_contact_user_new_contact", "does not exist"),
        ("max by (account, userid) (wecom_contact_user_new_contacts{owner=\"a\"})", "has no label owner"),
        ("sum by (user) (imstats_source_up)", "nothing has the label user"),
        ("max by (account, userid) (wecom_user_info)", "not one is taken"),
        ("sum (imstats_source_up", "unclosed"),
    ] {
        let found = faults(&known, query, &[]);
        assert!(found.iter().any(|fault| fault.contains(expected)), "{query}: {found:?}");
    }
    // One department is one figure of its account; an average does not add up all the same.
    for (query, faulty) in [
        (
            "sum (max by (account) (max by (account, partyid) (wecom_contact_department_new_contacts{partyid=\"1\"})))",
            false,
        ),
        ("sum (max by (account) (max by (account, partyid) (wecom_contact_department_replied_chats_ratio)))", true),
        (
            "sum_over_time((max by (account, open_kfid) (wecom_kf_account_sessions) \
          * max by (account, open_kfid) (wecom_kf_account_replied_sessions_ratio))[7d:1d])",
            false,
        ),
        ("sum_over_time((max by (account, open_kfid) (wecom_kf_account_replied_sessions_ratio))[7d:1d])", true),
        ("max by (account, userid) (wecom_contact_user_active_chats) >= $least_chats", false),
    ] {
        assert_eq!(!faults(&known, query, &[]).is_empty(), faulty, "{query}");
    }
    let sound = "sum (max by (account, open_kfid) (wecom_kf_account_replied_sessions_ratio) \
                 * max by (account, open_kfid) (wecom_kf_account_sessions))";
    assert_eq!(faults(&known, sound, &[]), [""; 0]);
    assert_eq!(faults(&known, "sum (imstats_source_up)", &["account"]).len(), 1);
}
