"""WeCom KF, for the service manager: are customers waiting, is it the load or the staff, and are they satisfied."""

from . import goals
from .frame import against, fresh, goal_trend, tile, trend
from .page import accounts, dashboard, row
from .panels import (ACCOUNT, BAD, BAR, COLORED, COUNT, FAINT, GOOD, PLAIN, SECONDS, SHARE, TIME, WARN, cell, column, link, ranking, steps, table, timeseries)
from .promql import DAILY, DAY, NOW, Source, Table, named, names, over, week, week_change
from .text import Text as T

SOURCE = Source("wecom_kf")
ACCOUNTS = Table("wecom_kf_account", SOURCE, ("open_kfid",))
SERVICER = Table("wecom_kf_servicer", SOURCE, ("open_kfid", "userid"), many=True)

RATIO, REPLY = "replied_sessions_ratio", "first_reply_average_seconds"
REPLIED = ("sessions", RATIO)
SENT, ANSWERED, PLEASED = "satisfaction_surveys_sent", "satisfaction_participation_ratio", "satisfied_ratio"
SURVEYED = (SENT, ANSWERED)
BY, PERSON, DESK = ("account",), ("account", "userid"), ("account", "open_kfid")
RANKED = T(" All KF accounts of a servicer together, each with its weight.", "接待人员在所有客服账号中的合计，按各自权重加权。")
ENOUGH = T(f" Judged from ${goals.SESSIONS[0]} sessions on, satisfaction from ${goals.ANSWERS[0]} answers on.", f" 会话数达到 ${goals.SESSIONS[0]}、评价数达到 ${goals.ANSWERS[0]} 才评价。")
UNSET = T("No figures of servicers (configure `servicers`)", "没有接待人员数据（请配置 servicers）")


def total(field):
    return lambda view: ACCOUNTS.sum(field, BY, view)


def unanswered(of, by=BY, view=NOW):
    """Sessions that got no reply on the same day. A whole number, but for rounding by the platform."""
    return f"round({over('sum', by)} ({of.each('sessions', view)} * (1 - {of.each(RATIO, view)}))) + 0"


def missed(of, by=BY, view=NOW):
    """The same without its rounding, which sums over days can't have."""
    return f"{over('sum', by)} ({of.each('sessions', view)} - {of.each('sessions', view)} * {of.each(RATIO, view)})"


def answers(of, by=BY, view=NOW):
    """Surveys that were answered."""
    return f"{over('sum', by)} ({of.each(SENT, view)} * {of.each(ANSWERED, view)})"


def pooled(of, field, weights):
    """The average of seven days, each day and subject with its weight."""
    def of_week(back):
        figures, weight = of.weighed(field, weights, BY, DAILY)
        return f"{week(figures, back)} / on (account) ({week(weight, back)} > 0)"
    return of_week


def load(view):
    """Sessions for each servicer who had any."""
    sessions = SERVICER.sum("sessions", PERSON, view)
    return f"sum by (account) ({sessions}) / on (account) count by (account) ({sessions} > 0)"


def who(expr):
    return named(expr, "wecom_user_info", "userid")


def desk(expr, trend=False):
    return named(expr, "wecom_kf_account_info", "open_kfid", trend=trend)


def board():
    ratio = lambda view: ACCOUNTS.mean(RATIO, ("sessions",), BY, view)  # noqa: E731
    reply = lambda view: ACCOUNTS.mean(REPLY, REPLIED, BY, view)  # noqa: E731
    pleased = lambda view: ACCOUNTS.mean(PLEASED, SURVEYED, BY, view)  # noqa: E731
    to_person = link("wecom-person", T("This member's board", "查看该成员"), account="${__field.labels.account}", userid="${__field.labels.userid}")
    person_sessions = SERVICER.sum("sessions", PERSON)
    tiles = row(
        None, fresh((SOURCE, None)),
        tile(SOURCE, T("Sessions", "咨询会话数"), T("Sessions that reached a servicer.", "接入人工的会话数。"), total("sessions"), COUNT,
             bad=T("a jump that the servicers can't follow: see the first reply.", "会话突增而接待跟不上：请看首次回复时长。")),
        tile(SOURCE, T("Unanswered", "未回复会话"), T("Sessions that got no reply on the same day: sessions x (1 - reply ratio).", "当日未得到回复的会话：会话数 ×（1 − 回复率）。"),
             lambda view: missed(ACCOUNTS, view=view) if view is DAILY else unanswered(ACCOUNTS, view=view), COUNT, rising=BAD, decimals=0,
             bad=T("more than on the usual weekday.", "多于前 4 周同日。")),
        tile(SOURCE, T("Replied", "回复率"), T("Share of the sessions that got a reply on the same day; KF accounts weigh by their sessions.", "当日得到回复的会话占比；客服账号按会话数加权。"), ratio, SHARE, rising=GOOD,
             goal=goals.KF_REPLIED, cases=total("sessions"), least=goals.SESSIONS, decimals=1, bad=T("below the goal.", "低于目标。")),
        tile(SOURCE, T("First reply", "平均首次回复时长"), T("Average time from a customer's first message to the first reply; weighed by replied sessions.", "客户首条消息到首次回复的平均时长；按已回复会话加权。"), reply, TIME, rising=BAD,
             goal=goals.KF_REPLY, cases=total("sessions"), least=goals.SESSIONS, bad=T("minutes: customers leave.", "以分钟计：客户会离开。")),
        tile(SOURCE, T("Satisfied", "满意率"), T("Share of the answered surveys that say satisfied; weighed by answered surveys.", "已评价中“满意”的占比；按评价数加权。"), pleased, SHARE, rising=GOOD,
             goal=goals.SATISFIED, cases=lambda view: answers(ACCOUNTS, view=view), least=goals.ANSWERS, decimals=1, pooled=pooled(ACCOUNTS, PLEASED, SURVEYED),
             bad=T("below the goal over seven days; few answers say little.", "近 7 天低于目标；评价很少时参考意义不大。")),
        tile(SOURCE, T("Per servicer", "人均会话数"), T("Sessions for each servicer who had any: it tells load from staff.", "有会话的接待人员的人均会话数，用于区分负载与人手问题。"), load, "short", decimals=1, rising=None, weekly=False,
             bad=T("a rise together with a slower first reply: too few servicers.", "与首次回复变慢同时上升：人手不足。")),
        trend(T("Sessions, and a week earlier", "会话数，灰线为上周同日"), T("Sessions that reached a servicer, each day. Yesterday's bar is there by 08:00.", "每天接入人工的会话数。昨日的柱形在 08:00 前出现。"), total("sessions"), size=(11, 10),
              bad=T("growth without more servicers.", "会话增长而接待人员未增加。")),
        table(T("KF accounts, 7 days and that day", "客服账号：近 7 天与当日"), T("KF accounts with figures; red only with enough cases.", "有数据的客服账号；样本足够时才着色。") + ENOUGH, [ACCOUNT, ("open_kfid", T("KF account id", "客服账号 ID"))],
              [column(T("Sessions, 7 d", "近 7 天会话"), week(ACCOUNTS.each("sessions", DAILY)), COUNT, **BAR),
               column(T("vs 7 before", "较前 7 天"), week_change(ACCOUNTS.each("sessions", DAILY)), SHARE, decimals=0),
               column(T("Sessions", "当日会话"), ACCOUNTS.each("sessions"), COUNT),
               against(T("replied, to goal", "回复率较目标"), ACCOUNTS.each(RATIO), goals.KF_REPLIED, f"on (account, open_kfid) {ACCOUNTS.each('sessions')} >= ${goals.SESSIONS[0]}", **COLORED),
               column(T("First reply", "首次回复"), ACCOUNTS.each(REPLY), TIME),
               against(T("over goal", "超目标"), ACCOUNTS.each(REPLY), goals.KF_REPLY, f"on (account, open_kfid) {ACCOUNTS.each('sessions')} >= ${goals.SESSIONS[0]}", **COLORED),
               column(T("Answers", "评价数"), answers(ACCOUNTS, DESK), COUNT, decimals=0),
               against(T("satisfied, to goal", "满意率较目标"), ACCOUNTS.each(PLEASED), goals.SATISFIED, f"on (account, open_kfid) {answers(ACCOUNTS, DESK)} >= ${goals.ANSWERS[0]}", **COLORED)],
              (13, 10), name=(T("Name", "名称"), names("wecom_kf_account_info", "open_kfid", ACCOUNTS.each("sessions"))), unseen=[T("KF account id", "客服账号 ID")], narrow=60, pages=True,
              bad=T("red cells.", "红色单元格。")),
    )
    waiting = row(
        T("Waiting, and what it comes from", "等待情况及其原因"),
        goal_trend(T("First reply", "平均首次回复时长"), T("Average time to the first reply, weighed; and the goal.", "首次回复的平均时长（加权）与目标。"), reply, f"${goals.KF_REPLY.name}", SECONDS, bad=T("bars above the line.", "柱形高于目标线。")),
        timeseries(T("Sessions per servicer", "人均会话数"), T("Sessions for each servicer who had any, each day.", "每天有会话的接待人员的人均会话数。"), [("{{account}}", load(DAY))], (12, 8), COUNT, bars=True, colors=[PLAIN], noValue=UNSET,
                   bad=T("bars that grow while the first reply slows down: too few servicers.", "柱形变高且首次回复变慢：人手不足。")),
        timeseries(T("Unanswered sessions", "未回复会话"), T("Sessions that got no reply on the same day.", "当日未得到回复的会话。"), [(T("unanswered", "未回复"), f"sum ({unanswered(ACCOUNTS, view=DAY)})")], (8, 9), COUNT, bars=True, colors=[WARN], decimals=0,
                   bad=T("bars that grow.", "柱形变高。")),
        ranking(T("Most unanswered, 7 days", "近 7 天未回复最多的接待人员"), T("Sessions of a servicer without a reply on the same day, over seven days.", "接待人员近 7 天当日未回复的会话数。") + RANKED,
                who(f"topk(10, round({week(missed(SERVICER, PERSON, DAILY))}) > 0)"), "{{name}}", (8, 9), COUNT, decimals=0, thresholds=steps(WARN), links=[to_person],
                bad=T("the same names every week.", "每周都是同样的人。")),
        ranking(T("Slowest first reply", "首次回复最慢的接待人员"), T("Average time to the first reply that day, of servicers with enough sessions.", "当日首次回复的平均时长，仅会话数足够的接待人员。") + RANKED + ENOUGH,
                who(f"topk(10, {SERVICER.mean(REPLY, REPLIED, PERSON)} and on (account, userid) {person_sessions} >= ${goals.SESSIONS[0]})"), "{{name}}", (8, 9), TIME, links=[to_person], noValue=UNSET,
                bad=T("the same names every day.", "每天都是同样的人。")),
    )
    funnels = row(
        T("Satisfaction and upgrades", "满意度与升级服务"),
        timeseries(T("Surveys: sent, answered, satisfied", "满意度评价：发出、已评价、满意"), T("Satisfaction surveys sent, those of them that were answered, and those that say satisfied; each is part of the one before.", "发出的满意度评价数、其中已评价的、以及评价为满意的；后者包含于前者。"),
                   [(T("sent", "发出"), f"sum ({total(SENT)(DAY)})"), (T("answered", "已评价"), f"sum ({answers(ACCOUNTS, view=DAY)})"),
                    (T("satisfied", "满意"), f"sum ({ACCOUNTS.weighed(PLEASED, SURVEYED, BY, DAY)[0]})")], (12, 8), COUNT, bars=True, colors=[FAINT, PLAIN, GOOD], decimals=0,
                   bad=T("hardly any answered: then the satisfied share says little.", "几乎无人评价：此时满意率没有代表性。")),
        timeseries(T("What the surveys say", "满意度构成"), T("Answered surveys by what they say.", "已评价按结果的构成。"),
                   [(word, f"sum ({ACCOUNTS.weighed(field, SURVEYED, BY, DAY)[0]})") for word, field in (
                       (T("satisfied", "满意"), PLEASED), (T("so-so", "一般"), "middling_ratio"), (T("dissatisfied", "不满意"), "dissatisfied_ratio"))],
                   (12, 8), COUNT, bars=True, stack=True, colors=[GOOD, WARN, BAD], decimals=0, bad=T("more red.", "红色增多。")),
        timeseries(T("Upgrades to a specialist: card sent, added", "升级专员服务：发送名片、添加"), T("Cards of specialists that were sent, and customers who added one.", "发出的专员名片，以及添加了专员的客户。"),
                   [(T("cards sent", "发送名片"), f"sum ({total('upgrade_member_invites')(DAY)})"), (T("added", "添加专员"), f"sum ({total('upgrade_member_customers')(DAY)})")], (12, 7), COUNT, bars=True, colors=[FAINT, PLAIN], decimals=0,
                   bad=T("many sent, few followed.", "发出很多，响应很少。")),
        timeseries(T("Upgrades to a group: code sent, joined", "升级客户群服务：发送二维码、入群"), T("QR codes of groups that were sent, and customers who joined.", "发出的群二维码，以及加入客户群的客户。"),
                   [(T("codes sent", "发送群二维码"), f"sum ({total('upgrade_groupchat_invites')(DAY)})"), (T("joined", "加入群聊"), f"sum ({total('upgrade_groupchat_customers')(DAY)})")], (12, 7), COUNT, bars=True, colors=[FAINT, PLAIN], decimals=0,
                   bad=T("many sent, few followed.", "发出很多，响应很少。")),
        collapsed=True)
    people = row(
        T("Servicers", "接待人员"),
        table(T("Servicers", "接待人员"), T("Every servicer with figures that day; a click on a heading sorts, one on a name leads to that member. –: no figure, which is not 0. A customer in two KF accounts counts twice.",
                                        "当日有数据的接待人员，点击表头可排序，点击姓名进入该成员看板。“–”表示没有数据，并不是 0。在两个客服账号咨询的客户计两次。") + RANKED + ENOUGH,
              [ACCOUNT, ("userid", T("Servicer id", "接待人员 ID"))],
              [column(T("Sessions", "会话数"), person_sessions, COUNT, **BAR),
               column(T("Customers", "咨询客户"), SERVICER.sum("customers", PERSON), COUNT),
               column(T("Customer messages", "客户消息"), SERVICER.sum("customer_messages", PERSON), COUNT),
               column(T("Unanswered", "未回复"), unanswered(SERVICER, PERSON), COUNT, decimals=0),
               against(T("replied, to goal", "回复率较目标"), SERVICER.mean(RATIO, ("sessions",), PERSON), goals.KF_REPLIED, f"on (account, userid) {person_sessions} >= ${goals.SESSIONS[0]}", **COLORED),
               column(T("First reply", "首次回复"), SERVICER.mean(REPLY, REPLIED, PERSON), TIME),
               against(T("over goal", "超目标"), SERVICER.mean(REPLY, REPLIED, PERSON), goals.KF_REPLY, f"on (account, userid) {person_sessions} >= ${goals.SESSIONS[0]}", **COLORED),
               column(T("Answers", "评价数"), answers(SERVICER, PERSON), COUNT, decimals=0),
               against(T("satisfied, to goal", "满意率较目标"), SERVICER.mean(PLEASED, SURVEYED, PERSON), goals.SATISFIED, f"on (account, userid) {answers(SERVICER, PERSON)} >= ${goals.ANSWERS[0]}", **COLORED),
               column(T("Rejected", "拒收客户"), SERVICER.sum("rejected_customers", PERSON), COUNT)],
              (24, 11), name=(T("Name", "姓名"), names("wecom_user_info", "userid", person_sessions)), pages=True, noValue=UNSET,
              links={shown: link("wecom-person", T("This member's board", "查看该成员"), account=cell(T("Account", "账号")), userid=cell(T("Servicer id", "接待人员 ID")))
                     for shown in (T("Name", "姓名"), T("Servicer id", "接待人员 ID"))},
              bad=T("red cells with many sessions.", "会话多而单元格为红色的人员。")),
        collapsed=True)
    accounts_by_day = row(
        T("Sessions by KF account", "各客服账号会话数"),
        timeseries(T("Sessions of the busiest KF accounts", "最忙客服账号的会话数"), T("The 8 KF accounts with most sessions over the whole time shown.", "所选时间内会话最多的 8 个客服账号。"),
                   [("{{name}} ({{account}})", desk(ACCOUNTS.busiest(ACCOUNTS.each("sessions", DAY), "sessions", 8), trend=True))], (24, 9), COUNT, bars=True, stack=True, many=True,
                   bad=T("one account carries nearly everything.", "几乎全部集中在一个账号。")),
        collapsed=True)
    return dashboard(
        "wecom-kf", T("WeCom KF / customer service", "微信客服 / 客户咨询"),
        T("Daily statistics of WeCom KF: are customers waiting, is it load or staff, are they satisfied. A day late by nature: yesterday is there from about 06:10. Days are those of Beijing.",
          "微信客服每日统计：客户是否在等待、是负载还是人手问题、是否满意。数据天然滞后一天：昨日数据约 06:10 起可见。日期以北京时间为准。"),
        [accounts("wecom_kf"), goals.KF_REPLIED.variable(), goals.KF_REPLY.variable(), goals.SATISFIED.variable(), goals.number(*goals.SESSIONS), goals.number(*goals.ANSWERS)],
        [tiles, waiting, funnels, people, accounts_by_day], sources=[SOURCE], tags=["wecom", "微信客服"])
