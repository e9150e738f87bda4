"""A whole dashboard: variables, rows laid out from left to right, annotations and links."""

from .panels import DATASOURCE, FAINT, WARN
from .promql import DAY
from .text import Text as T

#: Days are days in China.
ZONE = "Asia/Shanghai"
#: What the boards need. Pages of tables are of Grafana 12.2.
REQUIRES = [
    {"type": "grafana", "id": "grafana", "name": "Grafana", "version": "12.2.0"},
    {"type": "datasource", "id": "prometheus", "name": "Prometheus", "version": "1.0.0"},
]
KINDS = {"stat": "Stat", "timeseries": "Time series", "table": "Table", "bargauge": "Bar gauge", "text": "Text"}


def row(title, *panels, collapsed=False):
    return {"title": title, "panels": panels, "collapsed": collapsed}


def variable(name, label, query_text, *, many=True, every=True, hide=0, regex="", sort=1, all_value=".+"):
    """A drop-down. Without `every` the first value is chosen, not all of them."""
    made = {
        "type": "query", "name": name, "label": label, "datasource": DATASOURCE, "refresh": 2, "sort": sort, "hide": hide,
        "multi": many, "includeAll": many and every, "regex": regex, "options": [], "skipUrlSync": hide == 2,
        "query": {"query": query_text, "refId": "PrometheusVariableQueryEditor-VariableQuery", "qryType": 3 if query_text.startswith("query_result") else 1},
        "definition": query_text,
    }
    if many and all_value:
        made["allValue"] = all_value
    return made


def accounts(source):
    """The accounts that a source shows or should show. The first is chosen: two companies are not one."""
    return variable("account", T("Account", "账号"), f'label_values(imstats_source_up{{source=~"{source}"}}, account)', every=False)


def by_name(key, label, query_text, **more):
    """A drop-down that shows names and ids, and gives ids. The labels of an element come in the order of the alphabet."""
    shown, given = 'name="(?<text>[^"]+)', f'{key}="(?<value>[^"]+)'
    first, second = sorted((shown, given))
    return variable(more.pop("variable", key), label, f"query_result({query_text})", regex=f'/{first}".*{second}"/', **more)


def hidden(name, query_text, label):
    """A list that only queries use: the values of `label` of a query."""
    return variable(name, name, f"query_result({query_text})", hide=2, regex=f'/{label}="([^"]+)"/', all_value=None)


def people(metric, info, key):
    """Ids of a metric with their names, where there are names."""
    one = f'topk by (account, {key}) (1, {info}{{account=~"$account"}})'
    ids = f'max by (account, {key}) ({metric}{{account=~"$account"}})'
    return (f'max by ({key}, name) (label_join({one}, "name", " · ", "name", "{key}") and on (account, {key}) {ids}) '
            f'or on ({key}) max by ({key}, name) (label_join({ids}, "name", "", "{key}"))')


def annotations(sources):
    """Weekends in grey, and days of which a source has no figures though the platform should have had them."""
    def made(name, expr, color, text):
        step = "1h" if color == FAINT else "1d"
        return {"name": name, "datasource": DATASOURCE, "enable": True, "hide": True, "iconColor": color, "titleFormat": text,
                "target": {"refId": "Anno", "expr": expr, "datasource": DATASOURCE, "interval": step}}

    day = "day_of_week(vector(time() + 28800))"
    list_ = [made(T("Weekends", "周末"), f"{day} == 6 or {day} == 0", FAINT, T("Weekend", "周末"))]
    if sources:
        late = " or ".join(f"{source.about('target_timestamp_seconds', DAY)} unless on (account) ({source.about('stat_timestamp_seconds', DAY)} >= on (account) ({source.about('target_timestamp_seconds', DAY)}))"
                           for source in sources)
        list_.append(made(T("Days without figures", "缺数据的日期"), late, WARN, T("{{account}}: no figures of this day", "{{account}}：当日没有数据")))
    return list_


def dashboard(name, title, description, variables, rows, *, sources=(), span="now-30d", refresh="1h", zone=ZONE, tags=()):
    """The whole file, for `generate` to render in each language."""
    placed, top, number = [], 0, 0

    def place(panels, top):
        nonlocal number
        left, height, made = 0, 0, []
        for each in panels:
            each = dict(each)
            w, h = each.pop("size")
            if left + w > 24:
                left, top, height = 0, top + height, 0
            number += 1
            made.append({"id": number, **each, "gridPos": {"x": left, "y": top, "w": w, "h": h}})
            left, height = left + w, max(height, h)
        return made, top + height

    for each in rows:
        if each["title"]:
            number += 1
            head = {"id": number, "type": "row", "title": each["title"], "collapsed": each["collapsed"], "panels": [],
                    "gridPos": {"x": 0, "y": top, "w": 24, "h": 1}}
            placed.append(head)
            top += 1
        made, bottom = place(each["panels"], top)
        if each["collapsed"]:
            head["panels"] = made
        else:
            placed.extend(made)
            top = bottom
    select = {"type": "datasource", "name": "datasource", "label": T("Data source", "数据源"), "query": "prometheus",
              "refresh": 1, "hide": 0, "multi": False, "includeAll": False, "regex": "", "options": [],
              "skipUrlSync": False}
    tag = T("imstats", "imstats-zh")
    link = {"type": "dashboards", "title": T("Other boards", "其他看板"), "tags": [tag], "asDropdown": True,
            "includeVars": True, "keepTime": True, "targetBlank": False, "icon": "external link", "tooltip": "", "url": ""}
    kinds = sorted({each["type"] for row_ in rows for each in row_["panels"]})
    requires = REQUIRES + [{"type": "panel", "id": kind, "name": KINDS[kind], "version": ""} for kind in kinds]
    builtin = {"builtIn": 1, "datasource": {"type": "grafana", "uid": "-- Grafana --"}, "enable": True, "hide": True,
               "iconColor": "rgba(0, 211, 255, 1)", "name": "Annotations & Alerts", "type": "dashboard"}
    ranges = [{"from": start, "to": end, "display": shown} for start, end, shown in (
        ("now/w", "now", T("This week", "本周")), ("now-1w/w", "now-1w/w", T("Last week", "上周")), ("now/M", "now", T("This month", "本月")),
        ("now-1M/M", "now-1M/M", T("Last month", "上月")), ("now-30d", "now", T("30 days", "近 30 天")), ("now-90d", "now", T("90 days", "近 90 天")),
        ("now-180d", "now", T("180 days", "近 180 天")))]
    daily = refresh != "1m"
    return {
        "__requires": requires,
        "uid": "imstats-" + T(name, name + "-zh"), "title": title, "description": description, "tags": [tag, "prometheus", *tags],
        "schemaVersion": 42, "version": 1, "editable": True, "graphTooltip": 1, "timezone": zone, "weekStart": "monday",
        "fiscalYearStartMonth": 0, "liveNow": False, "refresh": refresh, "time": {"from": span, "to": "now"},
        "timepicker": {"quick_ranges": ranges} if daily else {},
        "annotations": {"list": [builtin, *(annotations(sources) if daily else [])]}, "links": [link], "preload": False,
        "templating": {"list": [select, *variables]}, "panels": placed,
    }


