#!/usr/bin/env python3
"""Renders the chart with Helm's own code, and holds what comes out against the schemas of Kubernetes, the plain manifests of
deploy/kubernetes, and the program.

    pip install -r deploy/helm/requirements.txt
    python3 deploy/helm/check.py --binary target/debug/imstats_exporter
"""

import argparse
import json
import pathlib
import subprocess
import sys
import tempfile

import helm_python
import kubernetes_validate
import yaml
from helm_python.errors import HelmError

ROOT = pathlib.Path(__file__).resolve().parents[2]
CHART = ROOT / "deploy/helm/prometheus-imstats-exporter"
# The oldest that Chart.yaml takes, and the newest whose schemas are there.
VERSIONS = ["1.27.0", "1.31.0", "1.35.0"]
# Kinds of the Prometheus operator, whose schemas are not in those of Kubernetes.
OPERATOR = {"ServiceMonitor", "PrometheusRule"}
CONFIG = {"wecom": [{"account": "acme", "corp_id": "wwd08c8exxxx5ab44",
                     "secret": {"file": "/run/secrets/imstats/wecom"}, "contact": {"departments": "all"}}]}
ALL = {
    "config": CONFIG, "existingSecret": "imstats-exporter", "webConfig": {"enabled": True},
    "imagePullSecrets": [{"name": "registry"}], "image": {"digest": "sha256:" + "0" * 64},
    "podAnnotations": {"a": "b"}, "podLabels": {"c": "d"}, "service": {"annotations": {"e": "f"}},
    "serviceAccount": {"annotations": {"g": "h"}}, "extraArgs": ["--log.level=debug"],
    "extraEnv": [{"name": "HTTPS_PROXY", "value": "http://proxy.example:3128"}],
    "extraVolumes": [{"name": "ca", "configMap": {"name": "company-ca"}}],
    "extraVolumeMounts": [{"name": "ca", "mountPath": "/etc/company", "readOnly": True}],
    "persistence": {"storageClass": "fast", "annotations": {"i": "j"}},
    "serviceMonitor": {"enabled": True, "labels": {"release": "kube-prometheus-stack"}, "scrapeTimeout": "30s",
                       "tlsConfig": {"insecureSkipVerify": True},
                       "basicAuth": {"username": {"name": "scrape", "key": "user"}}},
    "prometheusRule": {"enabled": True, "labels": {"release": "kube-prometheus-stack"}},
    "dashboards": {"enabled": True, "languages": ["en", "zh"], "namespace": "monitoring", "annotations": {"k": "l"}},
    "networkPolicy": {"enabled": True}, "nodeSelector": {"disk": "ssd"}, "affinity": {"podAntiAffinity": {}},
    "tolerations": [{"key": "batch", "operator": "Exists"}],
}
CASES = {
    "a configuration": {"config": CONFIG, "existingSecret": "imstats-exporter"},
    "a ConfigMap of one's own, no volume": {"existingConfigMap": "mine", "persistence": {"enabled": False}},
    "demo": {"demo": True},
    "everything": ALL,
}


def fail(what: str) -> None:
    sys.exit(f"deploy/helm/check.py: {what}")


def render(chart: helm_python.Chart, values: dict) -> list[dict]:
    files = chart.render(values, name="prod", namespace="imstats")
    texts = [text for path, text in sorted(files.items()) if path.endswith(".yaml")]
    return [document for text in texts for document in yaml.safe_load_all(text) if document]


def one(documents: list[dict], kind: str) -> dict:
    found = [document for document in documents if document["kind"] == kind]
    if len(found) != 1:
        fail(f"{len(found)} of kind {kind}")
    return found[0]


def same(what: str, ours: object, theirs: object) -> None:
    if ours != theirs:
        fail(f"{what}: the chart has {ours}, deploy/kubernetes {theirs}")


def plain(name: str) -> dict:
    return yaml.safe_load((ROOT / "deploy/kubernetes" / name).read_text())


def agree_with_plain_manifests(documents: list[dict]) -> None:
    ours = one(documents, "StatefulSet")["spec"]["template"]["spec"]
    theirs = plain("statefulset.yaml")["spec"]["template"]["spec"]
    for key in ["securityContext", "automountServiceAccountToken", "enableServiceLinks", "terminationGracePeriodSeconds"]:
        same(key, ours[key], theirs[key])
    ours, theirs = ours["containers"][0], theirs["containers"][0]
    for key in ["securityContext", "resources", "ports"]:
        same(key, ours[key], theirs[key])
    same("args", ours["args"][:2], theirs["args"])
    same("mounts", ours["volumeMounts"][:3], theirs["volumeMounts"])
    for probe in ["startupProbe", "readinessProbe", "livenessProbe"]:
        for key in ["periodSeconds", "failureThreshold"]:
            same(f"{probe}.{key}", ours[probe].get(key), theirs[probe].get(key))
    policy, theirs = one(documents, "NetworkPolicy")["spec"], plain("networkpolicy.yaml")["spec"]
    same("NetworkPolicy", policy["ingress"], theirs["ingress"])
    ports, theirs = one(documents, "Service")["spec"], plain("service.yaml")["spec"]
    same("Service", (ports["ports"], ports["clusterIP"]), (theirs["ports"], theirs["clusterIP"]))


def agree_with_each_other(documents: list[dict]) -> None:
    set_, service = one(documents, "StatefulSet"), one(documents, "Service")
    labels = set_["spec"]["template"]["metadata"]["labels"]
    selectors = [set_["spec"]["selector"]["matchLabels"], service["spec"]["selector"]]
    selectors += [d["spec"]["podSelector"]["matchLabels"] for d in documents if d["kind"] == "NetworkPolicy"]
    for selector in selectors:
        if not selector.items() <= labels.items():
            fail(f"{selector} does not select {labels}")
    for monitor in (d for d in documents if d["kind"] == "ServiceMonitor"):
        if not monitor["spec"]["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items():
            fail("the ServiceMonitor does not select the Service")
    same("serviceName", set_["spec"]["serviceName"], service["metadata"]["name"])
    if not service["metadata"]["name"].startswith("imstats"):
        fail("the alert rules go by a job that begins with imstats")
    pod = set_["spec"]["template"]["spec"]
    volumes = {volume["name"] for volume in pod["volumes"]}
    volumes |= {claim["metadata"]["name"] for claim in set_["spec"].get("volumeClaimTemplates", [])}
    same("volumes", {mount["name"] for mount in pod["containers"][0]["volumeMounts"]}, volumes)


def known_to_the_program(binary: pathlib.Path, documents: list[dict]) -> None:
    run = lambda *args, **more: subprocess.run([binary, *args], capture_output=True, text=True, timeout=60, **more)
    container = one(documents, "StatefulSet")["spec"]["template"]["spec"]["containers"][0]
    # `--help` reads all flags before it, and refuses one that it does not know.
    for args in [container["args"], container["startupProbe"]["exec"]["command"][1:]]:
        done = run(*args, "--help")
        if done.returncode:
            fail(f"{args}: {done.stderr}")
    help_ = run("--help").stdout
    for variable in container.get("env", []):
        if variable not in ALL["extraEnv"] and f"[env: {variable['name']}=" not in help_:
            fail(f"the program does not know {variable['name']}")
    if f":{container['ports'][0]['containerPort']}]" not in help_:
        fail("the program listens on another port")
    maps = [d for d in documents if d["kind"] == "ConfigMap" and "exporter.yaml" in d["data"]]
    with tempfile.TemporaryDirectory() as folder:
        (pathlib.Path(folder) / "wecom").write_text("a-secret-of-some-length")
        for map_ in maps:
            file = pathlib.Path(folder) / "exporter.yaml"
            file.write_text(map_["data"]["exporter.yaml"].replace("/run/secrets/imstats", folder))
            done = run("check", "--config.file", file, "--storage.path", "")
            if done.returncode:
                fail(done.stderr)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--binary", type=pathlib.Path, required=True)
    binary = parser.parse_args().binary.resolve()
    with helm_python.Chart.load(CHART) as chart:
        for name, values in CASES.items():
            report = helm_python.lint(CHART, values, strict=True)
            if report["errors"] or any(message["severity"] > 1 for message in report["messages"]):
                fail(f"{name}: {json.dumps(report, indent=1)}")
            documents = render(chart, values)
            checked = [document for document in documents if document["kind"] not in OPERATOR]
            for document in checked:
                for version in VERSIONS:
                    try:
                        kubernetes_validate.validate(document, version, strict=True)
                    except kubernetes_validate.ValidationError as error:
                        fail(f"{name}: {document['kind']} in Kubernetes {version}: {error.message}")
            agree_with_each_other(documents)
            known_to_the_program(binary, documents)
            print(f"{name}: {len(checked)} documents valid in Kubernetes {', '.join(VERSIONS)}")
        everything = render(chart, ALL)
        agree_with_plain_manifests(everything)
        rules = one(everything, "PrometheusRule")["spec"]
        same("rules", rules, yaml.safe_load((ROOT / "prometheus/alerts.yaml").read_text()))
        for path in [*ROOT.glob("grafana/*.json"), *ROOT.glob("grafana/zh/*.json")]:
            key = f"{path.stem}{'-zh' if path.parent.name == 'zh' else ''}.json"
            maps = [d for d in everything if d["kind"] == "ConfigMap" and key in d["data"]]
            if len(maps) != 1 or json.loads(maps[0]["data"][key]) != json.loads(path.read_text()):
                fail(f"{key} is in {len(maps)} ConfigMaps, or another dashboard")
            if maps[0]["metadata"]["labels"]["grafana_dashboard"] != "1" or len(maps[0]["data"][key]) > 2**20 - 4096:
                fail(f"{key} is not found by Grafana's sidecar, or too large for a ConfigMap")
        for values in [{}, {"config": CONFIG, "webConfig": {"enabled": True}}]:
            try:
                render(chart, values)
            except HelmError as error:
                print(f"refused: {str(error).splitlines()[0][-110:]}")
            else:
                fail(f"{values} should be refused")


if __name__ == "__main__":
    main()
