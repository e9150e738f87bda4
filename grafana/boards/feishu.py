"""Feishu message push, for whoever sends bot messages: how many people they reach, and how many read them.

Nothing here is added up: departments contain their children, cycles overlap, and a person may be reached by two apps.
"""

from . import goals
from .frame import against, fresh, goal_trend, tile
from .page import accounts, dashboard, row, variable
from .panels import (ACCOUNT, BAD, BAR, COLORED, COUNT, FAINT, GOOD, PLAIN, SHARE, WARN, column, ranking, table, timeseries)
from .promql import DAY, NOW, WEEK_EARLIER, Source, Table, ago, named, names
from .text import Text as T

SOURCE = Source("feishu_message_push", lag=2, ready=10)
TENANT = Table("feishu_message_push", SOURCE, ("app_id", "cycle", "metric_name"))
DEPARTMENT = Table("feishu_department_message_push", SOURCE, ("app_id", "department_id", "cycle", "metric_name"))

SENT, REACHED, HOUR, HALFDAY = "send_msg_count", "send_user_count", "read_in_1h_count", "read_in_12h_count"
UNSET = T("No figures of departments (configure `departments`)", "没有部门数据（请配置 departments）")
BARE, OF_DEPARTMENT = ("account", "app_id"), ("account", "app_id", "department_id")


def bare(expr, keys=BARE):
    """Without the labels that are the same on all rows, so that rows of several figures meet; adds nothing up."""
    return f"max by ({', '.join(keys)}) ({expr})"


def figure(of, metric, view=NOW, cycle="day"):
    return bare(of.each("", view, app_id="$app_id", cycle=cycle, metric_name=metric), BARE if of is TENANT else OF_DEPARTMENT)


def one(metric, cycle="day"):
    return lambda view: figure(TENANT, metric, view, cycle)


def rate(of, metric, view=NOW, cycle="day"):
    """The share of the pushes that were read in time: both counts are of messages times people."""
    return f"{figure(of, metric, view, cycle)} / ({figure(of, SENT, view, cycle)} > 0)"


def unread(view):
    return f"({figure(TENANT, SENT, view)} - {figure(TENANT, HALFDAY, view)})"


def per_person(view):
    return f"{figure(TENANT, SENT, view)} / ({figure(TENANT, REACHED, view)} > 0)"


def where(expr):
    return named(expr, "feishu_department_info", "department_id")


def period(cycle, title, days):
    """Figures of a complete week or month, and of the one before."""
    def then(metric):
        # In its first days a month is not 31 days after the one before last in every case.
        known = " and on () day_of_month() > 5" if days > 7 else ""
        return figure(TENANT, metric, ago(days), cycle) + known

    return table(title, T("Figures of the whole tenant, and those of the period before. People who were reached several times in the period count once, so days do not add up to it.", "全租户的数据及上一周期的数据。周期内多次触达的用户只计一次，因此各日相加不等于此值。"),
                 [ACCOUNT, ("app_id", T("App", "应用"))],
                 [column(T("Pushed", "推送"), figure(TENANT, SENT, cycle=cycle), COUNT), column(T("before", "上一周期"), then(SENT), COUNT),
                  column(T("Reached", "触达人数"), figure(TENANT, REACHED, cycle=cycle), COUNT), column(T("before ", "上一周期 "), then(REACHED), COUNT),
                  column(T("Read in 1 h", "1 小时阅读率"), rate(TENANT, HOUR, cycle=cycle), SHARE, decimals=1),
                  column(T("Read in 12 h", "12 小时阅读率"), rate(TENANT, HALFDAY, cycle=cycle), SHARE, decimals=1)],
                 (12, 4), noValue=T("No figures of this cycle (configure `cycles`)", "没有该周期的数据（请配置 cycles）"), bad=T("read rates far from those of single days.", "阅读率与单日相差很大。"), narrow=62)


def board():
    enough = f"on (account, app_id, department_id) {figure(DEPARTMENT, SENT)} >= ${goals.PUSHES[0]}"
    tiles = row(
        None, fresh((SOURCE, None)),
        tile(SOURCE, T("Pushed", "推送消息数"), T("Pushes of bot messages to people.", "机器人消息推送给用户的次数。"), one(SENT), COUNT, total="max", weekly=False, bad=T("0 on a day with a campaign.", "有推送任务的日子为 0。")),
        tile(SOURCE, T("Reached", "触达人数"), T("People whom bot messages reached. Over days they can't be added up.", "机器人消息触达的人数；多日不可相加。"), one(REACHED), COUNT, rising=GOOD, total="max", weekly=False,
             bad=T("far fewer than the people addressed: the app's visible range is too narrow.", "远少于目标人数：应用可见范围过窄。")),
        tile(SOURCE, T("Read within 1 h", "1 小时阅读率"), T("Share of the pushes read within an hour.", "1 小时内被阅读的推送占比。"), lambda view: rate(TENANT, HOUR, view), SHARE, rising=GOOD, decimals=1, weekly=False, bad=T("a fall while pushes grow.", "推送增多而阅读率下降。")),
        tile(SOURCE, T("Read within 12 h", "12 小时阅读率"), T("Share of the pushes read within 12 hours.", "12 小时内被阅读的推送占比。"), lambda view: rate(TENANT, HALFDAY, view), SHARE, rising=GOOD, goal=goals.READ, cases=one(SENT), least=goals.PUSHES, decimals=1,
             bad=T("below the goal.", "低于目标。")),
        tile(SOURCE, T("Unread after 12 h", "12 小时未读"), T("Pushes that were not read within 12 hours.", "12 小时内未被阅读的推送。"), unread, COUNT, rising=BAD, total="max", weekly=False,
             bad=T("most of what is pushed.", "占推送的大部分。")),
        tile(SOURCE, T("Pushes per person", "人均推送"), T("Messages pushed, divided by people reached.", "推送消息数除以触达人数。"), per_person, "short", rising=BAD, decimals=1, weekly=False, bad=T("so many that people stop reading.", "过多，用户不再阅读。")),
        timeseries(T("Pushed and read, and pushed a week earlier", "推送与阅读，灰线为上周同日推送"), T("Messages pushed, and how many of them were read within 12 hours and within an hour; each is part of the one before. A day's bar is there by 12:00 two days later.",
                                                                                     "推送的消息数，以及其中 12 小时内、1 小时内被阅读的数量；后者包含于前者。当日的柱形在两天后 12:00 前出现。"),
                   [(T("pushed", "推送"), figure(TENANT, SENT, DAY)), (T("read in 12 h", "12 小时阅读"), figure(TENANT, HALFDAY, DAY)), (T("read in 1 h", "1 小时阅读"), figure(TENANT, HOUR, DAY)),
                    (T("pushed, a week earlier", "上周同日推送"), figure(TENANT, SENT, WEEK_EARLIER))], (11, 10), COUNT, bars=True, lines="D", colors=["light-blue", PLAIN, GOOD, FAINT], bad=T("pushes grow and reads do not.", "推送增长而阅读不增长。")),
        table(T("Departments, that day", "部门：当日"), T("Departments with figures; each contains those below it, so rows must not be added. Red only with enough pushes.", "有数据的部门；部门包含其下级，各行不可相加。推送足够时才着色。") + T(f" Judged from ${goals.PUSHES[0]} pushes on.", f" 推送数达到 ${goals.PUSHES[0]} 才评价。"),
              [ACCOUNT, ("department_id", T("Department id", "部门 ID"))],
              [column(T("Pushed", "推送"), figure(DEPARTMENT, SENT), COUNT, **BAR), column(T("Reached", "触达人数"), figure(DEPARTMENT, REACHED), COUNT), column(T("Read in 1 h", "1 小时阅读率"), rate(DEPARTMENT, HOUR), SHARE, decimals=0),
               column(T("Read in 12 h", "12 小时阅读率"), rate(DEPARTMENT, HALFDAY), SHARE, decimals=0),
               against(T("to goal", "较目标"), rate(DEPARTMENT, HALFDAY), goals.READ, enough, **COLORED)],
              (13, 10), hidden={"app_id": True}, unseen=[T("Department id", "部门 ID")], name=(T("Name", "名称"), names("feishu_department_info", "department_id", figure(DEPARTMENT, SENT))), noValue=UNSET, pages=True, narrow=62,
              bad=T("red cells with many pushes.", "推送多而单元格为红色的部门。")),
        period("week", T("Last complete week", "最近完整周"), 7), period("month", T("Last complete month", "最近完整月"), 31),
    )
    trends = row(
        T("Trends by day", "每日趋势"),
        goal_trend(T("Read within 12 h", "12 小时阅读率"), T("Share of the pushes read within 12 hours; and the goal.", "12 小时内被阅读的推送占比与目标。"), lambda view: rate(TENANT, HALFDAY, view), goals.READ.value, SHARE, size=(8, 8), max=1, bad=T("bars below the line.", "柱形低于目标线。")),
        timeseries(T("Read within 1 h", "1 小时阅读率"), T("Share of the pushes read within an hour.", "1 小时内被阅读的推送占比。"), [("{{account}}", rate(TENANT, HOUR, DAY))], (8, 8), SHARE, bars=True, max=1, colors=[PLAIN], bad=T("bars that shrink.", "柱形变低。")),
        timeseries(T("People reached", "触达人数"), T("People whom bot messages reached, each day.", "每天机器人消息触达的人数。"), [("{{account}}", figure(TENANT, REACHED, DAY))], (8, 8), COUNT, bars=True, colors=[PLAIN], bad=T("a day far below the others.", "某天远低于其他日子。")),
        ranking(T("Lowest read rate", "阅读率最低的部门"), T("Share of the pushes read within 12 hours, of departments with enough pushes.", "12 小时内被阅读的推送占比，仅推送足够的部门。"),
                where(f"bottomk(10, {rate(DEPARTMENT, HALFDAY)} and {enough})"), "{{name}}", (12, 8), SHARE, max=1, decimals=0, noValue=UNSET, bad=T("the same departments every day.", "每天都是同样的部门。")),
        ranking(T("Most unread", "未读最多的部门"), T("Pushes that were not read within 12 hours.", "12 小时内未被阅读的推送。"),
                where(f"topk(10, {figure(DEPARTMENT, SENT)} - {figure(DEPARTMENT, HALFDAY)})"), "{{name}}", (12, 8), COUNT, noValue=UNSET, bad=T("large departments lead by nature; compare with the rate.", "大部门自然靠前；请结合阅读率判断。")),
        collapsed=False)
    raw = row(
        T("All figures under Feishu's own names", "飞书原始指标"),
        timeseries(T("All figures that Feishu gives", "飞书给出的全部指标"), T("Every daily figure under the platform's own name, new ones included.", "每日全部指标，沿用飞书的名称，含后续新增指标。"),
                   [("{{metric_name}}", TENANT.each("", DAY, app_id="$app_id", cycle="day"))], (24, 8), COUNT, many=True, bad=T("a figure that is missing.", "缺少某个指标。")),
        collapsed=True)
    return dashboard(
        "feishu-push", T("Feishu / message push", "飞书 / 消息推送"),
        T("Daily figures of Feishu bot messages: pushed, reached, read within 1 h and 12 h, by app and department. Two days late by nature: a day is there from about 10:00 two days later.",
          "飞书机器人消息每日数据：推送、触达、1 小时与 12 小时阅读，按应用与部门。数据天然滞后两天：当日数据约两天后 10:00 起可见。"),
        [accounts("feishu_message_push"), variable("app_id", T("App", "应用"), 'label_values(feishu_message_push{account=~"$account"}, app_id)', many=False), goals.READ.variable(), goals.number(*goals.PUSHES)],
        [tiles, trends, raw], sources=[SOURCE], tags=["feishu", "飞书"])
