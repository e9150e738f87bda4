"""The dashboards, described as data: a file each, on top of `text`, `promql` and `panels`."""

from . import contact

#: File name without `.json`, and what makes the dashboard.
BOARDS = {
    "wecom-contact": contact.board,





}
