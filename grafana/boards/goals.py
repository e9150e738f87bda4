"""What a company sets itself. The defaults stand here and nowhere else: `python3 grafana/generate.py` carries them into all boards.

On a board each goal is a variable, which a reader or a link can change (`var-goal_chats_replied=95`).
"""

from .text import Text as T

LEAST, MOST = "least", "most"


class Goal:
    """A figure that is to be reached (`LEAST`) or not to be passed (`MOST`), written in `unit`: so many times the figure itself.

    Up to `near` beside the goal, in the figure's unit or as a share of the goal, a figure is amber, beyond that red.
    """

    def __init__(self, name, kind, default, label, scale=1, share=None):
        self.name, self.kind, self.default, self.label, self.scale = "goal_" + name, kind, default, label, scale
        self.value = f"${self.name}" if scale == 1 else f"(${self.name} {'/' if scale == 100 else '*'} {scale})"
        self.bound = f"({self.value} - {share})" if share else f"(1.5 * {self.value})"

    def reached(self, expr):
        return f"({expr}) {'>=' if self.kind == LEAST else '<='} {self.value}"

    def near(self, expr):
        return f"({expr}) < {self.value} >= {self.bound}" if self.kind == LEAST else f"({expr}) > {self.value} <= {self.bound}"

    def missed(self, expr):
        return f"({expr}) {'<' if self.kind == LEAST else '>'} {self.bound}"

    def variable(self):
        return number(self.name, self.label, self.default)

    def words(self):
        """For a description."""
        sign = "≥" if self.kind == LEAST else "≤"
        what = T(f"Goal: {sign} ${self.name}", f"目标：{sign} ${self.name}")
        unit = {100: T(" %", "%"), 60: T(" minutes", " 分钟"), 1: T(" seconds", " 秒")}[self.scale]
        tolerance = T("; amber up to 5 points below", "；低于目标 5 个百分点以内为橙色") if self.kind == LEAST else T("; amber up to one and a half times", "；超过目标但不到 1.5 倍为橙色")
        return what + unit + tolerance + T(f" (default {self.default}; at the top of the page).", f"（默认 {self.default}，可在页面顶部修改）。")


def number(name, label, default):
    """A variable with a number that the reader may change."""
    return {"type": "textbox", "name": name, "label": label, "query": str(default), "hide": 0, "skipUrlSync": False,
            "current": {"text": str(default), "value": str(default)}, "options": []}


def share(name, kind, default, label):
    return Goal(name, kind, default, label, scale=100, share=0.05)


CHATS_REPLIED = share("chats_replied", LEAST, 90, T("Goal: replied %", "目标：已回复 %"))
CHAT_REPLY = Goal("chat_reply", MOST, 30, T("Goal: first reply, min", "目标：首次回复 分钟"), scale=60)
LOST = Goal("lost", MOST, 20, T("Goal: lost per 100 won", "目标：每新增 100 位的流失"), scale=100)
KF_REPLIED = share("sessions_replied", LEAST, 95, T("Goal: replied %", "目标：回复率 %"))
KF_REPLY = Goal("session_reply", MOST, 60, T("Goal: first reply, s", "目标：首次回复 秒"))
SATISFIED = share("satisfied", LEAST, 85, T("Goal: satisfied %", "目标：满意率 %"))
RESPONSE = Goal("response", MOST, 60, T("Goal: first response, s", "目标：首次响应 秒"))
QUICK = share("quick", LEAST, 60, T("Goal: in 30 s %", "目标：30 秒首响 %"))
READ = share("read", LEAST, 60, T("Goal: read in 12 h %", "目标：12 小时阅读率 %"))

#: Below so many cases a share or an average is not judged.
CHATS = ("least_chats", T("Judge from chats", "聊天数达到才评价"), 10)
SESSIONS = ("least_sessions", T("Judge from sessions", "会话数达到才评价"), 10)
ANSWERS = ("least_answers", T("Judge from answers", "评价数达到才评价"), 5)
PUSHES = ("least_pushes", T("Judge from pushes", "推送数达到才评价"), 50)
