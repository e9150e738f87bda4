//! The Helm chart against the program and the plain manifests. `deploy/helm/check.py` renders it.

use super::container::image_variables;
use super::*;

const CHART: &str = "deploy/helm/prometheus-imstats-exporter";

fn template(name: &str) -> String {
    read(format!("{CHART}/templates/{name}"))
}

#[test]
fn the_chart_runs_the_program_as_it_is() {
    let set = template("statefulset.yaml");
    let help = help();
    for command in ["serve", "demo", "healthcheck", "check"] {
        assert!(help.lines().any(|line| line.trim_start().starts_with(&format!("{command} "))), "{command}");
    }
    assert!(set.contains(r#"ternary "demo" "serve""#));
    let port = port();
    assert!(set.contains(&format!("containerPort: {port}\n")));
    assert!(template("servicemonitor.yaml").contains(&format!("path: {}\n", default_of("--web.telemetry-path"))));
    // What the image expects, the pod mounts.
    for (variable, path) in image_variables().iter().filter(|(name, _)| name.starts_with("IMSTATS_")) {
        let folder = if variable.ends_with("_FILE") { Path::new(path).parent().unwrap() } else { Path::new(path) };
        assert!(set.contains(&format!("mountPath: {}", folder.display())), "{variable} is {path}");
    }
    let probe = "command: [/usr/bin/imstats_exporter, healthcheck]";
    assert!(template("_helpers.tpl").contains(probe));
    assert_eq!(set.matches(r#"include "imstats.probe""#).count(), 3);

    let values = document(format!("{CHART}/values.yaml"));
    assert_eq!(at(&values, "service.port").as_u64(), port.parse().ok());
    let plain = document("deploy/kubernetes/statefulset.yaml");
    let pod = at(&plain, "spec.template.spec");
    assert_eq!(values["podSecurityContext"], pod["securityContext"]);
    assert_eq!(values["securityContext"], *at(pod, "containers.0.securityContext"));
    assert_eq!(values["resources"], *at(pod, "containers.0.resources"));
    let policy = document("deploy/kubernetes/networkpolicy.yaml");
    assert_eq!(at(&values, "networkPolicy.from"), at(&policy, "spec.ingress.0.from"));
}

#[test]
fn every_value_is_used_and_every_value_that_is_used_is_there() {
    let templates: String = files(&format!("{CHART}/templates")).iter().map(read).collect();
    let values = document(format!("{CHART}/values.yaml"));
    let known: BTreeSet<_> = values.as_mapping().unwrap().keys().map(|key| key.as_str().unwrap()).collect();
    let word = |text: &str| text.chars().take_while(|c| c.is_alphanumeric()).collect::<String>();
    let used: BTreeSet<_> = templates.split(".Values.").skip(1).map(word).collect();
    assert_eq!(used.iter().map(String::as_str).collect::<BTreeSet<_>>(), known);
}

#[test]
fn the_chart_carries_the_dashboards_and_rules_of_the_tree() {
    for (link, file) in
        [("grafana/zh/wecom-kf.json", "grafana/zh/wecom-kf.json"), ("alerts.yaml", "prometheus/alerts.yaml")]
    {
        let path = root().join(CHART).join("files").join(link);
        assert_eq!(std::fs::canonicalize(path).unwrap(), std::fs::canonicalize(root().join(file)).unwrap());
    }
    assert!(template("prometheusrule.yaml").contains(r#".Files.Get "files/alerts.yaml""#));
    assert!(template("dashboards.yaml").contains(r#""en" "files/grafana" "zh" "files/grafana/zh""#));
}
