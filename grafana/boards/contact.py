"""WeCom customer contact, for the head of sales: customers won and lost, and who answers how fast."""

from . import goals
from .frame import against, fresh, goal_trend, tile, trend
from .page import accounts, by_name, dashboard, hidden, row
from .panels import (ACCOUNT, BAD, BAR, COLORED, COUNT, FAINT, GOOD, MINUTES, PLAIN, SHARE, TIME, WARN, cell, column, link, ranking, steps, table,
                     timeseries)
from .promql import DAILY, DAY, NOW, WEEK_EARLIER, Source, Table, named, names, one_name, selector, week, week_change, week_until
from .text import Text as T

SOURCE = Source("wecom_contact")
USER = Table("wecom_contact_user", SOURCE, ("userid",), many=True)
DEPARTMENT = Table("wecom_contact_department", SOURCE, ("partyid",))
TEAM = Table("wecom_contact_team", SOURCE, ("team_name",))

RATIO, REPLY = "replied_chats_ratio", "first_reply_average_seconds"
BY = ("account",)
WHOSE = T(" Of the department chosen above, as WeCom adds it up; where it is not configured: of all members together.",
          " 为上方所选部门由企业微信汇总的数据；未配置该部门时为全部成员合计。")
MEDIAN = T(" Of the department chosen above, as WeCom adds it up. Where it is not configured: the median of the members, as WeCom does not say of how "
           "many chats an average is.",
           " 为上方所选部门由企业微信汇总的数据；未配置该部门时为成员中位数，因为企业微信不提供平均值对应的聊天数。")
ENOUGH = T(f" Judged from ${goals.CHATS[0]} chats on.", f" 聊天数达到 ${goals.CHATS[0]} 才评价。")


def company(field):
    """A count of the chosen department, which WeCom adds up itself, by account; of accounts without it (`$summed`) the sum of members."""
    return lambda view: (f"(max by (account) ({DEPARTMENT.each(field, view, partyid='$party')}) "
                         f"or on (account) {USER.sum(field, BY, view, within='$summed')})")


def answers(field):
    """A share or an average of the chosen department, by account; of accounts without it the median of members."""
    return lambda view: (f"(max by (account) ({DEPARTMENT.each(field, view, partyid='$party')}) "
                         f"or on (account) quantile by (account) (0.5, {USER.each(field, view, within='$summed')}))")


def lost_of_won(view):
    return f"{company('lost_customers')(view)} / on (account) ({company('new_contacts')(view)} > 0)"


def part(field, view=NOW):
    """A figure of the departments below the chosen one."""
    return DEPARTMENT.each(field, view, partyid="$parts")


def of_department(expr):
    """Without members of whom is known that they belong elsewhere; of the whole company no one is left out."""
    elsewhere = f"topk by (account, userid) (1, {selector('wecom_user_info', partyid='!~$party|$below|$further|$furthest')})"
    inner = f"topk by (account, partyid) (1, {selector('wecom_department_info', partyid='$party', parentid='!~0|')})"
    return f"(({expr}) unless on (account, userid) ({elsewhere} and on (account) {inner}))"


def member(field, view=NOW):
    return of_department(USER.each(field, view))


def who(expr):
    return named(expr, "wecom_user_info", "userid")


def variables():
    chats = "wecom_contact_department_active_chats"
    scope = 'account=~"$account"'
    first = f'max by (account, partyid) ({chats}{{{scope},partyid="1"}}) + 1 or max by (account, partyid) ({chats}{{{scope},partyid!="1"}})'
    name = one_name("wecom_department_info", "partyid")
    parties = (f'sort_desc(max by (name, partyid) (({first}) * on (account, partyid) group_left (name) {name} '
               f'or on (account, partyid) label_join({first}, "name", "", "partyid")))')
    parent = lambda of: f'wecom_department_info{{{scope},parentid=~"${of}",parentid!=""}}'  # noqa: E731
    others = f'max by (partyid) ({chats}{{{scope},partyid!~"$party"}})'
    return [
        accounts("wecom_contact"),
        # The root has most chats, and so comes first and is chosen.
        by_name("partyid", T("Department", "部门"), parties, variable="party", many=False, sort=0),
        hidden("summed", f'max by (account) (imstats_source_up{{source="wecom_contact",{scope}}}) unless on (account) last_over_time({chats}{{{scope},partyid=~"$party"}}[2d])', "account"),
        hidden("parts", f'{others} and on (partyid) {parent("party")} or {others} unless on () wecom_department_info{{{scope},parentid!=""}}', "partyid"),
        hidden("below", f"max by (partyid) ({parent('party')})", "partyid"),
        hidden("further", f"max by (partyid) ({parent('below')})", "partyid"),
        hidden("furthest", f"max by (partyid) ({parent('further')})", "partyid"),
        goals.CHATS_REPLIED.variable(), goals.CHAT_REPLY.variable(), goals.LOST.variable(), goals.number(*goals.CHATS),
    ]


def parts_table(title, what, size, of, keys, each, name, **more):
    """Won, lost and answers of departments or teams; `each` makes their figures."""
    won, lost = each("new_contacts", DAILY), each("lost_customers", DAILY)
    cases = f"{each('active_chats')} >= ${goals.CHATS[0]}"
    rate = f"{week(lost)} / ({week(won)} > 0)"
    return table(title, what, keys, [
        column(T("Won, 7 d", "近 7 天新增"), week(won), COUNT, **BAR),
        column(T("vs 7 before", "较前 7 天"), week_change(won), SHARE, decimals=0),
        column(T("Lost per 100 won", "流失/新增"), rate, SHARE, decimals=0),
        column(T("Chats", "聊天数"), each("active_chats"), COUNT),
        column(T("Replied", "已回复聊天占比"), each(RATIO), SHARE, decimals=1, custom__width=85),
        against(T("to goal", "较目标"), each(RATIO), goals.CHATS_REPLIED, f"on ({of}) {cases}", **COLORED),
        column(T("First reply", "平均首次回复"), each(REPLY), TIME, custom__width=80),
        against(T("over goal", "超目标"), each(REPLY), goals.CHAT_REPLY, f"on ({of}) {cases}", **COLORED),
    ], size, name=name, narrow=62, **more)


def board():
    won, lost = company("new_contacts"), company("lost_customers")
    tiles = row(
        None, fresh((SOURCE, None)),
        tile(SOURCE, T("New customers", "新增客户"), T("Customers newly added.", "当日新增的客户数。") + WHOSE, won, COUNT, rising=GOOD,
             bad=T("fewer than on the usual weekday, for days on end.", "连续多日低于前 4 周同日。")),
        tile(SOURCE, T("Lost customers", "删除/拉黑的客户"), T("Customers who deleted or blocked a member.", "当日删除或拉黑成员的客户数。") + WHOSE, lost, COUNT, rising=BAD,
             bad=T("a jump: see below whose they are.", "突然增多：下方可查是谁的客户。")),
        tile(SOURCE, T("Lost per 100 won", "流失/新增比"), T("Customers lost, for each hundred newly added.", "每新增 100 位客户流失的客户数。") + WHOSE, lost_of_won, SHARE, rising=BAD,
             goal=goals.LOST, decimals=1, pooled=lambda back: f"{week(lost(DAILY), back)} / on (account) ({week(won(DAILY), back)} > 0)",
             bad=T("above the goal over seven days; a single weekend day says little.", "近 7 天高于目标；单个周末日参考意义不大。")),
        tile(SOURCE, T("Chats", "聊天数"), T("Single chats in which a member wrote to a customer.", "成员主动发送过消息的单聊数。") + WHOSE, company("active_chats"), COUNT, rising=GOOD,
             bad=T("fewer chats on working days.", "工作日聊天数减少。")),
        tile(SOURCE, T("Replied chats", "已回复聊天占比"), T("Share of the chats started by customers that got a reply on the same day.", "客户主动发起的聊天中，当日得到回复的占比。") + MEDIAN,
             answers(RATIO), SHARE, rising=GOOD, goal=goals.CHATS_REPLIED, cases=company("active_chats"), least=goals.CHATS, decimals=1,
             bad=T("below the goal: customers wait until tomorrow.", "低于目标：客户要等到第二天。")),
        tile(SOURCE, T("First reply", "平均首次回复时长"), T("Average time to the first reply in chats started by customers.", "客户主动发起的聊天中，首次回复的平均时长。") + MEDIAN,
             answers(REPLY), TIME, rising=BAD, goal=goals.CHAT_REPLY, cases=company("active_chats"), least=goals.CHATS,
             bad=T("hours instead of minutes.", "以小时计而不是以分钟计。")),
        timeseries(T("Won and lost, and won a week earlier", "新增与流失，灰线为上周同日新增"),
                   T("Customers added and lost, each day. Yesterday's bar is there by 08:00.", "每天新增和流失的客户数。昨日的柱形在 08:00 前出现。") + WHOSE,
                   [(T("won", "新增"), f"sum ({won(DAY)})"), (T("lost", "流失"), f"sum ({lost(DAY)})"), (T("won, a week earlier", "上周同日新增"), f"sum ({won(WEEK_EARLIER)})")],
                   (11, 10), COUNT, bars=True, lines="C", colors=[GOOD, BAD, FAINT], below="B", min=None,
                   bad=T("as much below the line as above.", "下方的红柱接近上方的绿柱。")),
        parts_table(T("Departments below, 7 days and that day", "下级部门：近 7 天与当日"),
                    T("The departments right below the one chosen above, as WeCom adds them up; a click on a name goes into it. Rows must not be added to those of other levels.",
                      "所选部门的直接下级部门，由企业微信汇总；点击名称可进入该部门。不同层级不可相加。") + ENOUGH,
                    (13, 10), "account, partyid", [ACCOUNT, ("partyid", T("Id", "部门 ID"))], part,
                    (T("Department", "部门"), names("wecom_department_info", "partyid", part("active_chats"))),
                    unseen=[T("Id", "部门 ID")], pages=True,
                    links={T("Department", "部门"): link("wecom-contact", T("Into this department", "进入该部门"), account=cell(T("Account", "账号")), party=cell(T("Id", "部门 ID"))),
                           T("Id", "部门 ID"): link("wecom-contact", T("Into this department", "进入该部门"), account=cell(T("Account", "账号")), party=cell(T("Id", "部门 ID")))},
                    bad=T("red cells, and the bottom of the list.", "红色单元格，以及列表末尾的部门。"),
                    noValue=T("No departments below with figures (configure `departments`)", "没有有数据的下级部门（请配置 departments）")),
    )
    to_person = link("wecom-person", T("This member's board", "查看该成员"), account="${__field.labels.account}", userid="${__field.labels.userid}")
    enough = f"and on (account, userid) {USER.each('active_chats')} >= ${goals.CHATS[0]}"
    asks = row(
        T("Answers, and whom to talk to", "回复情况与需要关注的成员"),
        goal_trend(T("Replied chats", "已回复聊天占比"), T("Share of the chats started by customers that got a reply on the same day.", "客户主动发起的聊天中当日得到回复的占比。") + MEDIAN,
                     answers(RATIO), goals.CHATS_REPLIED.value, SHARE, max=1, bad=T("bars that stay below the line.", "柱形持续低于目标线。")),
        goal_trend(T("First reply", "平均首次回复时长"), T("Average time to the first reply.", "首次回复的平均时长。") + MEDIAN, lambda view: f"{answers(REPLY)(view)} / 60",
                     f"${goals.CHAT_REPLY.name}", MINUTES, bad=T("bars above the line.", "柱形高于目标线。")),
        ranking(T("Lowest share of replied chats", "已回复聊天占比最低的成员"),
                T("Share of that day's chats that got a reply, of members with enough chats.", "当日聊天中得到回复的占比，仅聊天数足够的成员。") + ENOUGH,
                who(f"bottomk(10, {of_department(USER.each(RATIO))} {enough})"), "{{name}}", (8, 9), SHARE, max=1, decimals=0, links=[to_person],
                bad=T("the same names every day.", "每天都是同样的人。")),
        ranking(T("Most customers lost, 7 days", "近 7 天流失客户最多的成员"),
                T("Customers who deleted or blocked the member over seven days.", "近 7 天删除或拉黑该成员的客户数。"),
                who(f"topk(10, {of_department(week(USER.each('lost_customers', DAILY)))} > 0)"), "{{name}}", (8, 9), COUNT, thresholds=steps(WARN), links=[to_person],
                bad=T("one member far above the others; whoever has most customers loses most, so compare with the table below.", "某位成员远高于其他人；客户多的成员流失也多，请对照下表。")),
        ranking(T("Fell silent", "不再联系客户的成员"),
                T("Members without any chat in the last seven days who had more than 20 in the seven before; the bar is those.", "近 7 天没有任何聊天、而此前 7 天超过 20 个的成员；柱长为此前 7 天的聊天数。"),
                who(f"topk(10, {of_department(week(USER.each('active_chats', DAILY), 7))} > 20 and {week(USER.each('active_chats', DAILY))} == 0)"),
                "{{name}}", (8, 9), COUNT, thresholds=steps(WARN), links=[to_person],
                bad=T("anybody here who is not on leave: their customers are alone.", "非休假人员出现在此：其客户无人联系。")),
    )
    activity = row(
        T("Activity", "活跃情况"),
        trend(T("Chats", "聊天数"), T("Single chats in which members wrote.", "成员发送过消息的单聊数。") + WHOSE, company("active_chats"), bad=T("working days without activity.", "工作日无活动。")),
        trend(T("Messages sent", "发送消息数"), T("Messages that members sent in single chats.", "成员在单聊中发送的消息数。") + WHOSE, company("messages_sent"), bad=T("less and less for each chat.", "每个聊天的消息越来越少。")),
        trend(T("Friend requests sent", "发起申请数"), T("Friend requests that members sent. Customers also come by QR code, so new customers are no part of them.", "成员发起的好友申请数。客户也可扫码添加，因此新增客户并非其中一部分。") + WHOSE,
              company("friend_requests_sent"), bad=T("none on working days.", "工作日没有申请。")),
        timeseries(T("Net growth", "净增客户"), T("Customers won less customers lost, each day.", "每天新增客户减去流失客户。") + WHOSE, [(T("net", "净增"), f"sum ({won(DAY)} - on (account) {lost(DAY)})")],
                   (12, 7), COUNT, bars=True, colors=[PLAIN], min=None, bad=T("bars below 0.", "柱形低于 0。")),
        timeseries(T("Lost per 100 won, 7 days", "近 7 天流失/新增比"), T("Customers lost over the seven days before, for each hundred won in them; and the goal.", "此前 7 天每新增 100 位客户流失的客户数，以及目标。") + WHOSE,
                   [("{{account}}", f"100 * {week_until(lost(DAILY))} / on (account) ({week_until(won(DAILY))} > 0)"), (T("goal", "目标"), f"vector(${goals.LOST.name})")], (12, 7), "short",
                   colors=[PLAIN, FAINT], bad=T("a rising line.", "持续上升。")),
    )
    people = row(
        T("Members", "成员"),
        table(T("Members, that day and over 7 days", "成员：当日与近 7 天"),
              T("Members of the department chosen above and of those below it, as far as their names and departments are known (`names: true`); otherwise all. A click on a heading "
                "sorts, one on a name leads to that member. –: WeCom gave no figure, which is not 0; goals are compared only with enough chats.",
                "所选部门及其下级的成员（需配置 `names: true` 才能得知姓名与部门，否则显示全部）。点击表头可排序，点击姓名进入该成员看板。“–”表示企业微信未给出该数据，并不是 0；聊天数足够时才与目标比较。") + ENOUGH,
              [ACCOUNT, ("userid", T("Member id", "成员 ID"))],
              [column(T("New, 7 d", "近 7 天新增"), of_department(week(USER.each("new_contacts", DAILY))), COUNT, **BAR),
               column(T("vs 7 before", "较前 7 天"), of_department(week_change(USER.each("new_contacts", DAILY))), SHARE, decimals=0),
               column(T("Lost, 7 d", "近 7 天流失"), of_department(week(USER.each("lost_customers", DAILY))), COUNT),
               column(T("New", "新增"), member("new_contacts"), COUNT),
               column(T("Requests sent", "发起申请数"), member("friend_requests_sent"), COUNT),
               column(T("Chats", "聊天数"), member("active_chats"), COUNT),
               column(T("Messages", "消息数"), member("messages_sent"), COUNT),
               column(T("Replied", "已回复聊天占比"), member(RATIO), SHARE, decimals=1),
               against(T("to goal", "较目标"), f"({member(RATIO)})", goals.CHATS_REPLIED, f"on (account, userid) {USER.each('active_chats')} >= ${goals.CHATS[0]}", **COLORED),
               column(T("First reply", "平均首次回复"), member(REPLY), TIME)],
              (24, 12), name=(T("Name", "姓名"), names("wecom_user_info", "userid", f"({member('active_chats')})")),
              sort=T("New, 7 d", "近 7 天新增"), pages=True,
              links={shown: link("wecom-person", T("This member's board", "查看该成员"), account=cell(T("Account", "账号")), userid=cell(T("Member id", "成员 ID")))
                     for shown in (T("Name", "姓名"), T("Member id", "成员 ID"))},
              bad=T("red cells with many chats.", "聊天数多而单元格为红色的成员。")),
        collapsed=True)
    others = row(
        T("Teams, and all departments", "团队与全部部门"),
        parts_table(T("Teams", "团队"), T("Teams as the configuration names them, added up by WeCom. They may overlap.", "配置中定义的团队，由企业微信汇总；团队之间可能重叠。") + ENOUGH, (24, 7),
                    "account, team_name", [ACCOUNT, ("team_name", T("Team", "团队"))], TEAM.each, None, bad=T("red cells.", "红色单元格。"),
                    noValue=T("No figures of teams (configure `teams`)", "没有团队数据（请配置 teams）")),
        parts_table(T("All departments", "全部部门"), T("Every department that is configured, as WeCom adds it up. A department contains those below it.", "所有已配置的部门，由企业微信汇总；部门包含其下级。") + ENOUGH, (24, 11),
                    "account, partyid", [ACCOUNT, ("partyid", T("Id", "部门 ID"))], DEPARTMENT.each,
                    (T("Department", "部门"), names("wecom_department_info", "partyid", DEPARTMENT.each("active_chats"))), pages=True,
                    bad=T("red cells.", "红色单元格。"), noValue=T("No figures of departments (configure `departments`)", "没有部门数据（请配置 departments）")),
        collapsed=True)
    return dashboard(
        "wecom-contact", T("WeCom / customer contact", "企业微信 / 客户联系"),
        T("Daily customer-contact statistics of WeCom: customers won and lost, and who answers how fast. A day late by nature: yesterday is there from about 06:10. Days are those of Beijing.",
          "企业微信客户联系每日统计：新增与流失客户、谁在回复以及多快回复。数据天然滞后一天：昨日数据约 06:10 起可见。日期以北京时间为准。"),
        variables(), [tiles, asks, activity, people, others], sources=[SOURCE], tags=["wecom", "企业微信"])
