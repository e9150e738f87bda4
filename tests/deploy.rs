//! What lies in `deploy/` and `.github/`, as far as it can be checked without a Docker engine, a cluster or a runner.

mod chart;
mod container;
mod kubernetes;
mod packages;
mod unit;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;
use serde_yaml::Value;

use crate::house::{read, root};
use crate::tools;

/// The program's user in the image, in Kubernetes and in Compose.
const USER: u64 = 10_101;

/// Every file below `folder`, relative to the top of the tree; links lead elsewhere in it, and are left out.
fn files(folder: &str) -> Vec<PathBuf> {
    let mut folders = vec![root().join(folder)];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            let (path, kind) = (entry.path(), entry.file_type().unwrap());
            if kind.is_dir() {
                folders.push(path);
            } else if kind.is_file() {
                files.push(path.strip_prefix(root()).unwrap().to_owned());
            }
        }
    }
    files.sort();
    files
}

/// The files of which this test speaks.
fn deployed() -> Vec<PathBuf> {
    let mut all = files("deploy");
    all.extend(files(".github"));
    all
}

fn is_yaml(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml")
}

fn documents(path: impl AsRef<Path>) -> Vec<Value> {
    let path = path.as_ref();
    let text = read(path);
    let documents = serde_yaml::Deserializer::from_str(&text).map(Value::deserialize);
    documents.collect::<Result<_, _>>().unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn document(path: impl AsRef<Path>) -> Value {
    let mut all = documents(&path);
    assert_eq!(all.len(), 1, "{}", path.as_ref().display());
    all.remove(0)
}

/// What stands at `path`, such as `spec.template.0.name`; null where nothing does.
fn at<'a>(value: &'a Value, path: &str) -> &'a Value {
    path.split('.').fold(value, |value, step| match step.parse::<usize>() {
        Ok(place) => &value[place],
        Err(_) => &value[step],
    })
}

fn text<'a>(value: &'a Value, path: &str) -> &'a str {
    at(value, path).as_str().unwrap_or_else(|| panic!("{path} is no text in {value:?}"))
}

fn list<'a>(value: &'a Value, path: &str) -> &'a [Value] {
    at(value, path).as_sequence().unwrap_or_else(|| panic!("{path} is no list in {value:?}"))
}

fn program() -> Command {
    Command::new(env!("CARGO_BIN_EXE_imstats_exporter"))
}

fn help() -> String {
    String::from_utf8(program().arg("--help").output().unwrap().stdout).unwrap()
}

/// The default of a flag, as the help tells it.
fn default_of(flag: &str) -> String {
    let help = help();
    let line = help.lines().find(|line| line.trim_start().starts_with(flag)).expect("the flag");
    line.split("[default: ").nth(1).expect("a default").split(']').next().unwrap().to_owned()
}

fn port() -> String {
    default_of("--web.listen-address").trim_start_matches(':').to_owned()
}

/// Runs a tool that may be missing.
fn tool(name: &str, args: &[&str]) -> Option<std::process::Output> {
    tools::has(name).then(|| Command::new(name).args(args).output().unwrap())
}

fn assert_done(output: &std::process::Output) {
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{out}{err}");
}

#[test]
fn every_yaml_file_can_be_read() {
    let yaml: Vec<_> = deployed().into_iter().filter(|path| is_yaml(path)).collect();
    assert!(yaml.len() >= 12, "{yaml:?}");
    for path in yaml {
        // Templates are YAML once Helm has rendered them; the other has nothing but comments until its lines are taken in.
        let template = path.iter().any(|part| part == "templates");
        if template || path == Path::new("deploy/packages/exporter.yaml") {
            continue;
        }
        for document in documents(&path) {
            assert!(document.is_mapping(), "{}", path.display());
        }
    }
}

#[test]
fn only_flags_and_variables_that_exist_are_named() {
    let help = help();
    let words = |text: &str| -> BTreeSet<String> {
        let words = text.split(|c: char| !(c.is_alphanumeric() || "-._".contains(c)));
        words.map(|word| word.trim_end_matches('.').to_owned()).collect()
    };
    let known = words(&help);
    // Of Prometheus, of the build and of the tests.
    let others = ["--storage.tsdb.path", "--storage.tsdb.retention.time", "IMSTATS_REVISION", "IMSTATS_REQUIRE_TOOLS"];
    let (mut seen, mut unknown) = (0, Vec::new());
    for path in deployed() {
        for word in words(&read(&path)) {
            let ours = ["--config.", "--web.", "--storage.", "--log.", "IMSTATS_"];
            // A Service called so makes variables that are no flags of ours.
            if ours.iter().any(|start| word.starts_with(start)) && !word.starts_with("IMSTATS_EXPORTER_") {
                seen += 1;
                if !known.contains(&word) && !others.contains(&word.as_str()) {
                    unknown.push(format!("{}: {word}", path.display()));
                }
            }
        }
    }
    assert!(unknown.is_empty(), "{unknown:?}");
    assert!(seen >= 6, "{seen}");
}

#[test]
fn versions_are_those_of_the_manifest() {
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(
        text(&document("deploy/compose.yaml"), "services.exporter.image"),
        format!("imstats_exporter:{version}")
    );
    let kustomization = document("deploy/kubernetes/kustomization.yaml");
    assert_eq!(text(&kustomization, "images.0.newTag"), version);
    assert_eq!(text(&document("deploy/helm/prometheus-imstats-exporter/Chart.yaml"), "appVersion"), version);
    let rust = format!("rust:{}-alpine", env!("CARGO_PKG_RUST_VERSION"));
    assert!(read("deploy/Dockerfile").contains(&rust), "deploy/Dockerfile does not build with {rust}");
}

#[test]
fn workflows_may_do_no_more_than_they_must() {
    let mut used = 0;
    for path in files(".github/workflows") {
        let workflow = document(&path);
        let name = path.display();
        let permissions = &workflow["permissions"];
        let top: Vec<_> = permissions.as_mapping().unwrap_or_else(|| panic!("{name}: permissions")).iter().collect();
        assert!(top.iter().all(|(_, right)| right.as_str() == Some("read")), "{name}: {top:?}");
        for (job, steps) in workflow["jobs"].as_mapping().unwrap() {
            for step in steps["steps"].as_sequence().into_iter().flatten() {
                if let Some(action) = step["uses"].as_str() {
                    used += 1;
                    // A tag can be moved to other code, a commit cannot; the version beside it is for people.
                    let (_, commit) = action.split_once('@').unwrap_or_else(|| panic!("{name}: {action}"));
                    let whole = commit.len() == 40 && commit.bytes().all(|byte| byte.is_ascii_hexdigit());
                    assert!(whole, "{name}: {action} must name a commit");
                    assert!(read(&path).contains(&format!("uses: {action} # v")), "{name}: which version is {action}?");
                    if action.starts_with("actions/checkout@") {
                        assert_eq!(at(step, "with.persist-credentials").as_bool(), Some(false), "{name}: {job:?}");
                    }
                }
                // What others may choose must not become part of a script.
                if let Some(script) = step["run"].as_str() {
                    assert!(!script.contains("${{"), "{name}: {script}");
                }
            }
        }
    }
    assert!(used >= 5, "{used}");
    let test = document(".github/workflows/test.yml");
    let steps = list(&test, "jobs.test.steps");
    assert!(steps.iter().any(|step| step["run"].as_str() == Some(".ci/run")));
    let release = document(".github/workflows/release.yml");
    assert_eq!(text(&release, "jobs.test.uses"), "./.github/workflows/test.yml");
    assert_eq!(text(&release, "jobs.deny.uses"), "./.github/workflows/dependencies.yml");
    let attests = |job: &str| {
        let steps = list(&release, &format!("jobs.{job}.steps")).iter();
        let mut actions = steps.filter_map(|step| step["uses"].as_str());
        actions.any(|action| action.starts_with("actions/attest-build-provenance@"))
    };
    assert!(attests("release") && attests("image"), "what is published is attested");
    let built: Vec<_> =
        list(&release, "jobs.program.strategy.matrix.include").iter().map(|of| text(of, "arch")).collect();
    assert_eq!(built, ["amd64", "arm64"]);
}
