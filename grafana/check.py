#!/usr/bin/env python3
"""Runs every query of every dashboard against a real Prometheus, and promtool over the rules.

    python3 grafana/check.py [--binary FILE] [--days N]
        starts the demo and a Prometheus that scrapes it, for half a minute; needs Debian's package prometheus.
        With --days, N days of the demo's history are fetched and loaded first: then trends may not be empty either.
    python3 grafana/check.py --prometheus URL [--history]
        asks a Prometheus that is there.
    python3 grafana/check.py --cases
        only asks Prometheuses with made-up figures what the boards show of a late platform, two exporters, two accounts, foreign
        jobs, scrapes every 15 seconds, and nothing at all; see cases.py. The other ways do so too.

Exit status 1 if a query is refused, if a panel about now (any panel, with history) has no result, or if a case shows something else.
"""

import argparse
import datetime
import json
import pathlib
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request

sys.dont_write_bytecode = True  # this folder is what Grafana is pointed at

import cases  # noqa: E402

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent
#: These compare with, or add up, days that only history has.
NEED_HISTORY = re.compile(r"offset|\[7d:1d\]")


def ask(url, path, **params):
    """The result of an API call of Prometheus; its words if it refuses."""
    try:
        with urllib.request.urlopen(url + path, urllib.parse.urlencode(params, doseq=True).encode(), 60) as answer:
            return json.load(answer)["data"], None
    except urllib.error.HTTPError as error:
        return None, json.load(error).get("error", str(error))


def panels(dashboard):
    for panel in dashboard["panels"]:
        yield panel
        yield from panel.get("panels", [])


def seconds(duration):
    return int(duration[:-1]) * {"s": 1, "m": 60, "h": 3600, "d": 86400}[duration[-1]]


#: Panels that list what is wrong.
GOOD_IF_EMPTY = {
    "Fell silent", "不再联系客户的成员", "Most left", "退群最多的群主", "Alerts that fire", "正在触发的告警",
    "Calls that went wrong, since the start", "启动以来的异常调用",
}


class Check:
    def __init__(self, url, history, now=None):
        self.url, self.history = url, history
        self.now, self.span, self.full = now or time.time(), 30 * 86400, True
        self.faults, self.queries = [], 0

    def fault(self, *words):
        self.faults.append(": ".join(words))

    def variables(self, dashboard, file, chosen=()):
        """What Grafana puts in for each variable: all, or the first value, or what is `chosen`."""
        values = {}
        for variable in dashboard["templating"]["list"]:
            name = variable["name"]
            if variable["type"] == "textbox":
                values[name] = variable["query"]
            if variable["type"] != "query":
                continue
            options, error = self.options(variable, values)
            hidden = variable["hide"] == 2  # may be empty
            if error or (not options and not hidden and self.full):
                self.fault(file, "$" + name, error or "no values")
            if name in chosen:
                values[name] = chosen[name]
            elif variable["includeAll"]:
                values[name] = variable.get("allValue") or "(" + "|".join(options) + ")"
            else:
                values[name] = (options or ["()" if variable["multi"] else ""])[0]
        return values

    def options(self, variable, values):
        query = self.fill(variable["query"]["query"], values)
        if matched := re.fullmatch(r"label_values\((.+), (\w+)\)", query):
            found, error = ask(self.url, "/api/v1/series", **{"match[]": matched[1], "start": self.now - 600, "end": self.now})
            return sorted({series[matched[2]] for series in found or [] if matched[2] in series}), error
        inner = re.fullmatch(r"query_result\((.+)\)", query)[1]
        found, error = ask(self.url, "/api/v1/query", query=inner, time=self.now)
        pattern = re.compile(variable["regex"].strip("/").replace("(?<", "(?P<"))
        texts = ("{" + ",".join(f'{key}="{value}"' for key, value in sorted(series["metric"].items())) + "}"
                 for series in (found or {"result": []})["result"])
        matches = filter(None, map(pattern.search, texts))
        return list(dict.fromkeys(each.groupdict().get("value") or each[1] for each in matches)), error

    def fill(self, expr, values):
        own = {"__rate_interval": "1m", "__range": f"{self.span}s"}
        return re.sub(r"\$(\w+)", lambda found: values.get(found[1], own.get(found[1], found[0])), expr)

    def shows(self, board, title, ref, **chosen):
        """What a panel of a board shows now for a query: values by the labels of their elements."""
        dashboard = json.loads((HERE / f"{board}.json").read_text("utf-8"))
        values = self.variables(dashboard, board, chosen)
        expr = next(target["expr"] for panel in panels(dashboard) if panel["title"] == title for target in panel["targets"] if target["refId"] == ref)
        found, error = ask(self.url, "/api/v1/query", query=self.fill(expr, values), time=self.now)
        if error:
            sys.exit(f"{board}, {title}, {ref}: {error}")
        return {tuple(sorted(series["metric"].items())): float(series["value"][1]) for series in found["result"]}

    def dashboard(self, path):
        file = str(path.relative_to(HERE))
        dashboard = json.loads(path.read_text("utf-8"))
        values = self.variables(dashboard, file, self.busy_member() if path.stem == "wecom-person" else ())
        span = seconds(dashboard["time"]["from"].removeprefix("now-"))
        for panel in panels(dashboard):
            shown = [self.query(file, panel["title"], target, self.fill(target["expr"], values), span) for target in panel.get("targets", [])]
            own = path.stem == "exporter-health"
            if shown and not any(shown) and (self.history or own) and panel["title"] not in GOOD_IF_EMPTY:
                self.fault(file, panel["title"], "nothing in any of its queries")

    def busy_member(self):
        """A member of the demo who owns groups and serves customers, too."""
        both = 'label_replace(max by (owner) (wecom_groupchat_owner_members), "userid", "$1", "owner", "(.*)") and on (userid) max by (userid) (wecom_kf_servicer_sessions)'
        found, _ = ask(self.url, "/api/v1/query", query=both, time=self.now)
        return {"userid": found["result"][0]["metric"]["userid"]} if found and found["result"] else {}

    def query(self, file, title, target, expr, span):
        self.queries += 1
        # Of the exporter's own figures there is no history to load, and none is needed; steps as short as its scrapes.
        own = file.endswith("exporter-health.json")
        if own:
            span = 300
        if target["instant"]:
            found, error = ask(self.url, "/api/v1/query", query=expr, time=self.now)
        else:
            step = max(seconds(target.get("interval", "2s" if own else "15s")), span // 1000)
            end = self.now // step * step
            found, error = ask(self.url, "/api/v1/query_range", query=expr, start=end - span, end=end, step=step)
        where = f"{file}, {title}, {target['refId']}"
        if error:
            self.fault(where, error, expr)
            return False
        values = [value[1] for series in found["result"] for value in series.get("values", [series.get("value")])]
        # What is shown only in one case of several, such as a figure in the colour of its goal.
        either = re.search(r" (unless|and) |[<>]=? |ALERTS", expr)
        expected = not either and (self.history or own or (target["instant"] and not NEED_HISTORY.search(expr)))
        if expected:
            if not values:
                self.fault(where, "no result", expr)
            elif all(value in ("NaN", "+Inf", "-Inf") for value in values):
                self.fault(where, f"only {values[0]}", expr)
        return bool(values)

    def run(self):
        for path in sorted(HERE.glob("*.json")) + sorted(HERE.glob("zh/*.json")):
            self.dashboard(path)


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def wait_for(what, done, patience=60):
    end = time.time() + patience
    while time.time() < end:
        try:
            if done():
                return
        except (OSError, ValueError):
            pass
        time.sleep(0.5)
    sys.exit(f"{what}: not within {patience} s")


#: The demo's company, and the one whose history is loaded.
USERS = ["--users", "60"]


def load_history(binary, days, folder, data):
    """Makes blocks in `data` of the last `days` days of the demo's company."""
    platforms = subprocess.Popen([binary, "simulate", *USERS, "--no-limits", "--listen", f"127.0.0.1:{free_port()}"],
                               stdout=(folder / "exporter.yaml").open("wb"), stderr=subprocess.DEVNULL)
    try:
        wait_for("the platforms' configuration", lambda: "agent_statistics" in (folder / "exporter.yaml").read_text())
        today = datetime.datetime.now(datetime.timezone(datetime.timedelta(hours=8))).date()
        span = ["--from", str(today - datetime.timedelta(days)), "--to", str(today - datetime.timedelta(1))]
        ours = [f"--config.file={folder}/exporter.yaml", f"--storage.path={folder}/store"]
        for command in ([binary, "backfill", *span, *ours],
                        [binary, "export", *span, *ours, "--output", f"{folder}/history.om"],
                        ["promtool", "tsdb", "create-blocks-from", "openmetrics", "--max-block-duration=720h",
                         f"{folder}/history.om", str(data)]):
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    finally:
        platforms.send_signal(signal.SIGINT)
        platforms.wait(20)


def with_demo(binary, days, check):
    """Starts the demo and a Prometheus, and checks against it."""
    demo_port, prometheus_port = free_port(), free_port()
    page = f"http://127.0.0.1:{demo_port}/metrics"
    url = f"http://127.0.0.1:{prometheus_port}"
    started = []
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        (folder / "prometheus.yml").write_text(json.dumps({
            "global": {"scrape_interval": "2s"},
            "scrape_configs": [{"job_name": "imstats_exporter",
                                "static_configs": [{"targets": [f"127.0.0.1:{demo_port}"]}]}]}))
        data = folder / "data"
        if days:
            load_history(binary, days, folder, data)
        try:
            quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
            started.append(subprocess.Popen([binary, "demo", *USERS, "--web.listen-address", f"127.0.0.1:{demo_port}"], **quiet))
            wait_for("the demo's figures", lambda: urllib.request.urlopen(page, None, 5).read().count(b"imstats_source_stat_timestamp_seconds{") == 6)
            started.append(subprocess.Popen(
                ["prometheus", f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={data}",
                 "--storage.tsdb.retention.time=2y", f"--web.listen-address=127.0.0.1:{prometheus_port}"], **quiet))
            # Rates need a few scrapes.
            wait_for("Prometheus and its first scrapes", lambda: int(ask(
                url, "/api/v1/query", query="sum(count_over_time(imstats_source_up[1m]))")[0]["result"][0]["value"][1]) >= 6 * 5
                if ask(url, "/api/v1/query", query="imstats_source_up")[0]["result"] else False)
            return check(url)
        finally:
            for process in started:
                process.send_signal(signal.SIGTERM)
            for process in started:
                process.wait(20)


def rules():
    """promtool over the rules and their tests."""
    folder = ROOT / "prometheus"
    commands = [["promtool", "check", "rules", *map(str, sorted(folder.glob("alerts*.yaml")))],
                ["promtool", "test", "rules", *map(str, sorted((folder / "tests").glob("*.yaml")))]]
    return all([subprocess.run(command, check=False).returncode == 0 for command in commands])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prometheus", metavar="URL", help="a Prometheus that scrapes an exporter")
    parser.add_argument("--history", action="store_true", help="it holds history, so that no panel may be empty")
    parser.add_argument("--binary", default=str(ROOT / "target/debug/imstats_exporter"), help="the exporter to start")
    parser.add_argument("--days", type=int, default=0, help="days of history for the Prometheus that is started")
    parser.add_argument("--cases", action="store_true", help="only the made-up cases")
    given = parser.parse_args()

    def check(url):
        made = Check(url, given.history or given.days > 0)
        made.run()
        return made

    if given.cases:
        faults = cases.check(Check)
        print(*faults, f"{len(faults)} faults", sep="\n")
        return 1 if faults else 0
    made = check(given.prometheus) if given.prometheus else with_demo(given.binary, given.days, check)
    made.faults += cases.check(Check)
    for fault in made.faults:
        print(fault)
    print(f"{made.queries} queries, {len(made.faults)} faults")
    return 0 if rules() and not made.faults else 1


if __name__ == "__main__":
    sys.exit(main())
