//! The manifests of Kubernetes.

use super::container::image_variables;
use super::*;

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
    let policy = document("deploy/kubernetes/networkpolicy.yaml");
    assert_eq!(at(&policy, "spec.podSelector.matchLabels"), labels);
    assert_eq!(list(&policy, "spec.policyTypes"), ["Ingress"]);
    assert_eq!(text(&policy, "spec.ingress.0.ports.0.port"), text(container, "ports.0.name"));
    let kustomization = document("deploy/kubernetes/kustomization.yaml");
    assert!(list(&kustomization, "resources").iter().any(|resource| resource == "networkpolicy.yaml"));
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
