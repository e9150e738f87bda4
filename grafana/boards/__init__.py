"""The dashboards, described as data: a file each, on top of `text`, `promql` and `panels`."""

from . import contact, desk, feishu, groupchat, health, kf

#: File name without `.json`, and what makes the dashboard.
BOARDS = {
    "wecom-contact": contact.board,
    "wecom-groupchat": groupchat.board,
    "wecom-kf": kf.board,
    "tencent-desk": desk.board,
    "feishu-push": feishu.board,
    "exporter-health": health.board,
}
