//! What lies in `deploy/` and `.github/`, as far as it can be checked without a Docker engine, a cluster or a runner.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;
use serde_yaml::Value;

use crate::house::{read, root};
use crate::tools;

/// The program's user in the image, in Kubernetes and in Compose.
const USER: u64 = 10_101;

/// Every file below `folder`, relative to the top of the tree.
fn files(folder: &str) -> Vec<PathBuf> {
    let mut folders = vec![root().join(folder)];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
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
    let rust = format!("rust:{}-alpine", env!("CARGO_PKG_RUST_VERSION"));
    assert!(read("deploy/Dockerfile").contains(&rust), "deploy/Dockerfile does not build with {rust}");
}

/// The instructions of the Dockerfile, continued lines joined.
fn instructions() -> Vec<(String, String)> {
    let text: String = read("deploy/Dockerfile")
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| format!("{line}\n"))
        .collect();
    let lines = text.replace("\\\n", " ");
    let lines = lines.lines().filter(|line| !line.trim().is_empty());
    lines
        .map(|line| {
            let (instruction, rest) = line.split_once(' ').unwrap();
            (instruction.to_owned(), rest.split_whitespace().collect::<Vec<_>>().join(" "))
        })
        .collect()
}

/// The variables that the image sets.
fn image_variables() -> Vec<(String, String)> {
    let last = instructions();
    let last = last.iter().rev().take_while(|(instruction, _)| instruction != "FROM");
    let variables = last.filter(|(instruction, _)| instruction == "ENV").flat_map(|(_, rest)| rest.split(' '));
    variables
        .map(|pair| pair.split_once('=').unwrap())
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

#[test]
fn the_image_is_small_and_runs_as_nobody_in_particular() {
    let all = instructions();
    let of = |name: &'static str| {
        all.iter().filter(move |(instruction, _)| instruction == name).map(|(_, rest)| rest.as_str())
    };
    for from in of("FROM").filter(|from| !from.starts_with("scratch")) {
        let image = from.split(' ').find(|word| word.contains("${HUB}")).unwrap_or_else(|| panic!("{from}"));
        let (_, tag) = image.rsplit_once(':').unwrap_or_else(|| panic!("{from} has no version"));
        assert!(tag.starts_with(|c: char| c.is_ascii_digit()), "{from}");
    }
    assert_eq!(of("FROM").next_back(), Some("scratch"));
    // ADD fetches and unpacks; a shell form needs a shell.
    assert_eq!(of("ADD").count(), 0);
    assert_eq!(of("USER").next_back(), Some(format!("{USER}:{USER}").as_str()));
    assert_eq!(of("ENTRYPOINT").collect::<Vec<_>>(), [r#"["/usr/bin/imstats_exporter"]"#]);
    assert_eq!(of("EXPOSE").collect::<Vec<_>>(), [port().as_str()]);
    let health = of("HEALTHCHECK").next().unwrap();
    assert!(
        health.contains(&format!(r#"CMD ["/usr/bin/wget", "-q", "--spider", "http://127.0.0.1:{}/-/ready"]"#, port()))
    );
    // What the last stage runs must have been copied into it.
    let copied: Vec<_> = of("COPY").filter_map(|copy| copy.split(' ').next_back()).collect();
    for needed in ["/usr/bin/imstats_exporter", "/usr/bin/wget", "/etc/ssl/certs/ca-certificates.crt", "/data"] {
        assert!(copied.contains(&needed), "{needed} is not copied");
    }
    assert_eq!(of("VOLUME").collect::<Vec<_>>(), ["/data"]);
    assert!(image_variables().contains(&("IMSTATS_STORAGE_PATH".to_owned(), "/data".to_owned())));
    // Every file that Cargo needs goes to the builder.
    let ignore = read("deploy/Dockerfile.dockerignore");
    for needed in ["Cargo.toml", "Cargo.lock", "src", "tests", "benches"] {
        assert!(ignore.lines().any(|line| line == format!("!{needed}")), "{needed}");
    }
    assert_eq!(ignore.lines().find(|line| !line.starts_with('#')), Some("*"));
}

#[test]
fn compose_reaches_only_this_machine_and_mounts_what_exists() {
    let compose = document("deploy/compose.yaml");
    for (name, service) in compose["services"].as_mapping().unwrap() {
        for published in list(service, "ports") {
            assert!(published.as_str().unwrap().starts_with("127.0.0.1:"), "{name:?}");
        }
        assert_eq!(list(service, "cap_drop")[0].as_str(), Some("ALL"), "{name:?}");
        let image = text(service, "image");
        assert!(image.rsplit_once(':').is_some_and(|(_, tag)| tag.contains('.')), "{image}");
        for mount in service["volumes"].as_sequence().into_iter().flatten() {
            let mount = mount.as_str().unwrap();
            let (source, _) = mount.split_once(':').unwrap();
            if !source.starts_with('.') {
                assert!(at(&compose, "volumes").get(source).is_some(), "{mount}");
                continue;
            }
            assert!(mount.ends_with(":ro"), "{mount}");
            // The dashboards and rules are written beside this.
            let path = root().join("deploy").join(source);
            let beside = source.strip_prefix("../").map(|path| root().join(path.split('/').next().unwrap()));
            if beside.is_none_or(|folder| folder.exists()) {
                assert!(path.exists(), "{mount}: there is no {}", path.display());
            }
        }
    }
    let exporter = at(&compose, "services.exporter");
    assert_eq!(list(exporter, "command")[0].as_str(), Some("demo"));
    assert_eq!(at(exporter, "read_only").as_bool(), Some(true));
    assert_eq!(list(exporter, "ports")[0].as_str(), Some(format!("127.0.0.1:{0}:{0}", port()).as_str()));
    // The parts know each other by the names of the services.
    let scrape = document("deploy/compose/prometheus.yml");
    assert_eq!(text(&scrape, "scrape_configs.0.static_configs.0.targets.0"), format!("exporter:{}", port()));
    let source = document("deploy/compose/provisioning/datasources/prometheus.yaml");
    assert_eq!(text(&source, "datasources.0.url"), "http://prometheus:9090");
    let provider = document("deploy/compose/provisioning/dashboards/imstats.yaml");
    let folder = format!("../grafana:{}/imstats:ro", text(&provider, "providers.0.options.path"));
    assert!(list(&compose, "services.grafana.volumes").iter().any(|mount| mount.as_str() == Some(&folder)), "{folder}");
    if let Some(output) = tool(
        "promtool",
        &["check", "config", "--syntax-only", root().join("deploy/compose/prometheus.yml").to_str().unwrap()],
    ) {
        assert_done(&output);
    }
}

#[test]
fn compose_with_real_accounts_only_adds_to_the_exporter() {
    let real = document("deploy/compose.real.yaml");
    let services: Vec<_> = real["services"].as_mapping().unwrap().keys().filter_map(Value::as_str).collect();
    assert_eq!(services, ["exporter"]);
    let exporter = at(&real, "services.exporter");
    assert_eq!(list(exporter, "command")[0].as_str(), Some("serve"));
    let config = image_variables().into_iter().find(|(name, _)| name == "IMSTATS_CONFIG_FILE").unwrap().1;
    assert!(list(exporter, "volumes").iter().any(|mount| mount.as_str().unwrap().contains(&format!(":{config}:"))));
    for secret in list(exporter, "secrets") {
        assert!(at(&real, "secrets").get(secret).is_some(), "{secret:?}");
    }
    let ignored = read(".gitignore");
    for private in ["/deploy/exporter.yaml", "/deploy/secrets/"] {
        assert!(ignored.lines().any(|line| line == private), "{private} could be committed");
    }
}

/// The settings of a unit's section, in order.
fn settings(unit: &str) -> Vec<(String, String)> {
    let text = read(unit);
    let lines = text.lines().filter(|line| !line.starts_with(['#', '[', ' ']));
    lines.filter_map(|line| line.split_once('=')).map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

#[test]
fn the_unit_gives_the_program_nothing_but_its_folder() {
    let settings = settings("deploy/imstats_exporter.service");
    let all = |key: &str| -> Vec<&str> {
        settings.iter().filter(|(other, _)| other == key).map(|(_, value)| value.as_str()).collect()
    };
    assert_eq!(all("Type"), ["notify"]);
    assert_eq!(all("DynamicUser"), ["yes"]);
    assert_eq!(all("ProtectSystem"), ["strict"]);
    assert_eq!(all("CapabilityBoundingSet"), [""]);
    assert_eq!(all("StateDirectory"), ["imstats_exporter"]);
    assert_eq!(all("WatchdogSec").len(), 1);
    assert!(all("ExecStart")[0].ends_with("--storage.path=${STATE_DIRECTORY}"));
    let secret = all("LoadCredential")[0].split_once(':').expect("a name and a path");
    let text = read("deploy/imstats_exporter.service");
    assert!(text.contains(&format!("{{file: /run/credentials/imstats_exporter.service/{}}}", secret.0)));
    assert!(read("deploy/imstats_exporter.socket").contains(&format!("\nListenStream={}\n", port())));
}

#[test]
fn systemd_takes_the_units() {
    let folder = tempfile::tempdir().unwrap();
    let copy = |name: &str| {
        // It looks whether the program is there.
        let text = read(Path::new("deploy").join(name)).replace(
            "ExecStart=/usr/bin/imstats_exporter",
            concat!("ExecStart=", env!("CARGO_BIN_EXE_imstats_exporter")),
        );
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (service, socket) = (copy("imstats_exporter.service"), copy("imstats_exporter.socket"));
    if let Some(output) = tool("systemd-analyze", &["verify", "--man=no", &service, &socket]) {
        assert_done(&output);
        // An unknown setting is told, and is no failure.
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!said.contains(folder.path().to_str().unwrap()), "{said}");
    }
    // 2.0 and below is what systemd calls safe enough to smile at.
    if let Some(output) = tool("systemd-analyze", &["security", "--offline=true", "--threshold=20", &service]) {
        assert_done(&output);
    }
}

#[test]
fn the_pod_is_confined_and_its_parts_fit_together() {
    let set = document("deploy/kubernetes/statefulset.yaml");
    let pod = at(&set, "spec.template.spec");
    let security = &pod["securityContext"];
    assert_eq!(security["runAsNonRoot"].as_bool(), Some(true));
    for key in ["runAsUser", "runAsGroup", "fsGroup"] {
        assert_eq!(security[key].as_u64(), Some(USER), "{key}");
    }
    assert_eq!(pod["automountServiceAccountToken"].as_bool(), Some(false));
    assert_eq!(list(pod, "containers").len(), 1);
    let container = at(pod, "containers.0");
    let security = &container["securityContext"];
    assert_eq!(security["allowPrivilegeEscalation"].as_bool(), Some(false));
    assert_eq!(security["readOnlyRootFilesystem"].as_bool(), Some(true));
    assert_eq!(text(security, "capabilities.drop.0"), "ALL");
    let port: u64 = port().parse().unwrap();
    assert_eq!(at(container, "ports.0.containerPort").as_u64(), Some(port));
    for (probe, path) in [("startupProbe", "/-/ready"), ("readinessProbe", "/-/ready"), ("livenessProbe", "/-/healthy")]
    {
        assert_eq!(text(container, &format!("{probe}.httpGet.path")), path);
        assert_eq!(text(container, &format!("{probe}.httpGet.port")), text(container, "ports.0.name"));
    }
    // Volumes, and who brings them.
    let mut volumes: BTreeSet<_> = list(pod, "volumes").iter().map(|volume| text(volume, "name")).collect();
    volumes.extend(list(&set, "spec.volumeClaimTemplates").iter().map(|claim| text(claim, "metadata.name")));
    let mounts: BTreeSet<_> = list(container, "volumeMounts").iter().map(|mount| text(mount, "name")).collect();
    assert_eq!(mounts, volumes);
    let name = text(&set, "metadata.name");
    assert_eq!(
        text(pod, "volumes.0.configMap.name"),
        text(&document("deploy/kubernetes/configmap.yaml"), "metadata.name")
    );
    assert_eq!(
        text(pod, "volumes.1.secret.secretName"),
        text(&document("deploy/kubernetes/secret.example.yaml"), "metadata.name")
    );
    // The image expects its files where they are mounted.
    let mounted =
        |path: &str| list(container, "volumeMounts").iter().any(|mount| path.starts_with(text(mount, "mountPath")));
    for (variable, path) in image_variables().iter().filter(|(name, _)| name.starts_with("IMSTATS_")) {
        assert!(mounted(path), "{variable} is {path}");
    }
    // Who selects whom.
    let labels = at(&set, "spec.template.metadata.labels");
    assert_eq!(at(&set, "spec.selector.matchLabels"), labels);
    let service = document("deploy/kubernetes/service.yaml");
    assert_eq!(at(&service, "spec.selector"), labels);
    assert_eq!(text(&set, "spec.serviceName"), text(&service, "metadata.name"));
    assert_eq!(at(&service, "spec.ports.0.port").as_u64(), Some(port));
    let monitor = document("deploy/kubernetes/servicemonitor.yaml");
    assert_eq!(at(&monitor, "spec.selector.matchLabels"), at(&service, "metadata.labels"));
    assert_eq!(text(&monitor, "spec.endpoints.0.port"), text(&service, "spec.ports.0.name"));
    assert_eq!(text(&monitor, "spec.endpoints.0.path"), default_of("--web.telemetry-path"));
    let kustomization = document("deploy/kubernetes/kustomization.yaml");
    for resource in list(&kustomization, "resources") {
        let resource = resource.as_str().unwrap();
        assert!(root().join("deploy/kubernetes").join(resource).exists(), "{resource}");
        assert!(!resource.contains("secret"), "the example must not become the secret");
    }
    assert_eq!(text(&kustomization, "images.0.name"), text(container, "image"));
    assert_eq!(name, "imstats-exporter");
}

#[test]
fn the_configuration_of_the_config_map_is_valid() {
    let folder = tempfile::tempdir().unwrap();
    let secrets = document("deploy/kubernetes/secret.example.yaml");
    for (name, secret) in at(&secrets, "stringData").as_mapping().unwrap() {
        std::fs::write(folder.path().join(name.as_str().unwrap()), secret.as_str().unwrap()).unwrap();
    }
    let map = document("deploy/kubernetes/configmap.yaml");
    let config = map["data"]["exporter.yaml"].as_str().unwrap();
    let config = config.replace("/run/secrets/imstats", folder.path().to_str().unwrap());
    let file = folder.path().join("exporter.yaml");
    std::fs::write(&file, config).unwrap();
    let checked = program().arg("check").arg("--config.file").arg(&file).args(["--storage.path", ""]).output().unwrap();
    assert_done(&checked);
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
                    let (_, version) = action.split_once("@v").unwrap_or_else(|| panic!("{name}: {action}"));
                    assert!(version.parse::<u32>().is_ok(), "{name}: {action} is to be of a major version");
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
    let built: Vec<_> =
        list(&release, "jobs.program.strategy.matrix.include").iter().map(|of| text(of, "arch")).collect();
    assert_eq!(built, ["amd64", "arm64"]);
}
