"""Tencent Cloud Desk, for the service manager: load, response times, satisfaction, and how agents' time is spent."""

from .panels import (BAD, COLORED, COUNT, GOOD, HOURS, PLAIN, SECONDS, TIME, WARN, answered, bargauge, column, dashboard, day_shown, row,
                     source_state, steps, table, tile, timeseries, variable)
from .promql import Source, Table, named, names
from .text import Text as T

SOURCE = Source("tencent_desk_agent")
AGENT = Table("tencent_desk_agent", SOURCE, ("agent",))

FIRST, EACH, LENGTH = "first_response_average_seconds", "response_average_seconds", "session_average_seconds"
QUICK, RATED, PLEASED = "sessions_first_response_within_30s", "rated_sessions", "satisfied_sessions"
SLOW = steps(GOOD, (30, WARN), (120, BAD))
SATISFIED = steps(BAD, (0.7, WARN), (0.85, GOOD))
PERSON = ("account", "agent")


def who(expr, trend=False):
    return named(expr, "tencent_desk_agent_info", "agent", trend=trend)


def average(field, when=None):
    return AGENT.mean(field, ("sessions",), when=when)


def mine(field, when=None, **match):
    """An average of each agent who had sessions: of the others Desk says 0, which is no time."""
    return f"{AGENT.each(field, when, **match)} and {AGENT.each('sessions', when, **match)} > 0"


def clock(title, field):
    """A time of day; the platform's 0 for none is left out by the exporter."""
    return column(title, f"1000 * {AGENT.each(field)}", "time:HH:mm")


def per_agent(title, what, field, unit, bars=False, **more):
    figure, when = (AGENT.each, SOURCE.bar) if bars else (mine, SOURCE.line)
    best = f"topk({10 if bars else 6}, {figure(field, SOURCE.end, agent='$agent')})"
    chosen = f"{figure(field, when, agent='$agent')} and on (account, agent) {best}"
    limit = (T(" Of the agents chosen above, the 10 with most of it.", "在上方所选客服中，显示数值最高的 10 名。") if bars
             else T(" Of the agents chosen above, the 6 to look at first.", "在上方所选客服中，显示最需关注的 6 名。"))
    return timeseries(title, what + limit, [("{{name}}", who(chosen, trend=True))], (12, 9), unit, bars=bars, stack=bars,
                      many=True, **more)


def board():
    total = lambda field: lambda when: AGENT.sum(field, when=when)  # noqa: E731
    share = lambda part, whole: lambda when: AGENT.share(part, whole, when=when)  # noqa: E731
    header = row(None, day_shown(SOURCE, (5, 3)), source_state([(SOURCE, None)], (5, 3)), answered([SOURCE], (14, 3)))
    tiles = row(
        T("The day at a glance", "当日概览"),
        tile(SOURCE, T("Sessions", "会话数"), T("Sessions that agents received.", "客服接待的会话总数。"), total("sessions"), COUNT,
             bad=T("A jump that the agents can't follow: see the first response.", "会话突增而客服跟不上：请看首次响应。")),
        tile(SOURCE, T("Unanswered sessions", "未回复会话"), T("Sessions without a reply by the agent.", "客服未回复的会话数。"),
             total("unanswered_sessions"), COUNT, rising=BAD, small=True, bad=T("Anything but a few.", "超过个别几个。")),
        tile(SOURCE, T("First response", "首次响应时长"), T("Average time to the first response; agents weigh by their sessions.",
                                                  "首次响应的平均时长；客服按会话数加权。"),
             lambda when: average(FIRST, when), TIME, rising=BAD, bad=T("Above two minutes.", "超过两分钟。")),
        tile(SOURCE, T("First response in 30 s", "30 秒首响占比"), T("Share of the sessions whose first response came within 30 seconds.",
                                                           "30 秒内得到首次响应的会话占比。"),
             share(QUICK, "sessions"), "percentunit", rising=GOOD, points=True, decimals=1, bad=T("Below 60%.", "低于 60%。")),
        tile(SOURCE, T("Satisfied", "满意率"), T("Share of the rated sessions with 4 or 5 stars.", "已评价会话中 4 星和 5 星的占比。"),
             share(PLEASED, RATED), "percentunit", rising=GOOD, points=True, decimals=1, bad=T("Below 85%.", "低于 85%。")),
        tile(SOURCE, T("Users served", "服务用户数"), T("Users served; a user of two agents counts twice.", "服务的用户数；由两位客服服务的用户计两次。"),
             total("served_users"), COUNT),
    )
    ranks = row(
        T("Load and response", "负载与响应"),
        bargauge(T("Most sessions", "会话最多"), T("Sessions that an agent received that day.", "客服当日接待的会话数。"),
                 f"topk(10, {who(AGENT.each('sessions'))})", "{{name}}", (8, 9), COUNT,
                 bad=T("Far more than the others: redistribute.", "远多于其他人：需要重新分配。")),
        bargauge(T("Slowest first response", "首次响应最慢"), T("An agent's average time to the first response that day.", "客服当日首次响应的平均时长。"),
                 f"topk(10, {who(mine(FIRST))})", "{{name}}", (8, 9), TIME, thresholds=SLOW,
                 bad=T("Above two minutes (red).", "超过两分钟（红色）。")),
        bargauge(T("Most unanswered, 7 days", "近 7 天未回复最多"), T("Sessions without a reply over the last seven days shown.", "最近七个统计日内未回复的会话数。"),
                 f"topk(10, {who(AGENT.week('unanswered_sessions'))} > 0)", "{{name}}", (8, 9), COUNT, thresholds=steps(WARN),
                 noValue=T("None unanswered", "无未回复会话"), bad=T("The same names every week.", "每周都是同样的人。")),
    )
    trends = row(
        T("Trends by day", "每日趋势"),
        timeseries(T("Sessions", "会话数"), T("Sessions received, and of those effective, each day. A day's bar appears around noon of the next day.",
                                        "每天的会话总数及其中的有效会话数。当日的柱形在次日中午前后出现。"),
                   [(T("all", "全部"), AGENT.sum("sessions", when=SOURCE.bar)),
                    (T("effective", "有效"), AGENT.sum("effective_sessions", when=SOURCE.bar))],
                   (12, 8), "short", bars=True, colors=[PLAIN, GOOD], bad=T("Few effective ones.", "有效会话占比低。")),
        timeseries(T("Unanswered and transferred", "未回复与转接"), T("Sessions without a reply, and sessions handed to another agent.", "未回复的会话数与转接的会话数。"),
                   [(T("unanswered", "未回复"), AGENT.sum("unanswered_sessions", when=SOURCE.bar)),
                    (T("transferred", "转接"), AGENT.sum("transferred_sessions", when=SOURCE.bar))],
                   (12, 8), "short", bars=True, stack=True, colors=[BAD, "purple"], bad=T("Bars that grow.", "柱形变高。")),
        timeseries(T("Response times", "响应时长"), T("Average time to the first response, and to any response; agents weigh by their sessions.",
                                              "首次响应与平均响应时长；客服按会话数加权。"),
                   [(T("first response", "首次响应"), average(FIRST, SOURCE.line)), (T("any response", "平均响应"), average(EACH, SOURCE.line))],
                   (12, 8), SECONDS, colors=[WARN, PLAIN], bad=T("Rising lines.", "持续上升。")),
        timeseries(T("Quick and satisfied", "快速响应与满意率"), T("Share of the sessions with a first response within 30 seconds, and share of the rated "
                                                          "sessions with 4 or 5 stars.", "30 秒内首次响应的会话占比，以及已评价会话中 4、5 星的占比。"),
                   [(T("first response in 30 s", "30 秒首响"), share(QUICK, "sessions")(SOURCE.line)),
                    (T("satisfied", "满意"), share(PLEASED, RATED)(SOURCE.line))],
                   (12, 8), "percentunit", max=1, colors=[PLAIN, GOOD], bad=T("Sinking lines.", "持续下降。")),
        timeseries(T("Where the time goes", "工时构成"), T("Time of all agents together: busy, idle, on break.", "所有客服的合计时长：忙碌、空闲、小休。"),
                   [(T("busy", "忙碌"), AGENT.sum("busy_seconds", when=SOURCE.bar)), (T("idle", "空闲"), AGENT.sum("idle_seconds", when=SOURCE.bar)),
                    (T("break", "小休"), AGENT.sum("break_seconds", when=SOURCE.bar))],
                   (12, 8), HOURS, per=3600, bars=True, stack=True, colors=[WARN, GOOD, "purple"], bad=T("Hardly any idle time: too few agents.", "几乎没有空闲：人手不足。")),
        timeseries(T("Messages", "消息数"), T("Messages sent by agents and by users.", "客服发送与用户发送的消息数。"),
                   [(T("by agents", "客服发送"), AGENT.sum("messages_sent", when=SOURCE.bar)), (T("by users", "用户发送"), AGENT.sum("messages_received", when=SOURCE.bar))],
                   (12, 8), "short", bars=True, stack=True, colors=[PLAIN, GOOD], bad=T("Users write more and more than agents.", "用户消息越来越多于客服消息。")),
    )
    people = row(
        T("Agents", "客服"),
        table(T("Agents", "客服"), T("Every agent with figures that day, a click on a heading sorts. –: no figure, which is not 0. Names stand "
                                  "where `names: true` is configured. First login and last logout in Beijing time.",
                                  "当日有数据的客服，点击表头可排序。“–”表示没有数据，并不是 0。配置 `names: true` 后显示昵称。登录登出为北京时间。"),
              [("account", T("Account", "账号")), ("agent", T("Agent id", "客服 ID"))],
              [column(T("Sessions", "会话数"), AGENT.each("sessions"), COUNT),
               column(T("Users", "用户数"), AGENT.each("served_users"), COUNT),
               column(T("No reply", "未回复"), AGENT.each("unanswered_sessions"), COUNT),
               column(T("Handed on", "转接"), AGENT.each("transferred_sessions"), COUNT),
               column(T("First response", "首次响应"), mine(FIRST), TIME, thresholds=SLOW, **COLORED),
               column(T("In 30 s", "30 秒首响"), AGENT.share(QUICK, "sessions", PERSON), "percentunit", decimals=0),
               column(T("Any response", "平均响应"), mine(EACH), TIME),
               column(T("Session", "会话时长"), mine(LENGTH), TIME),
               column(T("Rated", "评价数"), AGENT.each(RATED), COUNT),
               column(T("Satisfied", "满意率"), AGENT.share(PLEASED, RATED, PERSON), "percentunit", decimals=0, thresholds=SATISFIED, **COLORED),
               column(T("Busy", "忙碌"), AGENT.each("busy_seconds"), TIME),
               clock(T("Login", "首次登录"), "first_login_timestamp_seconds"),
               clock(T("Logout", "最后登出"), "last_logout_timestamp_seconds")],
              (24, 11), name=(T("Name", "昵称"), names("tencent_desk_agent_info", "agent", AGENT.each("sessions"))), pages=True,
              bad=T("Red: first response above two minutes, satisfied below 70%.", "红色：首次响应超过两分钟，满意率低于 70%。")),
    )
    single = row(
        T("Single agents by day (choose them above)", "单个客服的每日数据（请在上方选择）"),
        per_agent(T("Sessions by agent", "会话数：按客服"), T("Sessions received.", "接待会话数。"), "sessions", "short", True),
        per_agent(T("First response by agent", "首次响应：按客服"), T("Average time to the first response.", "首次响应的平均时长。"), FIRST, SECONDS),
        per_agent(T("Busy time by agent", "忙碌时长：按客服"), T("Time busy.", "忙碌时长。"), "busy_seconds", HOURS, True, per=3600, decimals=1),
        per_agent(T("Length of a session by agent", "会话时长：按客服"), T("Average length of a session.", "平均会话时长。"), LENGTH, SECONDS),
        per_agent(T("Unanswered by agent", "未回复：按客服"), T("Sessions without a reply.", "未回复的会话数。"), "unanswered_sessions", "short", True),
        per_agent(T("Ended by agent", "主动结束：按客服"), T("Sessions that the agent ended.", "客服主动结束的会话数。"), "ended_sessions", "short", True),
        collapsed=True)
    return dashboard(
        "tencent-desk", T("Tencent Cloud Desk", "腾讯云智能客服"),
        T("Daily statistics of Tencent Cloud Desk: sessions, response times, satisfaction and working time, by agent.",
          "腾讯云智能客服每日统计：会话、响应时长、满意度与工时，按客服。"),
        [variable("account", T("Account", "账号"), 'label_values(imstats_source_stat_timestamp_seconds{source="tencent_desk_agent"}, account)'),
         variable("agent", T("Agent", "客服"), 'label_values(tencent_desk_agent_sessions{account=~"$account"}, agent)')],
        [header, tiles, ranks, trends, people, single])
