"""Made-up companies, and what the boards must show of each.

Their figures are written to blocks of a Prometheus that scrapes nothing and is asked as of a fixed time: Wednesday, 18 November 2026,
14:00 in China. Every company wins 100 customers and loses 10 on each day of five weeks; two members, of whom one replies to all.
"""

import contextlib
import json
import pathlib
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request

DAY, HOUR = 86400, 3600
#: 14:00 in China; and the midnight of the day before, of which figures are shown.
NOW = 1794981600
SHOWN = NOW - 14 * HOUR - DAY

FIGURES = {
    "wecom_contact_user_{}": ("userid", {"anna": 60, "bao": 40}),
    "wecom_contact_department_{}": ("partyid", {"1": 100, "2": 100}),
}


def company(account, instances=("a:10101",), step=HOUR, late=False, departments=True):
    """The lines of a company, by metric and labels: (second, value)."""
    series = {}

    def add(metric, labels, points):
        for instance in instances:
            of_account = {} if metric in ("up", "imstats_build_info") else {"account": account}
            whole = {"job": "imstats", "instance": instance, **of_account, **labels}
            series[metric, tuple(sorted(whole.items()))] = points

    def page(value, dense=False):
        """A value on the page of each day, from 06:10 of the next one until 06:00 of the one after."""
        points = []
        for back in range(36, -1, -1):
            start = SHOWN - back * DAY + DAY + 6 * HOUR + 600
            end = min(start + DAY - 600, NOW + 60)
            if late and back == 0:  # the day has not come, and the one before is gone at 07:50
                break
            every = min(step, 240) if back < 2 else HOUR  # live, and loaded history
            points += [(second, value(SHOWN - back * DAY)) for second in range(start, end, every)]
        return points

    for prefix, (label, subjects) in FIGURES.items():
        if label == "partyid" and not departments:
            continue
        for subject, share in subjects.items():
            labels = {label: subject}
            for field, figure in (("new_contacts", share), ("lost_customers", share / 10), ("active_chats", share), ("messages_sent", 5 * share),
                                  ("friend_requests_sent", share), ("first_reply_average_seconds", 600),
                                  ("replied_chats_ratio", 0.95 if label == "partyid" else 1 if subject == "anna" else 0.5)):
                add(prefix.format(field), labels, page(lambda _, figure=figure: figure))
    source = {"source": "wecom_contact"}
    recent = range(NOW - DAY, NOW + 60, min(step, 240))
    add("imstats_source_stat_timestamp_seconds", source, page(lambda day: day))
    add("imstats_source_target_timestamp_seconds", source, [(second, SHOWN) for second in recent])
    add("imstats_source_up", source, [(second, 0 if late else 1) for second in recent])
    add("imstats_build_info", {"version": "0", "revision": "0"}, [(second, 1) for second in recent])
    add("up", {}, [(second, 1) for second in recent])
    for state, count in (("ok", 0 if late else 4), ("failed", 4 if late else 0)):
        add("imstats_source_targets", {**source, "state": state}, [(second, count) for second in recent])
    return series


def openmetrics(series):
    """The text of `series`, families together."""
    lines, metric = [], None
    for name, labels in sorted(series):
        if name != metric:
            lines.append(f"# TYPE {name} unknown")
            metric = name
        text = ",".join(f'{label}="{value}"' for label, value in labels)
        lines += [f"{name}{{{text}}} {value} {second}" for second, value in series[name, labels]]
    return "\n".join([*lines, "# EOF", ""])


@contextlib.contextmanager
def prometheus(series):
    """The address of a Prometheus with those series."""
    with tempfile.TemporaryDirectory() as folder, socket.socket() as listener:
        folder = pathlib.Path(folder)
        (folder / "prometheus.yml").write_text(json.dumps({"scrape_configs": []}))
        if series:
            (folder / "series").write_text(openmetrics(series))
            subprocess.run(["promtool", "tsdb", "create-blocks-from", "openmetrics", "--max-block-duration=2160h", str(folder / "series"), str(folder / "data")],
                           check=True, stdout=subprocess.DEVNULL)
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
        listener.close()
        running = subprocess.Popen(["prometheus", f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data", "--storage.tsdb.retention.time=100y",
                                    f"--web.listen-address=127.0.0.1:{port}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        url = f"http://127.0.0.1:{port}"
        try:
            for _ in range(120):
                with contextlib.suppress(OSError):
                    urllib.request.urlopen(url + "/-/ready", None, 5)
                    break
                time.sleep(0.5)
            yield url
        finally:
            running.terminate()
            running.wait(30)


def check(made):
    """What is wrong; `made` makes a `Check` of check.py."""
    faults = []

    def expect(what, found, wanted):
        values = sorted(round(value, 3) for value in found.values())
        if values != sorted(wanted):
            faults.append(f"case {what}: shows {values}, not {sorted(wanted)}")

    foreign = {("up", (("instance", "db:9100"), ("job", "node"))): [(second, 1) for second in range(NOW - DAY, NOW + 60, 240)]}
    series = {**company("acme"), **company("late", late=True), **company("pair", instances=("a:10101", "b:10101")), **company("dense", step=15),
              **company("plain", departments=False), **foreign}
    contact, health = "wecom-contact", "exporter-health"
    with prometheus(series) as url:
        ask = made(url, False, NOW)
        # One account is chosen at first, not all; two are added up; of two exporters one counts; the rhythm of scrapes changes nothing.
        for what, chosen, won in (("first account", {}, 100), ("two accounts", {"account": "(acme|dense)"}, 200), ("exporter pair", {"account": "pair"}, 100),
                                  ("15 s scrapes", {"account": "dense"}, 100), ("no departments", {"account": "plain"}, 100)):
            expect(what, ask.shows(contact, "New customers", "A", **chosen), [won])
            # 0 % against the usual weekday, in the colour of neither good nor bad.
            expect(what + ", usual weekday", ask.shows(contact, "New customers", "B", **chosen), [])
            expect(what + ", usual weekday", ask.shows(contact, "New customers", "C", **chosen), [0])
            expect(what + ", 7 days", ask.shows(contact, "New customers", "D", **chosen), [7 * won])
        # The platform's own share, not the median of members; the median where there is no department.
        expect("company's own share", ask.shows(contact, "Replied chats", "A"), [0.95])
        expect("median of members", ask.shows(contact, "Replied chats", "C", account="plain"), [0.75])
        expect("days on goal", ask.shows(contact, "Replied chats", "G"), [7])
        # The day that is late is nowhere, and the one before is not taken for it.
        late = {"account": "late"}
        expect("late, tile", ask.shows(contact, "New customers", "A", **late), [])
        expect("late, freshness", ask.shows(contact, "Freshness", "B", **late), [-1])
        expect("late, not answered", ask.shows(contact, "Freshness", "C", **late), [4])
        expect("late, 7 days", ask.shows(contact, "New customers", "D", **late), [600])
        # Health: our exporters only; what shows no day is late; a target of two exporters is one; the worst source first.
        expect("foreign job", ask.shows(health, "Exporters", "A"), [1, 1])
        expect("late sources", {(): sum(ask.shows(health, "Late sources", "A").values())}, [1])
        expect("targets of a pair", {(): ask.shows(health, "Targets by state", "A", instance=".+")[("state", "ok"),]}, [16])
        ranks = ask.shows(health, "How each source stands", "A")
        worst = max(ranks, key=ranks.get)
        if dict(worst)["account"] != "late":
            faults.append(f"case order of sources: {worst} is first")
    # Nothing at all: no query fails, and none has anything to show; "none lost" would be a lie.
    with prometheus({}) as url:
        ask = made(url, False, NOW)
        ask.full = False
        for path in sorted(pathlib.Path(__file__).parent.glob("*.json")):
            dashboard = json.loads(path.read_text("utf-8"))
            values = ask.variables(dashboard, path.name)
            for panel in (each for top in dashboard["panels"] for each in [top, *top.get("panels", [])]):
                for target in panel.get("targets", []):
                    if target["expr"].startswith("vector("):  # a goal
                        continue
                    body = urllib.parse.urlencode({"query": ask.fill(target["expr"], values), "time": NOW}).encode()
                    found = json.load(urllib.request.urlopen(url + "/api/v1/query", body, 30))["data"]["result"]
                    if found:
                        faults.append(f"case nothing at all: {path.name}, {panel['title']}, {target['refId']} shows {found}")
        faults += ask.faults
    return faults
