"""A row for each account and platform, for the manager of all of them; every row leads to its board."""

from . import contact, desk, feishu, goals, groupchat, kf
from .frame import mapped, state_of, usual
from .page import accounts, dashboard, row
from .panels import BAD, CELL_POINTS, COLORED, COUNT, GOOD, SHARE, TIME, WARN, cell, column, steps, table
from .promql import DAILY, NOW, days, week
from .text import Text as T


class Platform:
    """What is shown of a source: a count, a share and a time, with their goals."""

    def __init__(self, board, name, source, count, counted, share=None, shared=None, goal=None, time=None, timed=None, limit=None):
        self.board, self.name, self.source = board, name, source
        self.count, self.counted = count, counted
        self.share, self.shared, self.goal = share, shared, goal
        self.time, self.timed, self.limit = time, timed, limit

    def mark(self, expr):
        """With the labels of its row: name, board and what is counted, none of which Prometheus knows."""
        labels = {"platform": self.name, "board": self.board, "counted": self.counted, "shared": self.shared or T("–", "–")}
        for label, text in labels.items():
            expr = T("label_replace(", "label_replace(") + expr + T(f', "{label}", "', f', "{label}", "') + text + T('", "", "")', '", "", "")')
        return expr


def platforms():
    top = lambda expr: f"max by (account) ({expr})"  # noqa: E731
    return [
        Platform("wecom-contact", T("WeCom contact", "企业微信客户联系"), contact.SOURCE, total("new_contacts"), T("new customers", "新增客户"),
                 contact_answers(contact.RATIO), T("replied chats", "已回复聊天占比"), goals.CHATS_REPLIED, contact_answers(contact.REPLY), T("first reply", "首次回复"), goals.CHAT_REPLY),
        Platform("wecom-groupchat", T("WeCom groups", "企业微信客户群"), groupchat.SOURCE, groupchat.total("new_members"), T("joined groups", "新入群人数")),
        Platform("wecom-kf", T("WeCom KF", "微信客服"), kf.SOURCE, kf.total("sessions"), T("sessions", "咨询会话"),
                 lambda view: kf.ACCOUNTS.mean(kf.RATIO, ("sessions",), kf.BY, view), T("replied sessions", "回复率"), goals.KF_REPLIED,
                 lambda view: kf.ACCOUNTS.mean(kf.REPLY, kf.REPLIED, kf.BY, view), T("first reply", "首次回复"), goals.KF_REPLY),
        Platform("tencent-desk", T("Tencent Cloud Desk", "腾讯云智能客服"), desk.SOURCE, desk.total("sessions"), T("sessions", "会话"),
                 desk.share(desk.QUICK, "sessions"), T("first response in 30 s", "30 秒首响占比"), goals.QUICK,
                 lambda view: desk.average(desk.FIRST, view), T("first response", "首次响应"), goals.RESPONSE),
        Platform("feishu-push", T("Feishu push", "飞书消息推送"), feishu.SOURCE, lambda view: top(push(feishu.SENT, view)), T("pushes (largest app)", "推送数（最大的应用）"),
                 lambda view: top(f"{push(feishu.HALFDAY, view)} / ({push(feishu.SENT, view)} > 0)"), T("read within 12 h", "12 小时阅读率"), goals.READ),
    ]


def push(metric, view):
    return feishu.bare(feishu.TENANT.each("", view, cycle="day", metric_name=metric))


def total(field):
    """The root department's count, else the sum of members. Where the root is there, the list of members is empty (`$summed`)."""
    return lambda view: (f"(max by (account) ({contact.DEPARTMENT.each(field, view, partyid='1')}) "
                         f"or on (account) {contact.USER.sum(field, contact.BY, view, within='$summed')})")


def contact_answers(field):
    return lambda view: (f"(max by (account) ({contact.DEPARTMENT.each(field, view, partyid='1')}) "
                         f"or on (account) quantile by (account) (0.5, {contact.USER.each(field, view, within='$summed')}))")


def joined(parts):
    made = None
    for part in parts:
        made = part if made is None else made + T(" or ", " or ") + part
    return made


def board():
    rows = platforms()

    def every(make, among=rows):
        """One expression for the column of all platforms."""
        return joined(each.mark(make(each)) for each in among if make(each))

    day = every(lambda p: f"1000 * ({p.source.about('stat_timestamp_seconds')} + 21600)")
    state = every(lambda p: state_of(p.source))
    change = lambda p: f"({p.count(NOW)}) / on (account) ({usual(p.count, mean=p.source is not feishu.SOURCE)} > 0) - 1"  # noqa: E731
    # Feishu gives a week of its own, as people are in several days.
    seven = lambda p, back=0: p.source is not feishu.SOURCE and week(p.count(DAILY), back)  # noqa: E731
    weeks = lambda p: p.source is not feishu.SOURCE and f"{seven(p)} / on (account) ({seven(p, 7)} > 0 and on (account) {days(p.count(DAILY))} == {days(p.count(DAILY), 7)}) - 1"  # noqa: E731
    to_goal = lambda p: p.share and f"round(100 * ({p.share(NOW)} - {p.goal.value}), 0.1) + 0"  # noqa: E731
    reached = lambda p: p.share and f"({days(p.goal.reached(p.share(DAILY)))} or on (account) 0 * {days(p.share(DAILY))}) and on (account) {days(p.share(DAILY))} >= 5"  # noqa: E731
    over_goal = lambda p: p.time and f"({p.time(NOW)}) / {p.limit.value} - 1"  # noqa: E731
    account, platform = T("Account", "账号"), T("Platform", "平台")
    to_board = {"title": T("The board of this platform", "该平台看板"), "targetBlank": False,
                "url": "/d/imstats-" + T(cell("board"), cell("board") + "-zh") + "?${datasource:queryparam}&var-account=" + T(cell("Account"), cell("账号")) + "&${__url_time_range}"}
    changed = {"decimals": 0}
    titles = [T("Figures of", "数据日期"), T("State", "状态"), T("Count", "数量"), T("vs usual", "较前 4 周"), T("7 days", "近 7 天"), T("vs 7 before", "较前 7 天"), T("Share", "占比"), T("to goal", "较目标"),
              T("on goal, of 7", "近 7 天达标"), T("Time", "时长"), T("over goal", "超目标")]
    columns = [
        column(titles[0], day, T("time:YYYY-MM-DD ddd", "time:YYYY年M月D日"), custom__width=120),
        column(titles[1], state, "none", mappings=mapped((-2, T("late", "迟到"), WARN), (-1, T("no answer", "无应答"), BAD), (0, T("up to date", "最新"), GOOD), (1, T("day before", "前一天"), WARN)), thresholds=steps(BAD), **COLORED),
        column(titles[2], every(lambda p: p.count(NOW)), COUNT),
        column(titles[3], every(change), SHARE, **changed),
        column(titles[4], every(seven), COUNT),
        column(titles[5], every(weeks), SHARE, **changed),
        column(titles[6], every(lambda p: p.share and p.share(NOW)), SHARE, decimals=1),
        column(titles[7], every(to_goal), CELL_POINTS, decimals=1, thresholds=steps(BAD, (-5, WARN), (0, GOOD)), **COLORED),
        column(titles[8], every(reached), "none", thresholds=steps(BAD, (4, WARN), (6, GOOD)), **COLORED),
        column(titles[9], every(lambda p: p.time and p.time(NOW)), TIME),
        column(titles[10], every(over_goal), SHARE, decimals=0, thresholds=steps(GOOD, (0.0001, WARN), (0.5, BAD)), **COLORED),
    ]
    keys = [("account", account), ("platform", platform), ("counted", T("Count is of", "数量口径")), ("shared", T("Share is of", "占比口径"))]
    made = table(
        T("All accounts and platforms", "全部账号与平台"),
        T("A row for each account and platform: the count and the share that matter most, and how long customers wait. A click on any cell leads to the board. The company's own total where WeCom gives it (department 1); of several "
          "Feishu apps the largest. Goals: at the top. –: the platform has no such figure.",
          "每个账号、每个平台一行：最重要的数量、占比与客户等待时长。点击任意单元格进入对应看板。企业微信使用其自身汇总（部门 1）；多个飞书应用取最大者。目标见页面顶部。“–”表示该平台没有此项数据。"),
        keys, columns, (24, 16), sort=account, descending=False, narrow=66, unseen=["board"],
        bad=T("red cells, and rows that are not up to date.", "红色单元格，以及不是最新的行。"),
        links={title: to_board for title in [account, platform, *titles]})
    variables = accounts("wecom_.+|tencent_desk_agent|feishu_message_push")
    variables.update(includeAll=True)
    summed = contact.variables()[2]
    summed["query"]["query"] = summed["definition"] = summed["query"]["query"].replace("$party", "1")
    limits = [goals.CHATS_REPLIED, goals.CHAT_REPLY, goals.KF_REPLIED, goals.KF_REPLY, goals.RESPONSE, goals.QUICK, goals.READ]
    boxes = [dict(goal.variable(), label=T(word + goal.label.words["en"].removeprefix("Goal: "), word_zh + goal.label.words["zh"].removeprefix("目标："))) for goal, word, word_zh in zip(limits, ("WeCom: ", "WeCom: ", "KF: ", "KF: ", "Desk: ", "Desk: ", "Feishu: "), ("企微：", "企微：", "客服：", "客服：", "Desk：", "Desk：", "飞书："))]
    return dashboard(
        "overview", T("Customer service / overview", "客户服务 / 总览"),
        T("All accounts and platforms on one page: is it fresh, is it more or less than usual, is it good. Days are those of Beijing.", "全部账号与平台的总览：是否最新、比平时多还是少、是否达标。日期以北京时间为准。"),
        [variables, summed, *boxes], [row(None, made)], sources=[], tags=["wecom", "feishu", "tencent-desk"])

