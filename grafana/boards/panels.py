"""Panels, rows and dashboards in Grafana's classic JSON.

A panel is made without its place; `dashboard` lays rows out from left to right and numbers what is in them.
"""

import re

from .promql import selector
from .text import Text as T

DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
#: The same colour for the same thing on every dashboard.
GOOD, BAD, WARN, PLAIN = "green", "red", "orange", "blue"
#: For what is neither: a grey that can be read on a dark and on a light page.
FAINT = "#8a8f98"
NOTHING = T("No figures", "暂无数据")
#: Units that read alike in both languages, or are said in both. A count is written out, a length of time as 00:01:30;
#: on an axis, where either would make odd steps, counts are short and times are divided.
COUNT, TIME = "locale", "dthms"
SECONDS, MINUTES, HOURS = (T(f"suffix: {en}", f"suffix: {zh}") for en, zh in (("s", "秒"), ("min", "分钟"), ("h", "小时")))
#: Of the exporter itself, from milliseconds to days.
SPAN = T("s", TIME)
#: Days are days in China; see `day_shown` for sources elsewhere.
ZONE = "Asia/Shanghai"


def steps(*pairs):
    """Thresholds: the first colour holds from below, each other from its value."""
    first, *rest = pairs
    rest = [{"color": color, "value": value} for value, color in rest]
    return {"mode": "absolute", "steps": [{"color": first, "value": None}, *rest]}


def query(expr, legend="", ref="A", instant=False, table=False):
    target = {"datasource": DATASOURCE, "refId": ref, "expr": expr, "legendFormat": legend, "editorMode": "code"}
    target.update({"instant": True, "range": False} if instant else {"instant": False, "range": True})
    if table:
        target["format"] = "table"
    return target


def queries(pairs):
    """Range queries of (legend, expression) pairs, named A, B, ..."""
    return [query(expr, legend, chr(ord("A") + n)) for n, (legend, expr) in enumerate(pairs)]


def override(matcher, value, **properties):
    props = [{"id": key.replace("__", "."), "value": item} for key, item in properties.items()]
    return {"matcher": {"id": matcher, "options": value}, "properties": props}


def panel(kind, title, what, targets, size, unit, options, *, bad=None, overrides=(), custom=None, **defaults):
    """A panel with its description: what is measured, what bad looks like, and from which metrics."""
    about = what + ("\n\n" + bad if bad else "")
    metrics = sorted({name for t in targets for name in re.findall(r"\b([a-z_]{4,})\{", t["expr"])})
    figures = [name for name in metrics if not name.startswith("imstats_") and not name.endswith("_info")]
    about = about + T("\n\nFrom ", "\n\n数据来自 ") + ", ".join(f"`{name}`" for name in figures or metrics) + T(".", "。")
    defaults = {"unit": unit, "noValue": NOTHING, **{k: v for k, v in defaults.items() if v is not None}}
    if custom:
        defaults["custom"] = custom
    return {
        "type": kind, "title": title, "description": about, "datasource": DATASOURCE, "size": size,
        "targets": targets, "options": options,
        "fieldConfig": {"defaults": defaults, "overrides": list(overrides)},
    }


def stat(title, what, targets, size, unit, *, bad=None, mappings=None, thresholds=None, text_mode="auto",
         color="value", horizontal=False, **more):
    options = {
        "colorMode": color, "graphMode": "none", "justifyMode": "auto", "textMode": text_mode, "wideLayout": True,
        "orientation": "horizontal" if horizontal else "auto", "showPercentChange": False,
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        "text": {"titleSize": 13, "valueSize": 22},
    }
    thresholds = thresholds or steps(PLAIN)
    return panel("stat", title, what, targets, size, unit, options, bad=bad, mappings=mappings,
                 thresholds=thresholds, color={"mode": "thresholds"}, **more)


def tile(source, title, what, figure, unit, *, bad=None, rising=None, points=False, small=False, size=(4, 5),
         decimals=None):
    """A figure that matters: as it is, against the day before, and against the same weekday a week before.

    `figure` makes the expression from a point of view; `rising` says whether more is GOOD or BAD; `points` compares
    shares by their difference, and `small` counts that are often 0.
    """
    def change(days):
        now, then = (figure(when) for when in source.against(days))
        if small:
            return f"({now}) - ({then})"
        return f"100 * (({now}) - ({then}))" if points else f"({now}) / (({then}) > 0) - 1"

    down, up = {GOOD: (BAD, GOOD), BAD: (GOOD, BAD), None: (FAINT, FAINT)}[rising]
    least = 0.5 if points or small else 0.005
    compared = {
        "unit": T("suffix: pp", "suffix: 个百分点") if points else unit if small else "percentunit",
        "decimals": 0 if small else 1,
        "thresholds": steps(down, (-least, FAINT), (least, up)),
    }
    targets = [
        query(figure(source.now), T("that day", "当日"), "A", instant=True),
        query(change(1), T("vs day before", "较前一日"), "B", instant=True),
        query(change(7), T("vs week before", "较上周同日"), "C", instant=True),
    ]
    note = T("Below it: the change against the day before and against the same weekday a week before; "
             "blank where those days have no figures.",
             "下方为较前一日、较上周同一日的变化；对比日没有数据时留空。")
    about = what + "\n\n" + note
    overrides = [override("byFrameRefID", ref, **compared) for ref in "BC"]
    return stat(title, about, targets, size, unit, bad=bad, decimals=decimals, overrides=overrides,
                text_mode="value_and_name", horizontal=True)


#: The first line of a panel, where it is of all and the others are of parts.
THICK = override("byFrameRefID", "A", custom__lineWidth=4)
LEGEND = {"displayMode": "list", "placement": "bottom", "showLegend": True, "calcs": []}


def timeseries(title, what, pairs, size, unit, *, bad=None, bars=False, stack=False, many=False, colors=None, daily=True,
               per=1, **more):
    """Trends: bars, one a day, or lines that step from day to day; not `daily`: of the exporter at work.

    `per` divides the figures, so that an axis of minutes or hours has even steps.
    """
    if per != 1:
        pairs = [(legend, f"({expr}) / {per}") for legend, expr in pairs]
    custom = {
        "lineWidth": 0 if bars else 2, "fillOpacity": 75 if bars else (30 if stack else 0),
        "drawStyle": "bars" if bars else "line", "lineInterpolation": "stepAfter" if daily else "linear", "showPoints": "never",
        "spanNulls": False, "axisBorderShow": False, "barWidthFactor": 0.7, "barAlignment": 1 if bars else 0,
        "stacking": {"mode": "normal" if stack else "none", "group": "A"},
    }
    legend = dict(LEGEND)
    if many:
        legend = {**legend, "displayMode": "table", "placement": "right", "calcs": ["lastNotNull", "mean"]}
    if not many and len(pairs) == 1 and "{{" not in str(getattr(pairs[0][0], "words", pairs[0][0])):
        legend["showLegend"] = False
    overrides = [
        override("byFrameRefID", chr(ord("A") + n), color={"mode": "fixed", "fixedColor": color})
        for n, color in enumerate(colors or ()) if color
    ]
    options = {"legend": legend, "tooltip": {"mode": "multi", "sort": "desc"}}
    for series, color in more.pop("named", {}).items():
        overrides.append(override("byName", series, color={"mode": "fixed", "fixedColor": color}))
    below = more.pop("below", None)
    if below:
        overrides.append(override("byFrameRefID", below, custom__transform="negative-Y"))
    # A finer step of a line would show nothing more, and thousands of people cost their time at each.
    interval = ("1d" if bars else "8h") if daily else None
    custom.update(more.pop("custom", {}))
    legend.update(more.pop("legend", {}))
    made = panel("timeseries", title, what, queries(pairs), size, unit, options, bad=bad, custom=custom,
                 overrides=overrides + list(more.pop("overrides", ())), color={"mode": "palette-classic"},
                 **{"min": 0, **more})
    for target in made["targets"]:
        if interval:
            target["interval"] = interval
    return made


def bargauge(title, what, expr, legend, size, unit, *, bad=None, thresholds=None, above=False,
             **more):
    """A short ranking, longest bar first as the query sorts it; `above` the bars is room for long names."""
    options = {
        "displayMode": "basic", "orientation": "horizontal", "showUnfilled": True, "valueMode": "color",
        "namePlacement": "top" if above else "left", "sizing": "auto", "minVizHeight": 14, "minVizWidth": 8, "maxVizHeight": 44 if above else 32,
        "text": {"titleSize": 12, "valueSize": 13},
        "legend": {"showLegend": False, "displayMode": "list", "placement": "bottom", "calcs": []},
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
    }
    return panel("bargauge", title, what, [query(expr, legend, instant=True)], size, unit, options, bad=bad,
                 thresholds=thresholds or steps(PLAIN), color={"mode": "thresholds"}, **{"min": 0, **more})


#: What a cell shows where there is no figure, in no colour that would judge it.
MISSING = {"type": "special", "options": {"match": "null", "result": {"text": "–", "color": FAINT, "index": 9}}}


#: Of the columns of labels. Ids of Desk's agents are mail addresses.
WIDTHS = {"account": 85, "source": 195, "partyid": 125, "team_name": 120, "agent": 205, "app_id": 190, "open_kfid": 245, "department_id": 310}


def column(title, expr, unit="none", **properties):
    """A column of a table: a figure for each subject."""
    return {"title": title, "expr": expr, "unit": unit, **properties}


def table(title, what, keys, columns, size, *, name=None, sort=None, bad=None, **more):
    """Rows are subjects, found by the labels `keys` (label, title) that all columns share.

    `name` (title, expression) brings names; without any the column is left out and nothing else changes.
    """
    targets, renames, overrides, order = [], {}, [], {}
    for label, shown in keys:
        renames[label], order[label] = shown, len(order)
        overrides.append(override("byName", shown, custom__filterable=True, custom__width=WIDTHS.get(label, 130)))
        if name and label == "account":
            targets.append(query(name[1], "", "N", instant=True, table=True))
            renames["name"], order["name"] = name[0], len(order)
            overrides.append(override("byName", name[0], custom__filterable=True, custom__width=130))
    for n, each in enumerate(columns):
        each = dict(each)
        ref = chr(ord("A") + n) if n < 13 else f"Z{chr(ord('A') + n - 13)}"
        shown, expr, unit = each.pop("title"), each.pop("expr"), each.pop("unit")
        targets.append(query(expr, "", ref, instant=True, table=True))
        renames[f"Value #{ref}"], order[f"Value #{ref}"] = shown, len(order)
        each["mappings"] = each.get("mappings", []) + [MISSING]
        overrides.append(override("byName", shown, unit=unit, **each))
    if len(targets) == 1:  # a lone frame is not lettered
        renames["Value"], order["Value"] = columns[0]["title"], len(order)
    hidden = {"Time": True, "Value #N": True, **more.pop("hidden", {})}
    options = {
        "showHeader": True, "cellHeight": "sm", "enablePagination": more.pop("pages", False),
        "sortBy": [{"displayName": sort or columns[0]["title"], "desc": more.pop("descending", True)}],
    }
    made = panel("table", title, what, targets, size, "none", options, bad=bad, overrides=overrides,
                 custom={"align": "auto", "minWidth": more.pop("narrow", 70), "wrapHeaderText": True, "filterable": False, "cellOptions": {"type": "auto"}, "inspect": False},
                 thresholds=steps(FAINT), color={"mode": "thresholds"}, **more)
    made["transformations"] = [
        {"id": "merge", "options": {}},
        {"id": "organize", "options": {"excludeByName": hidden, "indexByName": order, "renameByName": renames}},
    ]
    return made


#: Cells whose text takes the colour of the thresholds.
COLORED = {"custom__cellOptions": {"type": "color-text"}}


def day_shown(source, size):
    """Which day the page is about. Six hours into it, so that sources of other zones show their own date."""
    return stat(
        T("Figures of", "数据日期"),
        T("The statistics day that all figures at the top and in the tables belong to, on the calendar of the source.",
          "页面顶部和表格中所有数据所属的统计日（以数据源所在时区为准）。"),
        [query(f"1000 * ({source.about('stat_timestamp_seconds')} + 21600)", "{{account}}", instant=True)],
        size, T("time:YYYY-MM-DD ddd", "time:YYYY年M月D日"),
        bad=T("No figures: the newest day is late, and the day before is no longer shown.", "暂无数据：最新一天迟到，前一天已不再展示。"),
        thresholds=steps(FAINT))


def source_state(sources, size):
    """Whether that day is the newest, and whether the platform answers; `sources` are pairs of a source and a word for it."""
    def state(source):
        behind = f"round(({source.about('target_timestamp_seconds')} - {source.about('stat_timestamp_seconds')}) / 86400)"
        up = source.about("up")
        return f"({up} == 0) - 1 or on (account) {behind} or on (account) {up} - 3"

    options = [
        (-2, T("Late: no figures", "迟到：暂无数据"), WARN), (-1, T("Platform does not answer", "供应商接口无应答"), BAD),
        (0, T("Up to date", "已是最新"), GOOD), (1, T("Still the day before", "仍是前一天"), WARN),
    ]
    mappings = [{"type": "value", "options": {
        str(value): {"text": text, "color": color, "index": n} for n, (value, text, color) in enumerate(options)}}]
    return stat(
        T("Source", "数据源状态"),
        T("Whether the figures are of the newest day that the platform has ready, and whether the platform answers.",
          "展示的是否为供应商已产出的最新一天，以及供应商接口是否应答。"),
        [query(state(source), "{{account}} " + word if word else "{{account}}", chr(ord("A") + n), instant=True)
         for n, (source, word) in enumerate(sources)], size, "none",
        bad=T("`Still the day before` is normal for minutes each morning; nothing older is ever shown. `Late`, or anything red: see the dashboard of the exporter.",
              "每天早上短时间的“仍是前一天”属正常，更早的数据不会展示。出现“迟到”或红色时，请查看采集器看板。"),
        mappings=mappings, thresholds=steps(BAD), noValue=T("Exporter not scraped", "采集器未被抓取"), min=None)


def answered(sources, size):
    """How many of those that were asked for have an answer for the target day."""
    match = sources[0].name if len(sources) == 1 else "~" + "|".join(source.name for source in sources)

    def targets(state):
        return f"sum (max by (account, source, state) ({selector('imstats_source_targets', source=match, state=state)}))"

    return stat(
        T("Asked and answered", "采集情况"),
        T("Members, owners, accounts or lists asked for on the newest day: with figures, without any (by the platform's word), "
          "refused by the platform, and not answered. Agents that are asked for as one list count as one.",
          "最新一天被查询的对象数（成员、群主、账号或名单）：有数据、无数据（供应商明确告知）、被供应商拒绝、未成功。以整份名单查询的客服计为一个对象。"),
        [query(targets("ok"), T("with figures", "有数据"), "A", instant=True),
         query(targets("no_data"), T("without", "无数据"), "B", instant=True),
         query(targets("refused"), T("refused", "被拒绝"), "C", instant=True),
         query(targets("~failed|pending"), T("not answered", "未成功"), "D", instant=True)],
        size, "none",
        bad=T("`not answered` stays above 0: their figures are missing from every sum on this page.",
              "“未成功”持续大于 0：这些对象的数据不在本页任何合计中。"),
        overrides=[override("byFrameRefID", "C", thresholds=steps(FAINT, (1, WARN))),
                   override("byFrameRefID", "D", thresholds=steps(FAINT, (1, BAD)))],
        thresholds=steps(FAINT), text_mode="value_and_name")


def row(title, *panels, collapsed=False):
    return {"title": title, "panels": panels, "collapsed": collapsed}


def variable(name, label, query_text, *, many=True):
    made = {
        "type": "query", "name": name, "label": label, "datasource": DATASOURCE, "refresh": 2, "sort": 1, "hide": 0,
        "multi": many, "includeAll": many, "regex": "", "options": [], "skipUrlSync": False,
        "query": {"query": query_text, "refId": "PrometheusVariableQueryEditor-VariableQuery", "qryType": 1},
        "definition": query_text,
    }
    if many:
        made["allValue"] = ".+"
    return made


def dashboard(name, title, description, variables, rows, *, span="now-30d", refresh="5m", zone=ZONE):
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
    link = {"type": "dashboards", "title": T("Other figures", "其他看板"), "tags": [tag], "asDropdown": True,
            "includeVars": True, "keepTime": True, "targetBlank": False, "icon": "external link", "tooltip": "", "url": ""}
    return {
        "uid": "imstats-" + T(name, name + "-zh"), "title": title, "description": description, "tags": [tag],
        "schemaVersion": 42, "version": 1, "editable": False, "graphTooltip": 1, "timezone": zone, "weekStart": "monday",
        "fiscalYearStartMonth": 0, "liveNow": False, "refresh": refresh, "time": {"from": span, "to": "now"},
        "timepicker": {}, "annotations": {"list": []}, "links": [link], "preload": False,
        "templating": {"list": [select, *variables]}, "panels": placed,
    }
