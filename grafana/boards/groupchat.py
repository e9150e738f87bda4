"""WeCom customer groups, for the community manager: groups, active members, growth."""

from .panels import (BAD, COUNT, GOOD, PLAIN, WARN, answered, bargauge, column, dashboard, day_shown, row,
                     source_state, steps, table, tile, timeseries, variable)
from .promql import Source, Table, named, names
from .text import Text as T

SOURCE = Source("wecom_groupchat_owner")
TEAMS = Source("wecom_groupchat_team")
OWNER = Table("wecom_groupchat_owner", SOURCE, ("owner",))
TEAM = Table("wecom_groupchat_team", TEAMS, ("team_name",))
#: Names of people are kept under their member id, which here is called owner.
QUIET = steps(BAD, (0.3, WARN), (0.6, GOOD))
UNSET = T("No teams configured", "未配置团队")
DAILY = T(" WeCom gives a running total; this is its growth since the day before.", "企业微信给出的是累计值，此处为较前一日的增量。")


def who(expr, trend=False):
    return named(f'label_join({expr}, "userid", "", "owner")', "wecom_user_info", "userid", ("account", "owner"), trend)


def posted(when, by=()):
    """Messages of one day: the growth of the running total, of owners who stand in both days."""
    before = {SOURCE.bar: SOURCE.bar_before}.get(when) or SOURCE.against(1)[1]
    return OWNER.gained("messages", by, when if when is SOURCE.bar else SOURCE.against(1)[0], before)


def per_owner(title, what, field, unit, bars=False):
    chosen = OWNER.top(field, SOURCE.bar if bars else SOURCE.line, 10, owner="$owner")
    what = what + T(" Of the owners chosen above, the 10 with most of it.", "在上方所选群主中，显示数值最高的 10 名。")
    return timeseries(title, what, [("{{name}}", who(chosen, trend=True))], (12, 9), unit, bars=bars, stack=bars, many=True)


def board():
    total = lambda field: lambda when: OWNER.sum(field, when=when)  # noqa: E731
    share = lambda part, whole: lambda when: OWNER.share(part, whole, when=when)  # noqa: E731
    owners = ("account", "owner")
    day = SOURCE.against(1)
    grown = lambda field: OWNER.gained(field, owners, *day)  # noqa: E731

    header = row(None, day_shown(SOURCE, (5, 3)), source_state([(SOURCE, T("owners", "群主")), (TEAMS, T("teams", "团队"))], (7, 3)), answered([SOURCE, TEAMS], (12, 3)))
    tiles = row(
        T("The day at a glance", "当日概览"),
        tile(SOURCE, T("Groups", "客户群数"), T("Customer groups at the end of the day.", "当日结束时的客户群总数。"), total("chats"), COUNT,
             rising=GOOD, bad=T("Falls: groups are being dissolved.", "下降：客户群在解散。")),
        tile(SOURCE, T("New groups", "新建群数"), T("Customer groups made that day.", "当日新建的客户群数。"), total("new_chats"), COUNT, rising=GOOD, small=True),
        tile(SOURCE, T("Members", "群成员数"), T("People in customer groups at the end of the day; whoever is in the groups of two "
                                            "owners counts twice.", "当日结束时客户群中的人数；同时在两位群主群中的人计两次。"),
             total("members"), COUNT, rising=GOOD, bad=T("Falls although people join: more leave.", "有人入群但总数下降：离开的人更多。")),
        tile(SOURCE, T("Joined", "新入群人数"), T("People who joined customer groups that day.", "当日新加入客户群的人数。"),
             total("new_members"), COUNT, rising=GOOD, bad=T("Falls for days on end.", "连续多日下降。")),
        tile(SOURCE, T("Ever spoke", "发言过的成员占比"), T("Share of the members who ever sent a message.", "曾经发过消息的群成员占比。"),
             share("members_with_messages", "members"), "percentunit", rising=GOOD, points=True, decimals=1,
             bad=T("Falls: those who join stay silent.", "下降：新入群的人保持沉默。")),
        tile(SOURCE, T("Groups ever used", "有过消息的群占比"), T("Share of the groups that ever had a message.", "曾经有过消息的客户群占比。"),
             share("chats_with_messages", "chats"), "percentunit", rising=GOOD, points=True, decimals=1,
             bad=T("Below 80%: groups are made and left alone.", "低于 80%：建群后无人经营。")),
    )
    ranks = row(
        T("Whose groups grow, and whose are silent", "谁的群在增长，谁的群在沉默"),
        bargauge(T("Joined, 7 days", "近 7 天新入群"), T("People who joined the groups of an owner over the last seven days shown.",
                                               "最近七个统计日内加入该群主客户群的人数。"),
                 f"topk(10, {who(OWNER.week('new_members'))})", "{{name}}", (8, 9), COUNT, thresholds=steps(GOOD),
                 bad=T("A short list: growth rests on few owners.", "榜单很短：增长依赖少数群主。")),
        bargauge(T("Messages that day", "当日消息数"), T("Messages in the groups of an owner.", "该群主客户群中的消息数。") + DAILY,
                 f"topk(10, {who(grown('messages'))})", "{{name}}", (8, 9), COUNT,
                 bad=T("All of it in the groups of one or two owners.", "消息集中在一两位群主的群里。")),
        bargauge(T("Fewest members who ever spoke", "发言成员占比最低"),
                 T("Share of an owner's group members who ever sent a message, lowest first.", "群成员中曾经发言的占比，从低到高。"),
                 f"bottomk(10, {who(OWNER.share('members_with_messages', 'members', owners))})", "{{name}}", (8, 9),
                 "percentunit", max=1, decimals=1, thresholds=QUIET, bad=T("Below 30% (red).", "低于 30%（红色）。")),
    )
    trends = row(
        T("Trends by day", "每日趋势"),
        timeseries(T("Joined", "新入群人数"), T("People who joined customer groups, each day. A day's bar appears around noon of the next day.",
                                          "每天新加入客户群的人数。当日的柱形在次日中午前后出现。"),
                   [(T("joined", "新入群"), OWNER.sum("new_members", when=SOURCE.bar))], (12, 8), "short", bars=True, colors=[GOOD],
                   bad=T("Shorter bars week after week.", "柱形逐周变短。")),
        timeseries(T("Messages a day", "每日消息数"), T("Messages in customer groups, each day.", "客户群每天的消息数。") + DAILY,
                   [(T("messages", "消息数"), posted(SOURCE.bar))], (12, 8), "short", bars=True, colors=[PLAIN],
                   bad=T("Members grow and messages do not.", "成员增长而消息不增长。")),
        timeseries(T("Members", "群成员数"), T("People in customer groups, and those of them who ever sent a message.", "客户群总人数，以及其中曾经发言的人数。"),
                   [(T("members", "群成员"), OWNER.sum("members", when=SOURCE.line)),
                    (T("ever spoke", "曾发言"), OWNER.sum("members_with_messages", when=SOURCE.line))],
                   (12, 8), "short", colors=[PLAIN, GOOD], bad=T("The lines drift apart.", "两条线差距扩大。"), custom={"fillOpacity": 12}),
        timeseries(T("Groups", "客户群数"), T("Customer groups, and those of them that ever had a message.", "客户群总数，以及其中有过消息的群数。"),
                   [(T("groups", "客户群"), OWNER.sum("chats", when=SOURCE.line)),
                    (T("ever used", "有过消息"), OWNER.sum("chats_with_messages", when=SOURCE.line))],
                   (12, 8), "short", colors=[PLAIN, GOOD], bad=T("New groups that nobody uses: the lines drift apart.", "新建的群没有人使用：两条线差距扩大。"), custom={"fillOpacity": 12}),
    )
    people = row(
        T("Owners", "群主"),
        table(T("Owners, that day and over 7 days", "群主：当日与近 7 天"),
              T("Every owner with figures, a click on a heading sorts. –: no figure, which is not 0. Names stand where "
                "`names: true` is configured.", "所有有数据的群主，点击表头可排序。“–”表示没有数据，并不是 0。配置 `names: true` 后显示姓名。"),
              [("account", T("Account", "账号")), ("owner", T("Owner id", "群主 ID"))],
              [column(T("Groups", "客户群"), OWNER.each("chats"), COUNT),
               column(T("New groups", "新建群"), OWNER.each("new_chats"), COUNT),
               column(T("Groups used", "有消息的群"), OWNER.each("chats_with_messages"), COUNT),
               column(T("Members", "群成员"), OWNER.each("members"), COUNT),
               column(T("Joined", "新入群"), OWNER.each("new_members"), COUNT),
               column(T("Joined, 7 days", "近 7 天新入群"), OWNER.week("new_members"), COUNT),
               column(T("Ever spoke", "曾发言"), OWNER.each("members_with_messages"), COUNT),
               column(T("Share", "发言占比"), OWNER.share("members_with_messages", "members", owners), "percentunit", decimals=1,
                      thresholds=QUIET, custom__cellOptions={"type": "color-text"}),
               column(T("Messages that day", "当日消息"), grown("messages"), COUNT),
               column(T("Messages, all", "累计消息"), OWNER.each("messages"), COUNT)],
              (24, 11),
              name=(T("Name", "姓名"), names_of_owners()), sort=T("Members", "群成员"), pages=True,
              hidden={"userid": True}, bad=T("Red: fewer than 30% of the members ever spoke.", "红色：曾发言的成员不足 30%。")),
    )
    teams = row(
        T("Teams", "团队"),
        table(T("Teams of owners", "群主团队"), T("Figures of teams of owners. Rows must not be added: teams may overlap.",
                                              "群主团队的数据。各行不可相加：团队之间可能重叠。"),
              [("account", T("Account", "账号")), ("team_name", T("Team", "团队"))],
              [column(T("Groups", "客户群"), TEAM.each("chats"), COUNT),
               column(T("New groups", "新建群"), TEAM.each("new_chats"), COUNT),
               column(T("Members", "群成员"), TEAM.each("members"), COUNT),
               column(T("Joined", "新入群"), TEAM.each("new_members"), COUNT),
               column(T("Ever spoke", "曾发言"), TEAM.each("members_with_messages"), COUNT),
               column(T("Messages, all", "累计消息"), TEAM.each("messages"), COUNT)],
              (12, 8), noValue=UNSET, bad=T("A team that nobody joins.", "没有人加入的团队。")),
        timeseries(T("Joined, by team", "新入群人数：按团队"), T("People who joined the groups of each team. Teams may overlap.",
                                                     "加入各团队客户群的人数。团队之间可能重叠。"),
                   [("{{team_name}}", TEAM.each("new_members", TEAMS.line))], (12, 8), "short", noValue=UNSET,
                   bad=T("A line at 0.", "某条线为 0。")),
        collapsed=True)
    single = row(
        T("Single owners by day (choose them above)", "单个群主的每日数据（请在上方选择）"),
        per_owner(T("Joined by owner", "新入群人数：按群主"), T("People who joined.", "新入群人数。"), "new_members", "short", True),
        per_owner(T("Members by owner", "群成员数：按群主"), T("People in the owner's groups.", "该群主客户群中的人数。"), "members", "short"),
        per_owner(T("New groups by owner", "新建群数：按群主"), T("Groups newly made.", "新建的客户群数。"), "new_chats", "short", True),
        per_owner(T("Groups by owner", "客户群数：按群主"), T("Groups at the end of the day.", "当日结束时的客户群数。"), "chats", "short"),
        collapsed=True)
    return dashboard(
        "wecom-groupchat", T("WeCom customer groups", "企业微信客户群"),
        T("Daily statistics of WeCom customer groups: groups, members, growth and activity, by owner and team.",
          "企业微信客户群每日统计：群数、成员、增长与活跃，按群主与团队。"),
        [variable("account", T("Account", "账号"), 'label_values(imstats_source_stat_timestamp_seconds{source=~"wecom_groupchat_.+"}, account)'),
         variable("owner", T("Owner", "群主"), 'label_values(wecom_groupchat_owner_chats{account=~"$account"}, owner)')],
        [header, tiles, ranks, trends, people, teams, single])


def names_of_owners():
    found = names("wecom_user_info", "userid", f'label_join({OWNER.each("chats")}, "userid", "", "owner")')
    return f'label_join({found}, "owner", "", "userid")'
