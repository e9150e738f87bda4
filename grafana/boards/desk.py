"""Tencent Cloud Desk, for the service manager: are users waiting, is it the load or the staff, and are they satisfied."""

from . import goals
from .frame import against, fresh, goal_trend, tile, trend
from .page import accounts, by_name, dashboard, people, row
from .panels import (ACCOUNT, BAD, BAR, COLORED, COUNT, FAINT, GOOD, HOURS, PLAIN, SECONDS, SHARE, TIME, WARN, column, ranking, steps, table, timeseries)
from .promql import DAILY, DAY, NOW, Source, Table, named, names, week, week_change
from .text import Text as T

SOURCE = Source("tencent_desk_agent")
AGENT = Table("tencent_desk_agent", SOURCE, ("agent",))

FIRST, EACH, LENGTH = "first_response_average_seconds", "response_average_seconds", "session_average_seconds"
QUICK, RATED, PLEASED = "sessions_first_response_within_30s", "rated_sessions", "satisfied_sessions"
BY, PERSON = ("account",), ("account", "agent")
ENOUGH = T(f" Judged from ${goals.SESSIONS[0]} sessions on, satisfaction from ${goals.ANSWERS[0]} ratings on.", f" 会话数达到 ${goals.SESSIONS[0]}、评价数达到 ${goals.ANSWERS[0]} 才评价。")


def who(expr):
    return named(expr, "tencent_desk_agent_info", "agent")


def total(field):
    return lambda view: AGENT.sum(field, BY, view)


def share(part, whole, by=BY):
    return lambda view: AGENT.share(part, whole, by, view)


def pooled(part, whole):
    return lambda back: f"{week(AGENT.sum(part, BY, DAILY), back)} / on (account) ({week(AGENT.sum(whole, BY, DAILY), back)} > 0)"


def average(field, view=NOW):
    return AGENT.mean(field, ("sessions",), BY, view)


def mine(field, view=NOW, **match):
    """An average of each agent who had sessions: of the others Desk says 0, which is no time."""
    return f"({AGENT.each(field, view, **match)} and {AGENT.each('sessions', view, **match)} > 0)"


def worked(by, view):
    """The time on duty: busy, idle and on break."""
    keys = ", ".join(AGENT.keys)
    return f"sum by ({', '.join(by)}) ({AGENT.each('busy_seconds', view)} + on ({keys}) {AGENT.each('idle_seconds', view)} + on ({keys}) {AGENT.each('break_seconds', view)})"


def occupied(by=BY):
    return lambda view: f"{AGENT.sum('busy_seconds', by, view)} / on ({', '.join(by)}) ({worked(by, view)} > 0)"


def of_agent(title, what, figure, unit, **more):
    """One day after the other of the agents chosen at the top."""
    return timeseries(title, what + T(" Of the agents chosen at the top.", " 为页面顶部所选的客服。"), [("{{name}}", who(figure))], (8, 8), unit, bars=True, **more)


def board():
    enough = f"on (account, agent) {AGENT.each('sessions')} >= ${goals.SESSIONS[0]}"
    tiles = row(
        None, fresh((SOURCE, None)),
        tile(SOURCE, T("Sessions", "会话总数"), T("Sessions that agents received.", "客服接待的会话总数。"), total("sessions"), COUNT, bad=T("a jump that the agents can't follow: see the first response.", "会话突增而客服跟不上：请看首次响应。")),
        tile(SOURCE, T("Unanswered", "未回复会话数"), T("Sessions without a reply by the agent.", "客服未回复的会话数。"), total("unanswered_sessions"), COUNT, rising=BAD, bad=T("more than on the usual weekday.", "多于前 4 周同日。")),
        tile(SOURCE, T("First response", "平均首次响应时长"), T("Average time to the first response; agents weigh by their sessions.", "首次响应的平均时长；客服按会话数加权。"), lambda view: average(FIRST, view), TIME, rising=BAD,
             goal=goals.RESPONSE, cases=total("sessions"), least=goals.SESSIONS, bad=T("above the goal.", "高于目标。")),
        tile(SOURCE, T("In 30 s", "30 秒首响占比"), T("Share of the sessions whose first response came within 30 seconds.", "30 秒内得到首次响应的会话占比。"), share(QUICK, "sessions"), SHARE, rising=GOOD,
             goal=goals.QUICK, cases=total("sessions"), least=goals.SESSIONS, decimals=1, bad=T("below the goal.", "低于目标。")),
        tile(SOURCE, T("Satisfied", "满意率"), T("Share of the rated sessions with 4 or 5 stars.", "已评价会话中 4 星和 5 星的占比。"), share(PLEASED, RATED), SHARE, rising=GOOD, goal=goals.SATISFIED, cases=total(RATED), least=goals.ANSWERS,
             decimals=1, pooled=pooled(PLEASED, RATED), bad=T("below the goal over seven days; few ratings say little.", "近 7 天低于目标；评价很少时参考意义不大。")),
        tile(SOURCE, T("Occupied", "忙碌占比"), T("Share of the agents' time that was busy, of busy, idle and break: it tells load from staff.", "客服忙碌时长占忙碌、空闲、小休总时长的比例，用于区分负载与人手问题。"), occupied(), SHARE, decimals=1,
             pooled=lambda back: f"{week(AGENT.sum('busy_seconds', BY, DAILY), back)} / on (account) ({week(worked(BY, DAILY), back)} > 0)",
             bad=T("near 100% with slow responses: too few agents. Low with slow responses: not a matter of staff.", "接近 100% 且响应慢：人手不足；占比低而响应慢：不是人手问题。")),
        trend(T("Sessions, and a week earlier", "会话数，灰线为上周同日"), T("Sessions received, each day. Yesterday's bar is there by 08:00.", "每天的会话总数。昨日的柱形在 08:00 前出现。"), total("sessions"), size=(11, 10), bad=T("growth without more agents.", "会话增长而客服未增加。")),
        table(T("Agents, 7 days and that day", "客服：近 7 天与当日"), T("Agents with figures. –: no figure, which is not 0. Names stand where `names: true` is configured.", "有数据的客服。“–”表示没有数据，并不是 0。配置 `names: true` 后显示昵称。") + ENOUGH,
              [ACCOUNT, ("agent", T("Agent id", "客服 ID"))],
              [column(T("Sessions, 7 d", "近 7 天会话"), week(AGENT.each("sessions", DAILY)), COUNT, **BAR),
               column(T("No reply", "未回复"), AGENT.each("unanswered_sessions"), COUNT),
               column(T("First resp.", "首次响应"), mine(FIRST), TIME),
               against(T("over goal", "超目标"), mine(FIRST), goals.RESPONSE, enough, **COLORED),
               against(T("in 30 s, to goal", "30 秒首响较目标"), AGENT.share(QUICK, "sessions", PERSON), goals.QUICK, enough, **COLORED),
               column(T("Rated", "评价数"), AGENT.each(RATED), COUNT),
               against(T("satisfied, to goal", "满意率较目标"), AGENT.share(PLEASED, RATED, PERSON), goals.SATISFIED, f"on (account, agent) {AGENT.each(RATED)} >= ${goals.ANSWERS[0]}", **COLORED),
               column(T("Occupied", "忙碌占比"), occupied(PERSON)(NOW), SHARE, decimals=0)],
              (13, 10), name=(T("Name", "昵称"), names("tencent_desk_agent_info", "agent", AGENT.each("sessions"))), unseen=[T("Agent id", "客服 ID")], pages=True, narrow=58, bad=T("red cells.", "红色单元格。")),
    )
    waiting = row(
        T("Waiting, and what it comes from", "等待情况及其原因"),
        goal_trend(T("First response", "首次响应时长"), T("Average time to the first response, weighed; and the goal.", "首次响应的平均时长（加权）与目标。"), lambda view: average(FIRST, view), f"${goals.RESPONSE.name}", SECONDS, size=(8, 8), bad=T("bars above the line.", "柱形高于目标线。")),
        goal_trend(T("First response in 30 s", "30 秒首响占比"), T("Share of the sessions with a first response within 30 seconds; and the goal.", "30 秒内首次响应的会话占比与目标。"), share(QUICK, "sessions"), goals.QUICK.value, SHARE, size=(8, 8), max=1, bad=T("bars below the line.", "柱形低于目标线。")),
        timeseries(T("Occupied", "忙碌占比"), T("Share of the agents' time that was busy.", "客服忙碌时长占比。"), [("{{account}}", occupied()(DAY))], (8, 8), SHARE, bars=True, colors=[PLAIN], bad=T("bars near 100%.", "柱形接近 100%。")),
        timeseries(T("Unanswered and transferred", "未回复与转接"), T("Sessions without a reply, and sessions handed to another agent, as shares of all.", "未回复的会话与转接的会话占全部会话的比例。"),
                   [(T("unanswered", "未回复"), share("unanswered_sessions", "sessions")(DAY)), (T("transferred", "转接"), share("transferred_sessions", "sessions")(DAY))], (8, 8), SHARE, bars=True, stack=True, colors=[WARN, FAINT],
                   bad=T("bars that grow.", "柱形变高。")),
        timeseries(T("Where the time goes", "工时构成"), T("Time of all agents together: busy, idle, on break.", "所有客服的合计时长：忙碌、空闲、小休。"),
                   [(word, f"sum ({total(field)(DAY)})") for word, field in ((T("busy", "忙碌"), "busy_seconds"), (T("idle", "空闲"), "idle_seconds"), (T("break", "小休"), "break_seconds"))],
                   (8, 8), HOURS, per=3600, bars=True, stack=True, colors=[PLAIN, FAINT, "purple"], bad=T("hardly any idle time: too few agents.", "几乎没有空闲：人手不足。")),
        ranking(T("Most unanswered, 7 days", "近 7 天未回复最多的客服"), T("Sessions without a reply over seven days.", "近 7 天未回复的会话数。"), who(f"topk(9, {week(AGENT.each('unanswered_sessions', DAILY))} > 0)"), "{{name}}", (8, 8), COUNT, thresholds=steps(WARN),
                bad=T("the same names every week.", "每周都是同样的人。")),
    )
    funnels = row(
        T("Satisfaction, and what sessions are made of", "满意度与会话构成"),
        timeseries(T("Sessions: all, rated, satisfied", "会话：全部、已评价、满意"), T("Sessions, those of them that were rated, and those with 4 or 5 stars; each is part of the one before.", "会话数、其中已评价的、以及 4、5 星的；后者包含于前者。"),
                   [(T("all", "全部"), f"sum ({total('sessions')(DAY)})"), (T("rated", "已评价"), f"sum ({total(RATED)(DAY)})"), (T("satisfied", "满意"), f"sum ({total(PLEASED)(DAY)})")], (8, 8), COUNT, bars=True, colors=[FAINT, PLAIN, GOOD],
                   bad=T("hardly any rated: then the satisfied share says little.", "几乎无人评价：此时满意率没有代表性。")),
        timeseries(T("Effective sessions", "有效会话占比"), T("Share of the sessions that Desk calls effective.", "Desk 认定的有效会话占比。"), [("{{account}}", share("effective_sessions", "sessions")(DAY))], (8, 8), SHARE, bars=True, colors=[PLAIN], max=1, bad=T("bars that shrink.", "柱形变低。")),
        timeseries(T("Messages", "消息数"), T("Messages sent by agents and by users.", "客服发送与用户发送的消息数。"), [(T("by agents", "客服发送"), f"sum ({total('messages_sent')(DAY)})"), (T("by users", "用户发送"), f"sum ({total('messages_received')(DAY)})")], (8, 8), COUNT, bars=True, stack=True,
                   colors=[PLAIN, FAINT], bad=T("users write more and more than agents.", "用户消息越来越多于客服消息。")),
        collapsed=True)
    agents = row(
        T("Agents in detail", "客服明细"),
        table(T("Agents", "客服"), T("Every agent with figures that day, a click on a heading sorts. –: no figure, which is not 0. First login and last logout in Beijing time.", "当日有数据的客服，点击表头可排序。“–”表示没有数据，并不是 0。登录登出为北京时间。"), [ACCOUNT, ("agent", T("Agent id", "客服 ID"))],
              [column(T("Sessions", "会话数"), AGENT.each("sessions"), COUNT), column(T("Users", "用户数"), AGENT.each("served_users"), COUNT), column(T("Handed on", "转接"), AGENT.each("transferred_sessions"), COUNT),
               column(T("Any response", "平均响应"), mine(EACH), TIME), column(T("Session", "会话时长"), mine(LENGTH), TIME), column(T("Ended", "主动结束"), AGENT.each("ended_sessions"), COUNT),
               column(T("Sessions per busy hour", "每忙碌小时会话"), f"3600 * {AGENT.each('sessions')} / ({AGENT.each('busy_seconds')} > 0)", "none", decimals=1), column(T("Busy", "忙碌"), AGENT.each("busy_seconds"), TIME),
               column(T("Login", "首次登录"), f"1000 * {AGENT.each('first_login_timestamp_seconds')}", "time:HH:mm"), column(T("Logout", "最后登出"), f"1000 * {AGENT.each('last_logout_timestamp_seconds')}", "time:HH:mm")],
              (24, 10), name=(T("Name", "昵称"), names("tencent_desk_agent_info", "agent", AGENT.each("sessions"))), pages=True, bad=T("few sessions for each busy hour.", "每忙碌小时会话数偏低。")),
        collapsed=True)
    single = row(
        T("Of the agent at the top: $agent", "顶部所选客服：$agent"),
        of_agent(T("Sessions by agent", "会话数：按客服"), T("Sessions received.", "接待会话数。"), AGENT.each("sessions", DAY, agent="$agent"), "short", bad=T("days far from the others.", "与其他日子差异很大。")),
        of_agent(T("First response by agent", "首次响应：按客服"), T("Average time to the first response.", "首次响应的平均时长。"), mine(FIRST, DAY, agent="$agent"), SECONDS, bad=T("bars that grow.", "柱形变高。")),
        of_agent(T("Busy time by agent", "忙碌时长：按客服"), T("Time busy.", "忙碌时长。"), AGENT.each("busy_seconds", DAY, agent="$agent"), HOURS, per=3600, decimals=1, bad=T("longer than the day's work.", "超出当日工时。")),
        collapsed=True)
    return dashboard(
        "tencent-desk", T("Tencent Cloud Desk / service", "腾讯云智能客服 / 客服"),
        T("Daily statistics of Tencent Cloud Desk: are users waiting, is it load or staff, are they satisfied. A day late by nature: yesterday is there from about 06:10. Days are those of Beijing.",
          "腾讯云智能客服每日统计：用户是否在等待、是负载还是人手问题、是否满意。数据天然滞后一天：昨日数据约 06:10 起可见。日期以北京时间为准。"),
        [accounts("tencent_desk_agent"), by_name("agent", T("Agent (last row)", "客服（最后一行）"), people("tencent_desk_agent_sessions", "tencent_desk_agent_info", "agent"), every=False),
         goals.RESPONSE.variable(), goals.QUICK.variable(), goals.SATISFIED.variable(), goals.number(*goals.SESSIONS), goals.number(*goals.ANSWERS)],
        [tiles, waiting, funnels, agents, single], sources=[SOURCE], tags=["tencent-desk", "腾讯云智能客服"])
