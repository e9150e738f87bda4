"""The dashboards, described as data: a file each, on top of `text`, `promql`, `goals`, `panels`, `page` and `frame`."""

from . import contact, desk, feishu, groupchat, health, kf, overview, person

#: File name without `.json`, and what makes the dashboard.
BOARDS = {
    "overview": overview.board,
    "wecom-contact": contact.board,
    "wecom-groupchat": groupchat.board,
    "wecom-kf": kf.board,
    "wecom-person": person.board,
    "tencent-desk": desk.board,
    "feishu-push": feishu.board,
    "exporter-health": health.board,
}
