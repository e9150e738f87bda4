"""WeCom customer groups, for the community manager: who joins, who leaves, and where people still talk."""

from .frame import fresh, tile
from .page import accounts, dashboard, row
from .panels import (ACCOUNT, BAD, BAR, COUNT, FAINT, GOOD, PLAIN, SHARE, WARN, cell, column, link, ranking, steps, table, timeseries)
from .promql import DAILY, DAY, NOW, WEEK_EARLIER, Source, Table, ago, before, named, names, week, week_change
from .text import Text as T

SOURCE = Source("wecom_groupchat_owner")
TEAMS = Source("wecom_groupchat_team")
OWNER = Table("wecom_groupchat_owner", SOURCE, ("owner",), many=True)
TEAM = Table("wecom_groupchat_team", TEAMS, ("team_name",))
BY, EACH = ("account",), ("account", "owner")
GROWTH = T(" WeCom gives standing totals; this is reckoned from their growth since the day before, of owners who stand in both days.",
           "企业微信给出的是累计值；此处由较前一日的增量算出，仅含两日都有数据的群主。")
TWICE = T(" Whoever is in the groups of two owners counts twice.", "同时在两位群主群中的人计两次。")


def total(field):
    return lambda view: OWNER.sum(field, BY, view)


def growth(view, field="members", by=BY):
    """By how much a standing total grew since the day before."""
    return f"sum by ({', '.join(by)}) ({OWNER.grown(field, view)})"


def posted(view, by=BY):
    """Messages of one day. A total that falls is that of groups that were dissolved or went to another owner."""
    return f"sum by ({', '.join(by)}) (clamp_min({OWNER.grown('messages', view)}, 0))"


def left(view, by=BY):
    """Those who joined, less the growth of members. Groups that come from elsewhere make more growth than there are who joined: then it is not known."""
    keys = ", ".join(by)
    return f"(sum by ({keys}) ({OWNER.each('new_members', view)} - on (account, owner) {OWNER.grown('members', view)}) >= 0)"


def talk(view, by=BY):
    """Messages for each hundred members, the same day."""
    return f"100 * {posted(view, by)} / on ({', '.join(by)}) ({OWNER.sum('members', by, view)} > 0)"


def of_week(figure):
    """What totals grew by in seven days: the difference of two days, where a sum of daily differences would ask fourteen times."""
    return lambda back: figure(NOW if back == 0 else ago(7), ago(back + 7))


def grown(field, least=None):
    """By how much a standing total grew between two points of view, of the owners who stand in both."""
    def between(now, then):
        growth = f"{OWNER.each(field, now)} - {OWNER.each(field, then)}"
        return f"sum by (account) ({f'clamp_min({growth}, {least})' if least is not None else growth})"
    return between


def left_in_week(back):
    joined = f"sum_over_time(({total('new_members')(DAILY)})[7d:1d]{f' offset {back}d' if back else ''})"
    return f"({joined} - on (account) {of_week(grown('members'))(back)} >= 0)"


def who(expr):
    return named(f'label_join({expr}, "userid", "", "owner")', "wecom_user_info", "userid")


def names_of_owners():
    found = names("wecom_user_info", "userid", f'label_join({OWNER.each("chats")}, "userid", "", "owner")')
    return f'max by (account, owner, name) (label_join({found}, "owner", "", "userid"))'



def board():
    to_person = link("wecom-person", T("This member's board", "查看该成员"), account="${__field.labels.account}", userid="${__field.labels.owner}")
    tiles = row(
        None, fresh((SOURCE, T("owners", "群主")), (TEAMS, T("teams", "团队"))),
        tile(SOURCE, T("Joined", "新入群人数"), T("People who joined customer groups.", "当日新加入客户群的人数。") + TWICE, total("new_members"), COUNT, rising=GOOD,
             bad=T("fewer than on the usual weekday, for days on end.", "连续多日低于前 4 周同日。")),
        tile(SOURCE, T("Left", "退群人数"), T("People who left customer groups: those who joined, less the growth of members.", "当日退群的人数：新入群人数减去成员净增。") + GROWTH, left, COUNT, rising=BAD, compared=False, pooled=left_in_week,
             bad=T("as many as join.", "退群人数接近入群人数。")),
        tile(SOURCE, T("Net growth", "净增成员"), T("Members more than the day before.", "成员数较前一日的净增。") + GROWTH, growth, COUNT, rising=GOOD, compared=False, pooled=of_week(grown("members")),
             bad=T("below 0: more leave than join.", "低于 0：退群多于入群。")),
        tile(SOURCE, T("Members", "群成员数"), T("People in customer groups at the end of the day.", "当日结束时客户群中的人数。") + TWICE, total("members"), COUNT, rising=GOOD, weekly=False,
             bad=T("fewer than four weeks ago.", "少于四周前。")),
        tile(SOURCE, T("Messages", "消息数"), T("Messages in customer groups on that day.", "客户群当日的消息数。") + GROWTH, posted, COUNT, rising=GOOD, pooled=of_week(grown("messages", 0)),
             bad=T("members grow and messages do not.", "成员增长而消息不增长。")),
        tile(SOURCE, T("Per 100 members", "每百人消息数"), T("Messages on that day for each hundred members: it tells a lively group from a dead one.", "当日每百名成员的消息数，用于区分活跃群与沉寂群。") + GROWTH, talk, "short", rising=GOOD, weekly=False,
             decimals=1, bad=T("a fall over weeks.", "数周持续下降。")),
        timeseries(T("Joined and left, and joined a week earlier", "入群与退群，灰线为上周同日入群"), T("People who joined and who left, each day. Yesterday's bar is there by 08:00.", "每天入群与退群的人数。昨日的柱形在 08:00 前出现。") + GROWTH,
                   [(T("joined", "入群"), f"sum ({total('new_members')(DAY)})"), (T("left", "退群"), f"sum ({left(DAY)})"),
                    (T("joined, a week earlier", "上周同日入群"), f"sum ({total('new_members')(WEEK_EARLIER)})")],
                   (11, 10), COUNT, bars=True, lines="C", colors=[GOOD, BAD, FAINT], below="B", min=None, bad=T("as much below the line as above.", "下方的红柱接近上方的绿柱。")),
        table(T("Owners, 7 days and that day", "群主：近 7 天与当日"), T("Owners of groups, a click on a name leads to that member. –: no figure, which is not 0.", "客户群群主，点击姓名进入该成员看板。“–”表示没有数据，并不是 0。"),
              [ACCOUNT, ("owner", T("Owner id", "群主 ID"))],
              [column(T("Joined, 7 d", "近 7 天入群"), week(OWNER.each("new_members", DAILY)), COUNT, **BAR),
               column(T("vs 7 before", "较前 7 天"), week_change(OWNER.each("new_members", DAILY)), SHARE, decimals=0),
               column(T("Left", "退群"), left(NOW, EACH), COUNT),
               column(T("Members", "群成员"), OWNER.each("members"), COUNT),
               column(T("Messages", "当日消息"), posted(NOW, EACH), COUNT),
               column(T("per 100 members", "每百人"), talk(NOW, EACH), "none", decimals=1)],
              (13, 10), name=(T("Name", "姓名"), names_of_owners()), unseen=[T("Owner id", "群主 ID")], pages=True, narrow=62,
              links={shown: link("wecom-person", T("This member's board", "查看该成员"), account=cell(T("Account", "账号")), userid=cell(T("Owner id", "群主 ID")))
                     for shown in (T("Name", "姓名"), T("Owner id", "群主 ID"))},
              bad=T("owners with many members and no messages.", "成员多而没有消息的群主。")),
    )
    trends = row(
        T("Trends by day", "每日趋势"),
        timeseries(T("Messages a day", "每日消息数"), T("Messages in customer groups, each day.", "客户群每天的消息数。") + GROWTH, [(T("messages", "消息数"), f"sum ({posted(DAY)})")], (12, 8), COUNT, bars=True, colors=[PLAIN],
                   bad=T("members grow and messages do not.", "成员增长而消息不增长。")),
        timeseries(T("Members", "群成员数"), T("People in customer groups at the end of each day; the axis does not begin at 0.", "每天结束时客户群中的人数；纵轴不从 0 开始。") + TWICE, [(T("members", "群成员"), f"sum ({total('members')(DAY)})")], (12, 8), COUNT,
                   colors=[PLAIN], min=None, custom={"fillOpacity": 12}, bad=T("a line that falls.", "持续下降。")),
    )
    ranks = row(
        T("Whose groups are silent, and whose shrink", "谁的群在沉默，谁的群在流失"),
        ranking(T("Fewest messages per 100 members", "每百人消息数最少的群主"), T("Messages of that day for each hundred members, of owners with at least 50 members.", "当日每百名成员的消息数，仅成员不少于 50 人的群主。") + GROWTH,
                who(f"bottomk(10, {talk(NOW, EACH)} and on (account, owner) {OWNER.each('members')} >= 50)"), "{{name}}", (8, 9), "none", decimals=1, links=[to_person], bad=T("the same names every day.", "每天都是同样的人。")),
        ranking(T("Most left", "退群最多的群主"), T("People who left the groups of an owner on that day.", "当日退出该群主客户群的人数。") + GROWTH, who(f"topk(10, {left(NOW, EACH)} > 0)"), "{{name}}", (8, 9), COUNT, links=[to_person], thresholds=steps(WARN),
                bad=T("one owner far above the others.", "某位群主远高于其他人。")),
        ranking(T("Most silent members", "未发言成员占比最高的群主"), T("Share of an owner's group members who never sent a message, of owners with at least 50 members.", "从未发言的群成员占比，仅成员不少于 50 人的群主。"),
                who(f"topk(10, 1 - {OWNER.share('members_with_messages', 'members', EACH)} and on (account, owner) {OWNER.each('members')} >= 50)"), "{{name}}", (8, 9), SHARE, max=1, decimals=0, links=[to_person],
                bad=T("nearly all members silent.", "几乎所有成员都不发言。")),
    )
    slow = row(
        T("Net growth, silence, new groups", "净增、未发言成员、新建群"),
        timeseries(T("Net growth of members", "净增成员"), T("Members more than the day before.", "成员数较前一日的净增。") + GROWTH, [(T("net", "净增"), f"sum ({growth(DAY)})")], (8, 8), COUNT, bars=True,
                   colors=[PLAIN], min=None, bad=T("bars below 0.", "柱形低于 0。")),
        timeseries(T("Silent members", "未发言成员占比"), T("Share of the members who never sent a message; the axis does not begin at 0.", "从未发言的群成员占比；纵轴不从 0 开始。"),
                   [(T("never spoke", "从未发言"), f"1 - sum ({total('members_with_messages')(DAY)}) / (sum ({total('members')(DAY)}) > 0)")], (8, 8), SHARE, colors=[WARN], min=None, decimals=2,
                   bad=T("a line that rises: those who join stay silent.", "持续上升：新入群的人保持沉默。")),
        timeseries(T("New groups", "新建群数"), T("Customer groups made on that day.", "当日新建的客户群数。"), [(T("new groups", "新建群"), f"sum ({total('new_chats')(DAY)})")], (8, 8), COUNT, bars=True, colors=[PLAIN], decimals=0, bad=T("many new groups, few messages.", "新建很多但消息很少。")),
        collapsed=True)
    more = row(
        T("Groups, and teams of owners", "群数与群主团队"),
        table(T("Owners: all figures", "群主：全部数据"), T("Standing totals of every owner at the end of the day.", "各群主当日结束时的累计数据。"), [ACCOUNT, ("owner", T("Owner id", "群主 ID"))],
              [column(T("Groups", "客户群"), OWNER.each("chats"), COUNT), column(T("New groups", "新建群"), OWNER.each("new_chats"), COUNT),
               column(T("Groups ever used", "有过消息的群"), OWNER.each("chats_with_messages"), COUNT), column(T("Members", "群成员"), OWNER.each("members"), COUNT),
               column(T("Ever spoke", "曾发言"), OWNER.each("members_with_messages"), COUNT), column(T("Messages, all", "累计消息"), OWNER.each("messages"), COUNT)],
              (24, 11), name=(T("Name", "姓名"), names_of_owners()), pages=True, sort=T("Members", "群成员"), bad=T("groups that were never used.", "从未使用的群。")),
        table(T("Teams of owners", "群主团队"), T("Figures of teams of owners. Rows must not be added: teams may overlap.", "群主团队的数据。各行不可相加：团队之间可能重叠。"), [ACCOUNT, ("team_name", T("Team", "团队"))],
              [column(T("Joined, 7 d", "近 7 天入群"), week(TEAM.each("new_members", DAILY)), COUNT, **BAR), column(T("vs 7 before", "较前 7 天"), week_change(TEAM.each("new_members", DAILY)), SHARE, decimals=0),
               column(T("Groups", "客户群"), TEAM.each("chats"), COUNT), column(T("New groups", "新建群"), TEAM.each("new_chats"), COUNT), column(T("Members", "群成员"), TEAM.each("members"), COUNT),
               column(T("Ever spoke", "曾发言"), TEAM.each("members_with_messages"), COUNT), column(T("Messages, all", "累计消息"), TEAM.each("messages"), COUNT)],
              (24, 7), noValue=T("No figures of teams (configure `teams`)", "没有团队数据（请配置 teams）"), bad=T("a team that nobody joins.", "没有人加入的团队。")),
        collapsed=True)
    return dashboard(
        "wecom-groupchat", T("WeCom / customer groups", "企业微信 / 客户群"),
        T("Daily statistics of WeCom customer groups: who joins, who leaves, and where people talk. A day late by nature: yesterday is there from about 06:10. Days are those of Beijing.",
          "企业微信客户群每日统计：入群、退群与活跃情况。数据天然滞后一天：昨日数据约 06:10 起可见。日期以北京时间为准。"),
        [accounts("wecom_groupchat_.+")], [tiles, trends, ranks, slow, more], sources=[SOURCE], tags=["wecom", "企业微信"])
