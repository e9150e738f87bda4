"""WeCom KF, for the service manager: load, first response, satisfaction, who is left unanswered."""

from .panels import (BAD, COLORED, COUNT, GOOD, PLAIN, SECONDS, THICK, TIME, WARN, answered, bargauge, column, dashboard, day_shown, row,
                     source_state, steps, table, tile, timeseries, variable)
from .promql import Source, Table, named, names, over
from .text import Text as T

SOURCE = Source("wecom_kf")
ACCOUNT = Table("wecom_kf_account", SOURCE, ("open_kfid",))
SERVICER = Table("wecom_kf_servicer", SOURCE, ("open_kfid", "userid"))

RATIO, REPLY = "replied_sessions_ratio", "first_reply_average_seconds"
REPLIED = ("sessions", RATIO)
SURVEYED = ("satisfaction_surveys_sent", "satisfaction_participation_ratio")
SLOW = steps(GOOD, (60, WARN), (180, BAD))
ANSWERED = steps(BAD, (0.8, WARN), (0.95, GOOD))
PLEASED = steps(BAD, (0.7, WARN), (0.85, GOOD))
UNSET = T("No servicers configured", "未配置接待人员")
PERSON = ("account", "userid")
RANKED = T(" All KF accounts of a servicer together, each with its weight.", "接待人员在所有客服账号中的合计，按各自权重加权。")


def ratio(of, by=(), when=None):
    return of.mean(RATIO, ("sessions",), by, when)


def reply(of, by=(), when=None):
    return of.mean(REPLY, REPLIED, by, when)


def survey(of, field, by=(), when=None):
    return of.mean(field, SURVEYED, by, when)


def participation(of, by=(), when=None):
    return of.mean(SURVEYED[1], SURVEYED[:1], by, when)


def unanswered(of, by=(), when=None):
    """Sessions that got no reply on the same day."""
    return f"{over('sum', by)} ({of.each('sessions', when)} * (1 - {of.each(RATIO, when)}))"


def who(expr, trend=False):
    return named(expr, "wecom_user_info", "userid", trend=trend)


def desk(expr, trend=False):
    return named(expr, "wecom_kf_account_info", "open_kfid", trend=trend)


def busiest(field, when, count=5):
    """A figure of the KF accounts with most sessions; a company may have thousands."""
    return f"{ACCOUNT.each(field, when)} and on (account, open_kfid) topk({count}, {ACCOUNT.each('sessions', SOURCE.end)})"


def per_servicer(title, what, figure, rank, unit, bars=False, **more):
    """`figure` makes the expression by servicer; `rank` says who is shown."""
    when = SOURCE.bar if bars else SOURCE.line
    chosen = f"{figure(when)} and on (account, userid) {rank}({10 if bars else 6}, {figure(SOURCE.end)})"
    return timeseries(title, what + RANKED, [("{{name}}", who(chosen, trend=True))], (12, 9), unit, bars=bars, stack=bars,
                      many=True, noValue=UNSET, **more)


def board():
    total = lambda field: lambda when: ACCOUNT.sum(field, when=when)  # noqa: E731
    header = row(None, day_shown(SOURCE, (5, 3)), source_state([(SOURCE, None)], (5, 3)), answered([SOURCE], (14, 3)))
    tiles = row(
        T("The day at a glance", "当日概览"),
        tile(SOURCE, T("Sessions", "咨询会话数"), T("Sessions that reached a servicer.", "接入人工的会话数。"), total("sessions"), COUNT,
             bad=T("A jump that the servicers can't follow: see the first reply.", "会话突增而接待跟不上：请看首次回复时长。")),
        tile(SOURCE, T("Unanswered sessions", "未回复会话"), T("Sessions that got no reply on the same day: sessions x (1 - reply ratio).",
                                                  "当日未得到回复的会话：会话数 ×（1 − 回复率）。"),
             lambda when: unanswered(ACCOUNT, when=when), COUNT, rising=BAD, decimals=0, small=True, bad=T("Anything but a few.", "超过个别几个。")),
        tile(SOURCE, T("Replied", "回复率"), T("Share of the sessions that got a reply on the same day; KF accounts weigh by their sessions.",
                                         "当日得到回复的会话占比；客服账号按会话数加权。"),
             lambda when: ratio(ACCOUNT, when=when), "percentunit", rising=GOOD, points=True, decimals=1, bad=T("Below 95%.", "低于 95%。")),
        tile(SOURCE, T("First reply", "首次回复时长"), T("Average time from a customer's first message to the first reply; weighed by replied sessions.",
                                               "客户首条消息到首次回复的平均时长；按已回复会话加权。"),
             lambda when: reply(ACCOUNT, when=when), TIME, rising=BAD, bad=T("Above three minutes: customers leave.", "超过三分钟：客户会离开。")),
        tile(SOURCE, T("Satisfied", "满意率"), T("Share of the answered surveys that say satisfied; weighed by answered surveys.",
                                           "已评价中“满意”的占比；按评价数加权。"),
             lambda when: survey(ACCOUNT, "satisfied_ratio", when=when), "percentunit", rising=GOOD, points=True, decimals=1,
             bad=T("Below 85%.", "低于 85%。")),
        tile(SOURCE, T("Surveys answered", "参评率"), T("Share of the satisfaction surveys that were answered; weighed by surveys sent.",
                                               "满意度评价的参评率；按发出的评价数加权。"),
             lambda when: participation(ACCOUNT, when=when), "percentunit", rising=GOOD, points=True, decimals=1,
             bad=T("So low that satisfaction says little.", "过低时满意率没有代表性。")),
    )
    load = row(
        T("Load and first reply", "负载与首次回复"),
        bargauge(T("Sessions, by KF account", "会话数：按客服账号"), T("Sessions that reached a servicer.", "接入人工的会话数。"),
                 f"topk(6, {desk(ACCOUNT.each('sessions'))})", "{{name}}", (6, 9), COUNT, above=True,
                 bad=T("One account carries nearly everything.", "几乎全部集中在一个账号。")),
        bargauge(T("First reply, by KF account", "首次回复：按客服账号"), T("Average time to the first reply; slowest first.", "首次回复的平均时长；从慢到快。"),
                 f"topk(6, {desk(ACCOUNT.each(REPLY))})", "{{name}}", (6, 9), TIME, above=True, thresholds=SLOW,
                 bad=T("Above three minutes (red).", "超过三分钟（红色）。")),
        bargauge(T("Most sessions, servicers", "会话最多的接待人员"), T("Sessions of a servicer that day.", "接待人员当日的会话数。") + RANKED,
                 f"topk(10, {who(SERVICER.sum('sessions', PERSON))})", "{{name}}", (6, 9), COUNT, noValue=UNSET,
                 bad=T("Far more than the others: redistribute.", "远多于其他人：需要重新分配。")),
        bargauge(T("Slowest first reply, servicers", "首次回复最慢的接待人员"), T("Average time to the first reply that day.", "当日首次回复的平均时长。") + RANKED,
                 f"topk(10, {who(reply(SERVICER, PERSON))})", "{{name}}", (6, 9), TIME, thresholds=SLOW, noValue=UNSET,
                 bad=T("The same names every day.", "每天都是同样的人。")),
    )
    trends = row(
        T("Trends by day", "每日趋势"),
        timeseries(T("Sessions", "会话数"), T("Sessions of the 10 busiest KF accounts, each day. A day's bar appears around noon of the next day.",
                                        "最忙的 10 个客服账号每天的会话数。当日的柱形在次日中午前后出现。"),
                   [("{{name}}", desk(busiest("sessions", SOURCE.bar, 10), trend=True))], (12, 8), "short", bars=True, stack=True,
                   bad=T("Growth without more servicers.", "会话增长而接待人员未增加。")),
        timeseries(T("Left without a reply", "未得到回复"), T("Sessions that got no reply on the same day, and customers from whom a servicer chose "
                                                      "to receive no more messages; one of two servicers counts twice.",
                                                      "当日未得到回复的会话，以及被接待人员拒收消息的客户；由两位接待人员接待的客户计两次。"),
                   [(T("unanswered sessions", "未回复会话"), unanswered(ACCOUNT, when=SOURCE.bar)),
                    (T("rejected customers", "被拒收客户"), ACCOUNT.sum("rejected_customers", when=SOURCE.bar))],
                   (12, 8), "short", bars=True, stack=True, colors=[WARN, BAD], decimals=0, bad=T("Bars that grow.", "柱形变高。")),
        timeseries(T("First reply", "首次回复时长"), T("Average time to the first reply of the 5 busiest KF accounts, and of all with their weights (the thick line).",
                                               "最忙的 5 个客服账号及整体（加权，粗线）首次回复的平均时长。"),
                   [(T("all", "整体"), reply(ACCOUNT, when=SOURCE.line)),
                    ("{{name}}", desk(busiest(REPLY, SOURCE.line), trend=True))], (12, 8), SECONDS, many=True, overrides=[THICK],
                   bad=T("A rising line.", "持续上升。")),
        timeseries(T("Replied sessions", "回复率"), T("Share of the sessions that got a reply on the same day, of the 5 busiest KF accounts and of all (the thick line).",
                                               "最忙的 5 个客服账号及整体（粗线）当日得到回复的会话占比。"),
                   [(T("all", "整体"), ratio(ACCOUNT, when=SOURCE.line)),
                    ("{{name}}", desk(busiest(RATIO, SOURCE.line), trend=True))], (12, 8), "percentunit", max=1, min=None,
                   many=True, overrides=[THICK], bad=T("Below 95%.", "低于 95%。")),
        timeseries(T("What the surveys say", "满意度构成"), T("Shares of the answered surveys; weighed by answered surveys.", "已评价的构成；按评价数加权。"),
                   [(T("satisfied", "满意"), survey(ACCOUNT, "satisfied_ratio", when=SOURCE.bar)),
                    (T("so-so", "一般"), survey(ACCOUNT, "middling_ratio", when=SOURCE.bar)),
                    (T("dissatisfied", "不满意"), survey(ACCOUNT, "dissatisfied_ratio", when=SOURCE.bar))],
                   (12, 8), "percentunit", bars=True, stack=True, colors=[GOOD, WARN, BAD], max=1, bad=T("More red.", "红色增多。")),
        timeseries(T("Surveys", "满意度评价"), T("Satisfaction surveys sent, and how many of them were answered.", "发出的满意度评价数，以及其中被评价的数量。"),
                   [(T("sent", "已发出"), ACCOUNT.sum(SURVEYED[0], when=SOURCE.bar)),
                    (T("answered", "已评价"), f"sum ({ACCOUNT.each(SURVEYED[0], SOURCE.bar)} * {ACCOUNT.each(SURVEYED[1], SOURCE.bar)})")],
                   (12, 8), "short", bars=True, colors=[PLAIN, GOOD], decimals=0, bad=T("Hardly any answered.", "几乎无人评价。")),
    )
    people = row(
        T("Servicers", "接待人员"),
        table(T("Servicers", "接待人员"), T("Every servicer with figures that day, a click on a heading sorts. –: no figure, which is not 0. "
                                        "A customer in two KF accounts counts twice. Names stand where `names: true` is configured.",
                                        "当日有数据的接待人员，点击表头可排序。“–”表示没有数据，并不是 0。在两个客服账号咨询的客户计两次。配置 `names: true` 后显示姓名。") + RANKED,
              [("account", T("Account", "账号")), ("userid", T("Servicer id", "接待人员 ID"))],
              [column(T("Sessions", "会话数"), SERVICER.sum("sessions", PERSON), COUNT),
               column(T("Customers", "咨询客户"), SERVICER.sum("customers", PERSON), COUNT),
               column(T("Customer messages", "客户消息"), SERVICER.sum("customer_messages", PERSON), COUNT),
               column(T("Unanswered", "未回复"), unanswered(SERVICER, PERSON), COUNT, decimals=0),
               column(T("Replied", "回复率"), ratio(SERVICER, PERSON), "percentunit", decimals=1, thresholds=ANSWERED, **COLORED),
               column(T("First reply", "首次回复"), reply(SERVICER, PERSON), TIME, thresholds=SLOW, **COLORED),
               column(T("Surveys", "评价发出"), SERVICER.sum(SURVEYED[0], PERSON), COUNT),
               column(T("Answered", "参评率"), participation(SERVICER, PERSON), "percentunit", decimals=0),
               column(T("Satisfied", "满意率"), survey(SERVICER, "satisfied_ratio", PERSON), "percentunit", decimals=0, thresholds=PLEASED, **COLORED),
               column(T("Rejected", "拒收客户"), SERVICER.sum("rejected_customers", PERSON), COUNT)],
              (24, 11), name=(T("Name", "姓名"), names("wecom_user_info", "userid", SERVICER.sum("sessions", PERSON))), pages=True,
              noValue=UNSET, bad=T("Red: replied below 80%, first reply above three minutes, satisfied below 70%.",
                                   "红色：回复率低于 80%、首次回复超过三分钟、满意率低于 70%。")),
    )
    upgrades = row(
        T("KF accounts and upgrades of service", "客服账号与升级服务"),
        table(T("KF accounts", "客服账号"), T("Every KF account with figures that day.", "当日有数据的客服账号。"),
              [("account", T("Account", "账号")), ("open_kfid", T("KF account id", "客服账号 ID"))],
              [column(T("Sessions", "会话数"), ACCOUNT.each("sessions"), COUNT),
               column(T("Customers", "咨询客户"), ACCOUNT.each("customers"), COUNT),
               column(T("Replied", "回复率"), ACCOUNT.each(RATIO), "percentunit", decimals=1, thresholds=ANSWERED, **COLORED),
               column(T("First reply", "首次回复"), ACCOUNT.each(REPLY), TIME, thresholds=SLOW, **COLORED),
               column(T("Satisfied", "满意率"), ACCOUNT.each("satisfied_ratio"), "percentunit", decimals=1, thresholds=PLEASED, **COLORED)],
              (16, 8), name=(T("Name", "名称"), names("wecom_kf_account_info", "open_kfid", ACCOUNT.each("sessions"))),
              bad=T("Red figures.", "红色数值。")),
        timeseries(T("Upgrades of service", "升级服务"), T("Cards of specialists and QR codes of groups that were sent, and how often customers followed them.",
                                                 "发出的专员名片与群二维码，以及客户添加专员、加入群聊的次数。"),
                   [(T("cards sent", "发送名片"), ACCOUNT.sum("upgrade_member_invites", when=SOURCE.line)),
                    (T("specialists added", "添加专员"), ACCOUNT.sum("upgrade_member_customers", when=SOURCE.line)),
                    (T("QR codes sent", "发送群二维码"), ACCOUNT.sum("upgrade_groupchat_invites", when=SOURCE.line)),
                    (T("groups joined", "加入群聊"), ACCOUNT.sum("upgrade_groupchat_customers", when=SOURCE.line))],
                   (8, 8), "short", bad=T("Many sent, few followed.", "发出很多，响应很少。")),
        collapsed=True)
    single = row(
        T("Servicers by day", "接待人员每日数据"),
        per_servicer(T("Sessions by servicer", "会话数：按接待人员"), T("The 10 with most sessions.", "会话最多的 10 人。"),
                     lambda when: SERVICER.sum("sessions", PERSON, when, userid="$userid"), "topk", "short", True),
        per_servicer(T("First reply by servicer", "首次回复：按接待人员"), T("The 6 slowest.", "最慢的 6 人。"),
                     lambda when: reply(SERVICER, PERSON, when), "topk", SECONDS),
        collapsed=True)
    return dashboard(
        "wecom-kf", T("WeCom KF customer service", "微信客服"),
        T("Daily statistics of WeCom KF: load, first reply, satisfaction and unanswered sessions, by KF account and servicer.",
          "微信客服每日统计：负载、首次回复、满意度与未回复会话，按客服账号与接待人员。"),
        [variable("account", T("Account", "账号"), 'label_values(imstats_source_stat_timestamp_seconds{source="wecom_kf"}, account)'),
         variable("userid", T("Servicer", "接待人员"), 'label_values(wecom_kf_servicer_sessions{account=~"$account"}, userid)')],
        [header, tiles, load, trends, people, upgrades, single])
