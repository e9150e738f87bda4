"""Panels in Grafana's classic JSON, made without their place; `page` lays them out."""

import re

from .text import Text as T, of

DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
#: The same colour for the same thing on every dashboard. Grafana takes another shade of them on a light page, so that they can be
#: read on both; figures that are neither good nor bad have the colour of text.
GOOD, BAD, WARN, PLAIN, TEXT = "semi-dark-green", "red", "dark-orange", "blue", "text"
#: For what stands behind: last week, a goal.
FAINT = "#8a8f98"
NOTHING = T("No figures", "暂无数据")
#: Units that read alike in both languages, or are said in both. A count is written out, a length of time as 00:01:30;
#: on an axis, where either would make odd steps, times are divided.
COUNT, TIME, SHARE = "locale", "dthms", "percentunit"
SECONDS, MINUTES, HOURS = (T(f"suffix: {en}", f"suffix: {zh}") for en, zh in (("s", "秒"), ("min", "分钟"), ("h", "小时")))
POINTS, CELL_POINTS = T("suffix: pp", "suffix: 个百分点"), T("suffix: pp", "suffix: 点")
#: Of the exporter itself, from milliseconds to days.
SPAN = T("s", TIME)

ACCOUNT = ("account", T("Account", "账号"))


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


def letter(n):
    return chr(ord("A") + n) if n < 13 else f"Z{chr(ord('A') + n - 13)}"


def queries(pairs):
    """Range queries of (legend, expression) pairs, named A, B, ..."""
    return [query(expr, legend, letter(n)) for n, (legend, expr) in enumerate(pairs)]


def override(matcher, value, **properties):
    props = [{"id": key.replace("__", "."), "value": item} for key, item in properties.items()]
    return {"matcher": {"id": matcher, "options": value}, "properties": props}


def fixed(color):
    return {"mode": "fixed", "fixedColor": color}


#: A selector: a name with its labels.
METRIC = re.compile(r"([a-zA-Z_:][\w:]*)(?=\{)")


def panel(kind, title, what, targets, size, unit, options, *, bad=None, overrides=(), custom=None, **defaults):
    """A panel with its description: what is measured, what bad looks like, and from which metrics."""
    about = T("", "") + what
    if bad:
        about = about + T("\n\n**Look out for:** ", "\n\n**需要关注：**") + bad
    metrics = sorted({name for t in targets for name in METRIC.findall(of(t["expr"]).words["en"])})
    figures = [name for name in metrics if not name.startswith("imstats_") and not name.endswith("_info")]
    if figures or metrics:
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
         horizontal=False, value_size=20, color="value", **more):
    options = {
        "colorMode": color, "graphMode": "none", "justifyMode": "auto", "textMode": text_mode, "wideLayout": True,
        "orientation": "horizontal" if horizontal else "auto", "showPercentChange": False,
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        "text": {"titleSize": 12, "valueSize": value_size},
    }
    thresholds = thresholds or steps(TEXT)
    return panel("stat", title, what, targets, size, unit, options, bad=bad, mappings=mappings,
                 thresholds=thresholds, color={"mode": "thresholds"}, **more)


LEGEND = {"displayMode": "list", "placement": "bottom", "showLegend": True, "calcs": []}


def timeseries(title, what, pairs, size, unit, *, bad=None, bars=False, stack=False, many=False, colors=None, daily=True,
               per=1, lines=(), **more):
    """Trends: bars, one a day, or lines; not `daily`: of the exporter at work. `lines` are letters that are lines beside bars.

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
    overrides = [override("byFrameRefID", letter(n), color=fixed(color)) for n, color in enumerate(colors or ()) if color]
    for ref in lines:
        overrides.append(override("byFrameRefID", ref, custom__drawStyle="line", custom__lineWidth=2, custom__fillOpacity=0,
                                  custom__stacking={"mode": "none", "group": "B"}))
    options = {"legend": legend, "tooltip": {"mode": "multi", "sort": "none" if bars else "desc"}}
    for series, color in more.pop("named", {}).items():
        overrides.append(override("byRegexp", series, color=fixed(color)))
    below = more.pop("below", None)
    if below:
        overrides.append(override("byFrameRefID", below, custom__transform="negative-Y"))
    custom.update(more.pop("custom", {}))
    legend.update(more.pop("legend", {}))
    made = panel("timeseries", title, what, queries(pairs), size, unit, options, bad=bad, custom=custom,
                 overrides=overrides + list(more.pop("overrides", ())), color={"mode": "palette-classic"},
                 **{"min": 0, **more})
    for target in made["targets"]:
        if daily:
            target["interval"] = "1d"
    return made


def ranking(title, what, expr, legend, size, unit, *, bad=None, thresholds=None, above=False, links=(), **more):
    """A short ranking, longest bar first as the query sorts it; `above` the bars is room for long names."""
    options = {
        "displayMode": "basic", "orientation": "horizontal", "showUnfilled": True, "valueMode": "text",
        "namePlacement": "top" if above else "left", "sizing": "auto", "minVizHeight": 14, "minVizWidth": 8, "maxVizHeight": 44 if above else 26,
        "text": {"titleSize": 12, "valueSize": 13},
        "legend": {"showLegend": False, "displayMode": "list", "placement": "bottom", "calcs": []},
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
    }
    return panel("bargauge", title, what, [query(expr, legend, instant=True)], size, unit, options, bad=bad,
                 thresholds=thresholds or steps(PLAIN), color={"mode": "thresholds"}, links=list(links), **{"min": 0, **more})


def missing(color):
    """What a cell shows where there is no figure, in no colour that would judge it."""
    return {"type": "special", "options": {"match": "null", "result": {"text": "–", "color": color, "index": 9}}}


#: Of the columns of labels. Ids of Desk's agents are mail addresses.
WIDTHS = {"account": 75, "source": 195, "partyid": 65, "team_name": 120, "agent": 205, "app_id": 190, "open_kfid": 245, "department_id": 250,
          "platform": 190, "instance": 150, "counted": 165, "api": 290, "alertname": 240, "shared": 165, "userid": 130, "owner": 130, "figure": 150}


def column(title, expr, unit="none", **properties):
    """A column of a table: a figure for each subject."""
    return {"title": title, "expr": expr, "unit": unit, **properties}


def table(title, what, keys, columns, size, *, name=None, sort=None, bad=None, links=None, **more):
    """Rows are subjects, found by the labels `keys` (label, title) that all columns share.

    `name` (title, expression) brings names; without any the column is left out and nothing else changes. `links` are those of
    the cells of a column, by its title; `hidden` are labels that are left out, `unseen` those that only links need.
    """
    targets, renames, overrides, order = [], {}, [], {}
    links = links or {}
    for label, shown in keys:
        renames[label], order[label] = shown, len(order)
        overrides.append(override("byName", shown, custom__filterable=True, custom__width=WIDTHS.get(label, 130)))
        if name and label == "account":
            targets.append(query(name[1], "", "N", instant=True, table=True))
            renames["name"], order["name"] = name[0], len(order)
            overrides.append(override("byName", name[0], custom__filterable=True, custom__width=130))
    for n, each in enumerate(columns):
        each = dict(each)
        ref = letter(n)
        shown, expr, unit = each.pop("title"), each.pop("expr"), each.pop("unit")
        targets.append(query(expr, "", ref, instant=True, table=True))
        renames[f"Value #{ref}"], order[f"Value #{ref}"] = shown, len(order)
        on_ground = "background" in each.get("custom__cellOptions", {}).get("type", "")
        each["mappings"] = each.get("mappings", []) + [missing("transparent" if on_ground else TEXT)]
        overrides.append(override("byName", shown, unit=unit, **each))
    if len(targets) == 1:  # a lone frame is not lettered
        renames["Value"], order["Value"] = columns[0]["title"], len(order)
    for shown in more.pop("unseen", ()):
        overrides.append(override("byName", shown, custom__hideFrom={"viz": True, "legend": False, "tooltip": False}))
    for shown, link in links.items():
        overrides.append(override("byName", shown, links=[link]))
    hidden = {"Time": True, "Value #N": True, **more.pop("hidden", {})}
    options = {
        "showHeader": True, "cellHeight": "sm", "enablePagination": more.pop("pages", False),
        "sortBy": [{"displayName": sort or columns[0]["title"], "desc": more.pop("descending", True)}],
    }
    made = panel("table", title, what, targets, size, "none", options, bad=bad, overrides=overrides,
                 custom={"align": "auto", "minWidth": more.pop("narrow", 70), "wrapHeaderText": True, "filterable": False, "cellOptions": {"type": "auto"}, "inspect": False},
                 thresholds=steps(TEXT), color={"mode": "thresholds"}, **more)
    made["transformations"] = [
        {"id": "merge", "options": {}},
        {"id": "organize", "options": {"excludeByName": hidden, "indexByName": order, "renameByName": renames}},
    ]
    return made


#: Cells on a ground in the colour of the thresholds, on which Grafana takes a colour of text that can be read.
COLORED = {"custom__cellOptions": {"type": "color-background", "mode": "basic"}}
#: A bar in the cell, on the scale of its column.
BAR = {"custom__cellOptions": {"type": "gauge", "mode": "basic", "valueDisplayMode": "text"}, "thresholds": steps(PLAIN), "min": 0, "custom__width": 130}


def link(board, what, **variables):
    """A link to another board with variables set to what Grafana fills in, within the same time."""
    url = "/d/imstats-" + T(board, board + "-zh") + "?${datasource:queryparam}"
    for name, value in variables.items():
        url = url + f"&var-{name}=" + value
    url = url + "&${__url_time_range}"
    return {"title": what, "url": url, "targetBlank": False}


def cell(label):
    """What stands in the same row under a heading."""
    return '${__data.fields["' + label + '"]}'
