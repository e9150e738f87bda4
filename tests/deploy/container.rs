//! The image, and Compose files that run it.

use super::*;

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
pub(super) fn image_variables() -> Vec<(String, String)> {
    let last = instructions();
    let last = last.iter().rev().take_while(|(instruction, _)| instruction != "FROM");
    let variables = last.filter(|(instruction, _)| instruction == "ENV").flat_map(|(_, rest)| rest.split(' '));
    variables
        .map(|pair| pair.split_once('=').unwrap())
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

/// The image is named by a version, for people, and by its digest, which decides.
fn assert_pinned(image: &str) {
    let (name, digest) = image.split_once("@sha256:").unwrap_or_else(|| panic!("{image} has no digest"));
    assert!(digest.len() == 64 && digest.bytes().all(|byte| byte.is_ascii_hexdigit()), "{image}");
    let (_, tag) = name.rsplit_once(':').unwrap_or_else(|| panic!("{image} has no version"));
    assert!(tag.trim_start_matches('v').starts_with(|c: char| c.is_ascii_digit()), "{image}");
}

#[test]
fn the_image_is_small_and_runs_as_nobody_in_particular() {
    let all = instructions();
    let of = |name: &'static str| {
        all.iter().filter(move |(instruction, _)| instruction == name).map(|(_, rest)| rest.as_str())
    };
    for from in of("FROM").filter(|from| !from.starts_with("scratch")) {
        let image = from.split(' ').find(|word| word.contains("${HUB}")).unwrap_or_else(|| panic!("{from}"));
        assert_pinned(image);
    }
    assert_eq!(of("FROM").next_back(), Some("scratch"));
    // ADD fetches and unpacks; a shell form needs a shell.
    assert_eq!(of("ADD").count(), 0);
    assert_eq!(of("USER").next_back(), Some(format!("{USER}:{USER}").as_str()));
    assert_eq!(of("ENTRYPOINT").collect::<Vec<_>>(), [r#"["/usr/bin/imstats_exporter"]"#]);
    assert_eq!(of("EXPOSE").collect::<Vec<_>>(), [port().as_str()]);
    let health = of("HEALTHCHECK").next().unwrap();
    assert!(health.ends_with(r#"CMD ["/usr/bin/imstats_exporter", "healthcheck"]"#), "{health}");
    // What the last stage runs must have been copied into it, and nothing else that runs.
    let last: Vec<_> = all.iter().rev().take_while(|(instruction, _)| instruction != "FROM").collect();
    let programs = last.iter().filter(|(instruction, rest)| instruction == "COPY" && rest.contains("/bin/"));
    assert_eq!(programs.count(), 1, "an image of one program");
    let copied: Vec<_> = of("COPY").filter_map(|copy| copy.split(' ').next_back()).collect();
    for needed in ["/usr/bin/imstats_exporter", "/etc/ssl/certs/ca-certificates.crt", "/data"] {
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
        if name.as_str() == Some("exporter") {
            assert!(image.rsplit_once(':').is_some_and(|(_, tag)| tag.contains('.')), "{image}");
        } else {
            assert_pinned(image);
        }
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
    // Everybody who reaches Grafana may look, and there is no login: with a known password others could add data sources.
    let grafana = at(&compose, "services.grafana.environment");
    for (variable, value) in [
        ("GF_AUTH_ANONYMOUS_ORG_ROLE", "Viewer"),
        ("GF_SECURITY_DISABLE_INITIAL_ADMIN_CREATION", "true"),
        ("GF_AUTH_DISABLE_LOGIN_FORM", "true"),
        ("GF_AUTH_BASIC_ENABLED", "false"),
        ("GF_SERVER_ENFORCE_DOMAIN", "true"),
        ("GF_SNAPSHOTS_ENABLED", "false"),
        ("GF_PUBLIC_DASHBOARDS_ENABLED", "false"),
    ] {
        assert_eq!(text(grafana, variable), value, "{variable}");
    }
    assert_eq!(list(&compose, "services.grafana.ports")[0].as_str(), Some("127.0.0.1:3000:3000"));
    // The file leads to this chapter.
    assert!(read("docs/security.md").contains("\n## Grafana\n"));
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
    let folder = Path::new(&config).parent().unwrap().to_str().unwrap();
    let ignored = read(".gitignore");
    let mounts = list(exporter, "volumes").iter().map(|mount| mount.as_str().unwrap());
    let mut mounted = Vec::new();
    for (source, target) in mounts.filter_map(|mount| mount.strip_suffix(":ro")?.strip_prefix("./")?.split_once(':')) {
        mounted.push(target);
        let private = format!("/deploy/{source}/");
        assert!(ignored.lines().any(|line| line == private), "{private} could be committed");
    }
    assert_eq!(mounted, [folder, "/run/secrets"], "folders: a container keeps a file that is replaced outside");
}
