"""Feishu message push, for whoever sends bot messages: how many people they reach, and how many read them.

Nothing here is added up: departments contain their children, cycles overlap, and a person may be reached by two apps.
"""

from .panels import (BAD, COLORED, COUNT, GOOD, PLAIN, WARN, answered, bargauge, column, dashboard, day_shown, row,
                     source_state, steps, table, tile, timeseries, variable)
from .promql import Source, Table, named, names
from .text import Text as T

SOURCE = Source("feishu_message_push", lag=2, ready=10)
TENANT = Table("feishu_message_push", SOURCE, ("app_id", "cycle", "metric_name"))
DEPARTMENT = Table("feishu_department_message_push", SOURCE, ("app_id", "department_id", "cycle", "metric_name"))

SENT, REACHED, HOUR, HALFDAY = "send_msg_count", "send_user_count", "read_in_1h_count", "read_in_12h_count"
READ = steps(BAD, (0.5, WARN), (0.75, GOOD))
UNSET = T("No departments configured", "未配置部门")
CYCLES = (("day", T("that day", "当日")), ("week", T("last complete week", "最近完整周")), ("month", T("last complete month", "最近完整月")))


def figure(of, metric, when=None, cycle="day"):
    return of.each("", when, app_id="$app_id", cycle=cycle, metric_name=metric)


def rate(of, metric, when=None, cycle="day"):
    """The share of the pushes that were read in time: both counts are of messages times people."""
    of_keys = ", ".join(key for key in of.keys if key != "metric_name")
    return f"{figure(of, metric, when, cycle)} / on ({of_keys}) ({figure(of, SENT, when, cycle)} > 0)"


def where(expr, trend=False):
    return named(expr, "feishu_department_info", "department_id", trend=trend)


def per_department(title, what, make, unit, **more):
    keys = "account, department_id"
    largest = f"topk(8, {flat(figure(DEPARTMENT, SENT, SOURCE.end))})"
    chosen = f"{make(SOURCE.line)} and on ({keys}) {largest}"
    return timeseries(title, what + T(" The 8 departments with most pushes; each contains those below it, so nothing is stacked.",
                                      "推送最多的 8 个部门；部门包含其下级，因此不堆叠。"),
                      [("{{name}}", where(chosen, trend=True))], (12, 8), unit, many=True, noValue=UNSET, **more)


def board():
    one = lambda metric: lambda when: figure(TENANT, metric, when)  # noqa: E731
    read = lambda metric: lambda when: rate(TENANT, metric, when)  # noqa: E731
    per_person = lambda when: (f"{figure(TENANT, SENT, when)} / on (account, app_id, cycle) "  # noqa: E731
                               f"({figure(TENANT, REACHED, when)} > 0)")

    def bare(make):
        """Without the name of the metric, so that both sides of a comparison match."""
        return lambda when: f"max by (account, app_id) ({make(when)})"

    header = row(None, day_shown(SOURCE, (5, 3)), source_state([(SOURCE, None)], (5, 3)), answered([SOURCE], (14, 3)))
    tiles = row(
        T("The day at a glance", "当日概览"),
        tile(SOURCE, T("Messages pushed", "推送消息数"), T("Pushes of bot messages to people.", "机器人消息推送给用户的次数。"), bare(one(SENT)), COUNT,
             bad=T("0 on a day with a campaign.", "有推送任务的日子为 0。")),
        tile(SOURCE, T("People reached", "触达人数"), T("People whom bot messages reached.", "机器人消息触达的人数。"), bare(one(REACHED)), COUNT, rising=GOOD,
             bad=T("Far fewer than the people addressed: the app's visible range is too narrow.", "远少于目标人数：应用可见范围过窄。")),
        tile(SOURCE, T("Pushes per person", "人均推送"), T("Messages pushed, divided by people reached.", "推送消息数除以触达人数。"), bare(per_person), "short",
             decimals=1, bad=T("So many that people stop reading.", "过多，用户不再阅读。")),
        tile(SOURCE, T("Read within 1 h", "1 小时阅读率"), T("Share of the pushes read within an hour.", "1 小时内被阅读的推送占比。"), bare(read(HOUR)), "percentunit",
             rising=GOOD, points=True, decimals=1, bad=T("Falls while pushes grow.", "推送增多而阅读率下降。")),
        tile(SOURCE, T("Read within 12 h", "12 小时阅读率"), T("Share of the pushes read within 12 hours.", "12 小时内被阅读的推送占比。"), bare(read(HALFDAY)), "percentunit",
             rising=GOOD, points=True, decimals=1, bad=T("Below 50%.", "低于 50%。")),
        tile(SOURCE, T("Reads within 12 h", "12 小时阅读量"), T("Reads of messages within 12 hours of the push.", "推送后 12 小时内的阅读量。"), bare(one(HALFDAY)), COUNT,
             rising=GOOD),
    )
    trends = row(
        T("Trends by day", "每日趋势"),
        timeseries(T("Pushed, reached, read", "推送、触达与阅读"), T("Messages pushed, and how many of them were read within 12 hours and within an hour, each day. A day's bar "
                                                              "appears around 16:00 two days later.",
                                                              "每天推送的消息数，以及其中 12 小时内、1 小时内被阅读的数量。当日的柱形在两天后 16 时前后出现。"),
                   [(T("pushed", "推送"), figure(TENANT, SENT, SOURCE.bar)), (T("read in 12 h", "12 小时阅读"), figure(TENANT, HALFDAY, SOURCE.bar)),
                    (T("read in 1 h", "1 小时阅读"), figure(TENANT, HOUR, SOURCE.bar))],
                   (12, 8), "short", bars=True, colors=[PLAIN, GOOD, "yellow"], bad=T("Blue grows and the rest does not.", "蓝柱增长而其余不增长。")),
        timeseries(T("Read rates", "阅读率"), T("Share of the pushes read within an hour and within 12 hours.", "1 小时与 12 小时内被阅读的推送占比。"),
                   [(T("in 12 h", "12 小时"), rate(TENANT, HALFDAY, SOURCE.line)), (T("in 1 h", "1 小时"), rate(TENANT, HOUR, SOURCE.line))],
                   (12, 8), "percentunit", max=1, colors=[GOOD, "yellow"], bad=T("Sinking lines.", "持续下降。")),
        timeseries(T("People reached", "触达人数"), T("People whom bot messages reached, each day.", "每天机器人消息触达的人数。"),
                   [(T("reached", "触达"), figure(TENANT, REACHED, SOURCE.bar))], (12, 8), "short", bars=True, colors=[GOOD],
                   bad=T("A day far below the others.", "某天远低于其他日子。")),
        timeseries(T("All figures that Feishu gives", "飞书给出的全部指标"), T("Every daily figure under the platform's own name, new ones included.", "每日全部指标，沿用飞书的名称，含后续新增指标。"),
                   [("{{metric_name}}", TENANT.each("", SOURCE.line, app_id="$app_id", cycle="day"))], (12, 8), "short", many=True,
                   bad=T("A figure that is missing.", "缺少某个指标。")),
    )
    departments = row(
        T("Departments (each contains those below it)", "部门（包含其下级）"),
        table(T("Departments", "部门"), T("Every department with figures that day, a click on a heading sorts. Rows must not be added. –: no figure, which is not 0.",
                                      "当日有数据的部门，点击表头可排序。各行不可相加。“–”表示没有数据，并不是 0。"),
              [("account", T("Account", "账号")), ("department_id", T("Department id", "部门 ID"))],
              [column(T("Pushed", "推送"), flat(figure(DEPARTMENT, SENT)), COUNT),
               column(T("Reached", "触达人数"), flat(figure(DEPARTMENT, REACHED)), COUNT),
               column(T("Read in 1 h", "1 小时阅读率"), flat(rate(DEPARTMENT, HOUR)), "percentunit", decimals=1),
               column(T("Read in 12 h", "12 小时阅读率"), flat(rate(DEPARTMENT, HALFDAY)), "percentunit", decimals=1, thresholds=READ, **COLORED)],
              (16, 10), hidden={"app_id": True}, name=(T("Name", "名称"), names("feishu_department_info", "department_id", figure(DEPARTMENT, SENT))), noValue=UNSET,
              pages=True, bad=T("Red: fewer than half of the pushes read within 12 hours.", "红色：12 小时内被阅读的推送不足一半。")),
        bargauge(T("Lowest read rate", "阅读率最低的部门"), T("Share of the pushes read within 12 hours, lowest first.", "12 小时内被阅读的推送占比，从低到高。"),
                 f"bottomk(10, {where(flat(rate(DEPARTMENT, HALFDAY)))})", "{{name}}", (8, 10), "percentunit", max=1, decimals=1, thresholds=READ,
                 noValue=UNSET, bad=T("Below 50% (red).", "低于 50%（红色）。")),
    )
    periods = row(
        T("Weeks and months", "周与月"),
        *(table(T("App: ", "应用：") + title, T("Figures of the whole tenant. People reached several times in the period count once, so days do not add up to it.",
                                           "全租户的数据。周期内多次触达的用户只计一次，因此各日相加不等于此值。"),
                [("account", T("Account", "账号")), ("app_id", T("App", "应用"))],
                [column(T("Pushed", "推送"), flat(figure(TENANT, SENT, cycle=cycle), False), COUNT),
                 column(T("Reached", "触达人数"), flat(figure(TENANT, REACHED, cycle=cycle), False), COUNT),
                 column(T("Read in 1 h", "1 小时阅读率"), flat(rate(TENANT, HOUR, cycle=cycle), False), "percentunit", decimals=1),
                 column(T("Read in 12 h", "12 小时阅读率"), flat(rate(TENANT, HALFDAY, cycle=cycle), False), "percentunit", decimals=1)],
                (12, 5), noValue=T("This cycle is not configured", "未配置该周期"), bad=T("Read rates far from those of single days.", "阅读率与单日相差很大。"))
          for cycle, title in CYCLES[1:]),
    )
    detail = row(
        T("Departments by day", "部门每日数据"),
        per_department(T("Pushed, by department", "推送：按部门"), T("Pushes of bot messages to people.", "机器人消息推送给用户的次数。"),
                       lambda when: flat(figure(DEPARTMENT, SENT, when)), "short"),
        per_department(T("Read within 12 h, by department", "12 小时阅读率：按部门"), T("Share of the pushes read within 12 hours.", "12 小时内被阅读的推送占比。"),
                       lambda when: flat(rate(DEPARTMENT, HALFDAY, when)), "percentunit", max=1, min=None),
        collapsed=True)
    return dashboard(
        "feishu-push", T("Feishu message push", "飞书消息推送"),
        T("Daily figures of Feishu bot messages: pushed, reached, read within 1 h and 12 h, by app and department.",
          "飞书机器人消息每日数据：推送、触达、1 小时与 12 小时阅读，按应用与部门。"),
        [variable("account", T("Account", "账号"), 'label_values(imstats_source_stat_timestamp_seconds{source="feishu_message_push"}, account)'),
         variable("app_id", T("App", "应用"), 'label_values(feishu_message_push{account=~"$account"}, app_id)', many=False)],
        [header, tiles, trends, departments, periods, detail])


def flat(expr, department=True):
    """Without the labels that are the same on all rows, so that rows of several figures meet; adds nothing up."""
    return f"max by (account, app_id{', department_id' if department else ''}) ({expr})"
