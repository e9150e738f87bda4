"""One member of WeCom on one page, with the mean of the department beside: customer contact, groups, customer service."""

from . import contact, goals, groupchat, kf
from .frame import fresh, tile
from .page import accounts, by_name, dashboard, hidden, people, row
from .panels import BAD, COUNT, FAINT, GOOD, MINUTES, PLAIN, SECONDS, SHARE, TIME, timeseries
from .promql import DAILY, DAY, NOW, week
from .text import Text as T

USER, DEPARTMENT, OWNER, SERVICER = contact.USER, contact.DEPARTMENT, groupchat.OWNER, kf.SERVICER
RATIO, REPLY = contact.RATIO, contact.REPLY
MEAN = T("department's mean", "部门人均")
TOTAL = T("department", "部门")
BESIDE = T(" The mean is of the members of the same main department (`$mates`), where names are configured.", " 人均为同一主部门成员的平均值（需配置 names）。")
OWN = T(" That of the department is as WeCom adds it up.", " 部门的数据由企业微信汇总。")


def mine(field, of=USER, key="userid"):
    return lambda view: f"max by (account) ({of.each(field, view, **{key: '$userid'})})"


def mean(field, of=USER, key="userid"):
    return lambda view: f"avg by (account) ({of.each(field, view, **{key: '$mates'})})"


def party(field):
    return lambda view: f"max by (account) ({DEPARTMENT.each(field, view, partyid='$home')})"


def lost_of_won(view):
    return f"{mine('lost_customers')(view)} / on (account) ({mine('new_contacts')(view)} > 0)"


def served(field, who="$userid"):
    return lambda view: SERVICER.sum(field, ("account",), view, userid=who)


def averaged(field, weights, who="$userid"):
    return lambda view: SERVICER.mean(field, weights, ("account",), view, userid=who)


def unanswered(view):
    sessions, ratio = (SERVICER.each(field, view, userid="$userid") for field in ("sessions", kf.RATIO))
    return f"sum by (account) ({sessions} - {sessions} * {ratio})"


def trend(title, what, figure, other, size, unit, label=MEAN, bad=None, **more):
    return timeseries(title, what, [(T("member", "成员"), figure(DAY)), (label, other(DAY))], size, unit, bars=True, lines="B", colors=[PLAIN, FAINT], bad=bad, **more)


def board():
    six = dict(size=(4, 7))
    tiles = row(
        T("Customer contact: $userid", "客户联系：$userid"), fresh((contact.SOURCE, None)),
        tile(contact.SOURCE, T("New customers", "新增客户"), T("Customers newly added.", "当日新增的客户数。") + BESIDE, mine("new_contacts"), COUNT, rising=GOOD, beside=(MEAN, f"max ({mean('new_contacts')(NOW)})"), decimals=None, bad=T("less than the department, week after week.", "连续数周低于部门人均。"), **six),
        tile(contact.SOURCE, T("Lost customers", "删除/拉黑的客户"), T("Customers who deleted or blocked the member.", "当日删除或拉黑该成员的客户数。") + BESIDE, mine("lost_customers"), COUNT, rising=BAD, beside=(MEAN, f"max ({mean('lost_customers')(NOW)})"), bad=T("a jump.", "突然增多。"), **six),
        tile(contact.SOURCE, T("Chats", "聊天数"), T("Single chats in which the member wrote to a customer.", "该成员主动发送过消息的单聊数。") + BESIDE, mine("active_chats"), COUNT, rising=GOOD, beside=(MEAN, f"max ({mean('active_chats')(NOW)})"), bad=T("0 on working days.", "工作日为 0。"), **six),
        tile(contact.SOURCE, T("Replied chats", "已回复聊天占比"), T("Share of the chats started by customers that got a reply on the same day.", "客户主动发起的聊天中，当日得到回复的占比。") + OWN, mine(RATIO), SHARE, rising=GOOD, goal=goals.CHATS_REPLIED, cases=mine("active_chats"), least=goals.CHATS, decimals=1,
             beside=(TOTAL, f"max ({party(RATIO)(NOW)})"), bad=T("below the goal.", "低于目标。"), **six),
        tile(contact.SOURCE, T("First reply", "平均首次回复时长"), T("Average time to the first reply in chats started by customers.", "客户主动发起的聊天中，首次回复的平均时长。") + OWN, mine(REPLY), TIME, rising=BAD, goal=goals.CHAT_REPLY, cases=mine("active_chats"), least=goals.CHATS,
             beside=(TOTAL, f"max ({party(REPLY)(NOW)})"), bad=T("above the goal.", "高于目标。"), **six),
        tile(contact.SOURCE, T("Lost per 100 won", "流失/新增比"), T("Customers lost, for each hundred newly added.", "每新增 100 位客户流失的客户数。"), lost_of_won, SHARE, rising=BAD, goal=goals.LOST, cases=mine("new_contacts"), least=goals.CHATS, decimals=0,
             pooled=lambda back: f"{week(mine('lost_customers')(DAILY), back)} / on (account) ({week(mine('new_contacts')(DAILY), back)} > 0)", bad=T("above the goal over seven days.", "近 7 天高于目标。"), **six),
        trend(T("New customers", "新增客户"), T("Customers newly added, each day.", "每天新增的客户数。") + BESIDE, mine("new_contacts"), mean("new_contacts"), (8, 7), COUNT, bad=T("bars below the line.", "柱形低于线。")),
        trend(T("Chats", "聊天数"), T("Single chats in which the member wrote, each day.", "每天该成员发送过消息的单聊数。") + BESIDE, mine("active_chats"), mean("active_chats"), (8, 7), COUNT, bad=T("bars below the line.", "柱形低于线。")),
        trend(T("Messages sent", "发送消息数"), T("Messages that the member sent in single chats.", "该成员在单聊中发送的消息数。") + BESIDE, mine("messages_sent"), mean("messages_sent"), (8, 7), COUNT, bad=T("bars below the line.", "柱形低于线。")),
        trend(T("Replied chats", "已回复聊天占比"), T("Share of the chats that got a reply on the same day.", "当日得到回复的聊天占比。") + OWN, mine(RATIO), party(RATIO), (12, 7), SHARE, label=TOTAL, max=1, bad=T("bars below the line.", "柱形低于线。")),
        trend(T("First reply", "平均首次回复时长"), T("Average time to the first reply.", "首次回复的平均时长。") + OWN, mine(REPLY), party(REPLY), (12, 7), MINUTES, label=TOTAL, per=60, bad=T("bars above the line.", "柱形高于线。")),
    )
    groups = row(
        T("Customer groups", "客户群"),
        trend(T("Joined", "新入群人数"), T("People who joined the member's groups.", "加入该成员客户群的人数。") + BESIDE, mine("new_members", OWNER, "owner"), mean("new_members", OWNER, "owner"), (8, 7), COUNT, bad=T("bars below the line.", "柱形低于线。")),
        trend(T("Members", "群成员数"), T("People in the member's groups.", "该成员客户群中的人数。") + BESIDE, mine("members", OWNER, "owner"), mean("members", OWNER, "owner"), (8, 7), COUNT, bad=T("bars that shrink.", "柱形变低。")),
        trend(T("Messages a day", "每日消息数"), T("Messages in the member's groups: the growth of a standing total since the day before.", "该成员客户群当日的消息数：累计值较前一日的增量。") + BESIDE,
              lambda view: f"max by (account) (clamp_min({OWNER.grown('messages', view, owner='$userid')}, 0))", lambda view: f"avg by (account) (clamp_min({OWNER.grown('messages', view, owner='$mates')}, 0))", (8, 7), COUNT, bad=T("days without messages.", "没有消息的日子。")),
    )
    service = row(
        T("Customer service (WeCom KF)", "微信客服"),
        tile(kf.SOURCE, T("Sessions", "咨询会话数"), T("Sessions that reached the member.", "接入该成员的会话数。"), served("sessions"), COUNT, bad=T("far more than colleagues.", "远多于同事。")),
        tile(kf.SOURCE, T("Unanswered", "未回复会话"), T("Sessions that got no reply on the same day.", "当日未得到回复的会话。"), unanswered, COUNT, rising=BAD, decimals=0, bad=T("more than on the usual weekday.", "多于前 4 周同日。")),
        tile(kf.SOURCE, T("First reply", "平均首次回复时长"), T("Average time to the first reply; KF accounts weigh by replied sessions.", "首次回复的平均时长；客服账号按已回复会话加权。") + BESIDE, averaged(kf.REPLY, kf.REPLIED), TIME, rising=BAD, goal=goals.KF_REPLY, cases=served("sessions"), least=goals.SESSIONS,
             beside=(TOTAL, f"max ({averaged(kf.REPLY, kf.REPLIED, '$mates')(NOW)})"), bad=T("above the goal.", "高于目标。")),
        trend(T("First reply", "平均首次回复时长"), T("Average time to the first reply of the member, and of the members of the department.", "该成员与部门成员首次回复的平均时长。") + BESIDE, averaged(kf.REPLY, kf.REPLIED), averaged(kf.REPLY, kf.REPLIED, "$mates"), (12, 6), SECONDS, label=TOTAL, bad=T("bars above the line.", "柱形高于线。")),
    )
    scope = 'account=~"$account"'
    return dashboard(
        "wecom-person", T("WeCom / one member", "企业微信 / 成员"),
        T("Customer contact, groups and customer service of one member of WeCom, with the department beside. It is about one person: show it to those who may see that. Days are those of Beijing.",
          "单个成员的客户联系、客户群与微信客服数据，并与所在部门对比。涉及个人，请仅向有权限者展示。日期以北京时间为准。"),
        [accounts("wecom_contact"), by_name("userid", T("Member", "成员"), people("wecom_contact_user_active_chats", "wecom_user_info", "userid"), many=False),
         hidden("home", f'max by (partyid) (wecom_user_info{{{scope},userid=~"$userid"}})', "partyid"), hidden("mates", f'max by (userid) (wecom_user_info{{{scope},partyid=~"$home",partyid!=""}})', "userid"),
         goals.CHATS_REPLIED.variable(), goals.CHAT_REPLY.variable(), goals.LOST.variable(), goals.KF_REPLY.variable(), goals.number(*goals.CHATS), goals.number(*goals.SESSIONS)],
        [tiles, groups, service], sources=[contact.SOURCE], tags=["wecom", "企业微信"])
