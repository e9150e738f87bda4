"""WeCom customer contact, for whoever leads sales: who answers, how fast, who loses customers."""

from .panels import (BAD, COLORED, COUNT, GOOD, MINUTES, PLAIN, THICK, TIME, WARN, answered, bargauge, column, dashboard, day_shown, row,
                     source_state, steps, table, tile, timeseries, variable)
from .promql import Source, Table, named, names
from .text import Text as T

SOURCE = Source("wecom_contact")
USER = Table("wecom_contact_user", SOURCE, ("userid",))
DEPARTMENT = Table("wecom_contact_department", SOURCE, ("partyid",))
TEAM = Table("wecom_contact_team", SOURCE, ("team_name",))

RATIO, REPLY = "replied_chats_ratio", "first_reply_average_seconds"
SLOW = steps(GOOD, (1800, WARN), (7200, BAD))
ANSWERED = steps(BAD, (0.8, WARN), (0.95, GOOD))
UNSET = T("No departments or teams configured", "未配置部门或团队")
MEDIAN = T("WeCom does not say how many chats an average is of, so averages of members can't be averaged: half of "
           "the members lie above this figure, half below.",
           "企业微信不提供平均值对应的聊天数，成员的平均值不能再平均：半数成员高于此值，半数低于此值。")


def units(field, when):
    """A figure of each department and team, which WeCom adds up itself."""
    trend = when is not SOURCE.now
    figure = DEPARTMENT.each(field, when)
    if trend:  # a large company has hundreds
        figure = f"{figure} and on (account, partyid) topk(5, {DEPARTMENT.each('active_chats', SOURCE.end)})"
    parties = named(figure, "wecom_department_info", "partyid", trend=trend)
    teams = f'label_join({TEAM.each(field, when)}, "name", "", "team_name")'
    return f"{parties} or {teams}"


def who(expr, trend=False):
    return named(expr, "wecom_user_info", "userid", trend=trend)


def per_member(title, what, field, unit, bars=False, rank="topk", **more):
    chosen = USER.top(field, SOURCE.bar if bars else SOURCE.line, 10 if bars else 6, rank, userid="$userid")
    limit = (T(" Of the members chosen above, the 10 with most of it.", "在上方所选成员中，显示数值最高的 10 名。") if bars
             else T(" Of the members chosen above, the 6 to look at first.", "在上方所选成员中，显示最需关注的 6 名。"))
    return timeseries(title, what + limit, [("{{name}}", who(chosen, trend=True))], (12, 9), unit, bars=bars,
                      stack=bars, many=True, **more)


def board():
    median = lambda field: lambda when: f"quantile(0.5, {USER.each(field, when)})"  # noqa: E731
    total = lambda field: lambda when: USER.sum(field, when=when)  # noqa: E731
    header = row(None, day_shown(SOURCE, (5, 3)), source_state([(SOURCE, None)], (5, 3)), answered([SOURCE], (14, 3)))
    tiles = row(
        T("The day at a glance", "当日概览"),
        tile(SOURCE, T("New customers", "新增客户"), T("Customers newly added, all members together.", "当日新增的客户数，所有成员合计。"),
             total("new_contacts"), COUNT, rising=GOOD, bad=T("Falls for days on end.", "连续多日下降。")),
        tile(SOURCE, T("Lost customers", "流失客户"), T("Customers who deleted or blocked a member.", "当日删除或拉黑成员的客户数。"),
             total("lost_customers"), COUNT, rising=BAD, small=True,
             bad=T("More lost than won, or a jump: see who below.", "流失多于新增，或突然增多：下方可查是谁。")),
        tile(SOURCE, T("Chats", "聊天数"), T("Single chats in which a member wrote to a customer.", "成员主动发送过消息的单聊数。"),
             total("active_chats"), COUNT, rising=GOOD),
        tile(SOURCE, T("Messages sent", "发送消息数"), T("Messages that members sent in single chats.", "成员在单聊中发送的消息数。"),
             total("messages_sent"), COUNT, rising=GOOD),
        tile(SOURCE, T("Replied, median", "回复占比（成员中位数）"),
             T("Share of the chats started by customers that got a reply on the same day. ", "客户主动发起的聊天中，当日得到回复的占比。") + MEDIAN,
             median(RATIO), "percentunit", rising=GOOD, points=True, decimals=1,
             bad=T("Below 90%: customers wait until tomorrow.", "低于 90%：客户要等到第二天。")),
        tile(SOURCE, T("First reply, median", "首次回复（成员中位数）"),
             T("Average time to the first reply in chats started by customers. ", "客户主动发起的聊天中，首次回复的平均时长。") + MEDIAN,
             median(REPLY), TIME, rising=BAD, bad=T("Hours instead of minutes.", "以小时计而不是以分钟计。")),
    )
    answers = row(
        T("Who answers, and how fast", "谁在回复，多快回复"),
        bargauge(T("Replied chats, by department and team", "回复占比：部门与团队"),
                 T("Share of the chats started by customers that got a reply on the same day, added up by WeCom itself; "
                   "lowest first. A department contains those below it.",
                   "客户主动发起的聊天中当日得到回复的占比，由企业微信汇总；从低到高。部门包含其下级。"),
                 f"bottomk(6, {units(RATIO, SOURCE.now)})", "{{name}}", (6, 9), "percentunit", above=True, max=1, thresholds=ANSWERED,
                 bad=T("Below 80% (red).", "低于 80%（红色）。"), noValue=UNSET, decimals=1),
        bargauge(T("First reply, by department and team", "首次回复时长：部门与团队"),
                 T("Average time to the first reply, added up by WeCom itself; slowest first.",
                   "首次回复的平均时长，由企业微信汇总；从慢到快。"),
                 f"topk(6, {units(REPLY, SOURCE.now)})", "{{name}}", (6, 9), TIME, above=True, thresholds=SLOW,
                 bad=T("Above two hours (red).", "超过两小时（红色）。"), noValue=UNSET),
        bargauge(T("Slowest members", "回复最慢的成员"),
                 T("Average time to the first reply of that day; members without such chats are not listed.",
                   "当日首次回复的平均时长；没有此类聊天的成员不在其中。"),
                 f"topk(10, {who(USER.each(REPLY))})", "{{name}}", (6, 9), TIME, thresholds=SLOW,
                 bad=T("The same names every day.", "每天都是同样的人。")),
        bargauge(T("Most customers lost, 7 days", "近 7 天流失最多的成员"),
                 T("Customers who deleted or blocked the member, over the last seven days shown.",
                   "最近七个统计日内删除或拉黑该成员的客户数。"),
                 f"topk(10, {who(USER.week('lost_customers'))} > 0)", "{{name}}", (6, 9), COUNT,
                 bad=T("One member far above the others.", "某位成员远高于其他人。"), thresholds=steps(WARN),
                 noValue=T("None lost", "无流失")),
    )
    trends = row(
        T("Trends by day", "每日趋势"),
        timeseries(T("Won and lost", "新增与流失"),
                   T("Customers added and lost, each day. A day's bar appears around noon of the next day.",
                     "每天新增和流失的客户数。当日的柱形在次日中午前后出现。"),
                   [(T("won", "新增"), USER.sum("new_contacts", when=SOURCE.bar)),
                    (T("lost", "流失"), USER.sum("lost_customers", when=SOURCE.bar))],
                   (12, 8), "short", bars=True, colors=[GOOD, BAD], below="B", min=None,
                   bad=T("As much below the line as above.", "下方的红柱接近上方的绿柱。")),
        timeseries(T("Chats and friend requests", "聊天与好友申请"),
                   T("Single chats in which members wrote, and friend requests that they sent.",
                     "成员发送过消息的单聊数，以及成员发起的好友申请数。"),
                   [(T("chats", "聊天数"), USER.sum("active_chats", when=SOURCE.bar)),
                    (T("friend requests", "好友申请"), USER.sum("friend_requests_sent", when=SOURCE.bar))],
                   (12, 8), "short", bars=True, colors=[PLAIN, "purple"],
                   bad=T("Working days without activity.", "工作日无活动。")),
        timeseries(T("Replied chats", "回复占比"),
                   T("Share of the chats started by customers that got a reply on the same day: the median of members "
                     "(the thick line), and the 5 busiest departments and the teams as WeCom adds them up.",
                     "客户主动发起的聊天中当日得到回复的占比：成员中位数（粗线），以及企业微信汇总的最忙的 5 个部门与各团队。"),
                   [(T("median member", "成员中位数"), median(RATIO)(SOURCE.line)), ("{{name}}", units(RATIO, SOURCE.line))],
                   (12, 9), "percentunit", max=1, min=None, many=True, overrides=[THICK],
                   bad=T("A line that sinks below the others.", "某条线持续低于其他。")),
        timeseries(T("First reply", "首次回复时长"),
                   T("Average time to the first reply: the median of members (the thick line), and the 5 busiest departments and the teams as "
                     "WeCom adds them up.",
                     "首次回复的平均时长：成员中位数（粗线），以及企业微信汇总的最忙的 5 个部门与各团队。"),
                   [(T("median member", "成员中位数"), median(REPLY)(SOURCE.line)), ("{{name}}", units(REPLY, SOURCE.line))],
                   (12, 9), MINUTES, per=60, many=True, overrides=[THICK], bad=T("A rising line.", "持续上升。")),
    )
    people = row(
        T("Members", "成员"),
        table(T("Members, that day and over 7 days", "成员：当日与近 7 天"),
              T("Every member with figures, a click on a heading sorts. –: WeCom gave no figure, which is not 0. "
                "Names stand where `names: true` is configured.",
                "所有有数据的成员，点击表头可排序。“–”表示企业微信未给出该数据，并不是 0。配置 `names: true` 后显示姓名。"),
              [("account", T("Account", "账号")), ("userid", T("Member id", "成员 ID"))],
              [column(T("New", "新增"), USER.each("new_contacts"), COUNT),
               column(T("New, 7 days", "近 7 天新增"), USER.week("new_contacts"), COUNT),
               column(T("Lost", "流失"), USER.each("lost_customers"), COUNT),
               column(T("Lost, 7 days", "近 7 天流失"), USER.week("lost_customers"), COUNT),
               column(T("Requests sent", "好友申请"), USER.each("friend_requests_sent"), COUNT),
               column(T("Chats", "聊天数"), USER.each("active_chats"), COUNT),
               column(T("Messages", "消息数"), USER.each("messages_sent"), COUNT),
               column(T("Replied", "回复占比"), USER.each(RATIO), "percentunit", decimals=1, thresholds=ANSWERED, **COLORED),
               column(T("First reply", "首次回复"), USER.each(REPLY), TIME, thresholds=SLOW, **COLORED)],
              (24, 12), name=(T("Name", "姓名"), names("wecom_user_info", "userid", USER.each("active_chats"))),
              sort=T("New, 7 days", "近 7 天新增"), pages=True,
              bad=T("Red: fewer than 80% of chats answered, or a first reply after more than two hours.",
                    "红色：回复占比低于 80%，或首次回复超过两小时。")),
    )
    parties = row(
        T("Departments and teams in detail", "部门与团队明细"),
        *(table(title, T("Figures as WeCom adds them up. Rows must not be added: a department contains those below it, "
                         "and teams may overlap.",
                         "由企业微信汇总的数据。各行不可相加：部门包含其下级，团队之间可能重叠。"),
                [("account", T("Account", "账号")), key],
                [column(T("New", "新增"), of.each("new_contacts"), COUNT),
                 column(T("Lost", "流失"), of.each("lost_customers"), COUNT),
                 column(T("Chats", "聊天数"), of.each("active_chats"), COUNT),
                 column(T("Messages", "消息数"), of.each("messages_sent"), COUNT),
                 column(T("Replied", "回复占比"), of.each(RATIO), "percentunit", decimals=1, thresholds=ANSWERED, **COLORED),
                 column(T("First reply", "首次回复"), of.each(REPLY), TIME, thresholds=SLOW, **COLORED)],
                size, name=name, noValue=UNSET, bad=T("Red figures.", "红色数值。"))
          for size, title, of, key, name in (
              ((13, 8), T("Departments", "部门"), DEPARTMENT, ("partyid", T("Department id", "部门 ID")),
               (T("Name", "名称"), names("wecom_department_info", "partyid", DEPARTMENT.each("active_chats")))),
              ((11, 8), T("Teams", "团队"), TEAM, ("team_name", T("Team", "团队")), None))),
        collapsed=True)
    single = row(
        T("Single members by day (choose them above)", "单个成员的每日数据（请在上方选择）"),
        per_member(T("New customers by member", "新增客户：按成员"), T("Customers newly added.", "新增客户数。"), "new_contacts", "short", True),
        per_member(T("Lost customers by member", "流失客户：按成员"), T("Customers who deleted or blocked the member.", "删除或拉黑成员的客户数。"),
                   "lost_customers", "short", True),
        per_member(T("Chats by member", "聊天数：按成员"), T("Single chats in which the member wrote.", "成员发送过消息的单聊数。"),
                   "active_chats", "short", True),
        per_member(T("Messages by member", "消息数：按成员"), T("Messages sent in single chats.", "单聊中发送的消息数。"),
                   "messages_sent", "short", True),
        per_member(T("Replied chats by member", "回复占比：按成员"), T("Share of chats answered the same day.", "当日得到回复的聊天占比。"),
                   RATIO, "percentunit", rank="bottomk", max=1),
        per_member(T("First reply by member", "首次回复：按成员"), T("Average time to the first reply.", "首次回复的平均时长。"), REPLY, MINUTES, per=60),
        collapsed=True)
    return dashboard(
        "wecom-contact", T("WeCom customer contact", "企业微信客户联系"),
        T("Daily customer-contact statistics of WeCom: customers won and lost, chats, and who answers how fast.",
          "企业微信客户联系每日统计：新增与流失客户、聊天数、谁在回复以及多快回复。"),
        [variable("account", T("Account", "账号"), 'label_values(imstats_source_stat_timestamp_seconds{source="wecom_contact"}, account)'),
         variable("userid", T("Member", "成员"), 'label_values(wecom_contact_user_active_chats{account=~"$account"}, userid)')],
        [header, tiles, answers, trends, people, parties, single])
