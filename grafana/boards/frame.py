"""The first screen, which is the same on all boards: how fresh the figures are, six tiles, and a scorecard.

A tile says whether a figure is good: its value in the colour of the goal, against the usual day of that name in the week, over seven
days, and against the seven before. A scorecard says the same of parts, and judges only those with enough cases.
"""

from .goals import LEAST
from .panels import BAD, COUNT, CELL_POINTS, FAINT, GOOD, PLAIN, POINTS, SHARE, TEXT, WARN, column, override, query, stat, steps, timeseries
from .promql import DAILY, DAY, NOW, WEEK_EARLIER, ago, days, selector, week
from .text import Text as T

USUAL = T("vs usual", "较前 4 周")
WEEK, WEEKS = T("7 days", "近 7 天"), T("vs 7 before", "较前 7 天")
ON_GOAL, ON_GOAL_BEFORE = T("on goal, of 7", "7 天达标"), T("7 before", "前 7 天")
NOTE = T("\n\n`vs usual`: against the same day of the week in the four weeks before: the mean of counts, the median of shares and times. Changes within "
         "5% (2 points, of shares) are not coloured, nor are those of counts that chance may make (twice the root of the count). `on goal, of 7`: on how many of the last seven days the goal was reached. Seven days are compared with seven only if as many of them have figures.",
         "\n\n“较前 4 周”与前四周同一周内日相比：数量取均值，占比与时长取中位数。5% 以内（占比为 2 个百分点以内）的变化不着色；数量变化在随机波动范围内（两倍平方根）也不着色。“7 天达标”为近 7 天中达到目标的天数。两个 7 天有数据的天数相同时才作比较。")


def judged(rising, least, unit, **more):
    """How a change is shown: coloured only beyond `least`."""
    down, up = {GOOD: (BAD, GOOD), BAD: (GOOD, BAD), None: (TEXT, TEXT)}[rising]
    return {"unit": unit, "decimals": 0, "thresholds": steps(down, (-least, TEXT), (least, up)), **more}


def usual(figure, mean=True):
    """A figure by account on the same day of the week in the four weeks before: the mean of counts, the median of what can't be averaged."""
    weeks = (f'label_replace({figure(ago(7 * n))}, "week", "{n}", "", "")' for n in (1, 2, 3, 4))
    among = " or ".join(weeks)
    return f"avg by (account) ({among})" if mean else f"quantile by (account) (0.5, {among})"


def tile(source, title, what, figure, unit, *, rising=None, goal=None, cases=None, least=None, pooled=None, bad=None, size=(4, 6),
         total=None, weekly=True, decimals=None, beside=None, compared=True):
    """`figure` makes an expression by account from a point of view; `total` makes one of several accounts, otherwise counts are added up
    and of all else the worst account is shown.

    With a `goal` the value takes its colour, where `cases` are at least `least`; without one `pooled` makes the figure of seven days from
    how many days back they begin. `beside` is a legend and an expression to compare with.
    """
    counts = unit == COUNT
    total = total or ("sum" if counts else "min" if rising == GOOD else "max")
    value = lambda expr: f"{total} ({expr})"  # noqa: E731
    now, then = figure(NOW), usual(figure, mean=counts and total == "sum")
    targets, overrides = [], []

    def add(expr, legend, **shown):
        ref = chr(ord("A") + len(targets))
        targets.append(query(expr, legend, ref, instant=True))
        if shown:
            overrides.append(override("byFrameRefID", ref, **shown))

    def changed(new, old, legend):
        """Of counts only what is more than chance is coloured: beyond twice the root of what was."""
        change = f"{new} / ({old} > 0) - 1"
        if rising is None:
            return add(change, legend, **judged(None, 0.05, SHARE))
        more = f"abs({new} - {old}) > 2 * sqrt({old})"
        add(f"{change} and {more}", legend, **judged(rising, 0.05, SHARE))
        return add(f"{change} unless {more}", legend, **judged(None, 0.05, SHARE))

    name = T("that day", "当日")
    if goal:
        whole = value(now)
        enough = f" and on () max ({cases(NOW)}) >= ${least[0]}" if cases else ""
        for form, color in ((goal.reached, GOOD), (goal.near, WARN), (goal.missed, BAD)):
            add(f"{form(whole)}{enough}", name, thresholds=steps(color))
        if cases:
            add(f"{whole} unless on () max ({cases(NOW)}) >= ${least[0]}", name, thresholds=steps(TEXT))
    else:
        add(value(now), name)
    if cases:
        add(f"max ({cases(NOW)})", T("cases", "样本数"), unit=COUNT, decimals=0, thresholds=steps(TEXT))
    if beside:
        add(beside[1], beside[0], thresholds=steps(TEXT), decimals=None if unit not in (COUNT, SHARE) else 1)
    if not compared:
        pass
    elif unit == SHARE:
        add(f"round({value(f'100 * ({now} - on (account) {then})')}, 0.1) + 0", USUAL, **judged(rising, 2, POINTS, decimals=1))
    elif counts:
        # Accounts that had a page a week ago; that is cheaper to ask than for the figure again.
        known = source.about("stat_timestamp_seconds", ago(7))
        changed(value(f"{now} and on (account) {known}"), value(then), USUAL)
    else:
        add(f"{value(f'{now} / on (account) ({then} > 0)')} - 1", USUAL, **judged(rising, 0.05, SHARE))
    if weekly and goal and not pooled:
        for back, legend in ((0, ON_GOAL), (7, ON_GOAL_BEFORE)):
            daily = figure(DAILY)
            # Of a few days only, 1 of 1 would look like 1 of 7.
            reached = f"min (({days(goal.reached(daily), back)} or 0 * {days(daily, back)}) and on (account) {days(daily, back)} >= 5)"
            shown = steps(BAD, (4, WARN), (6, GOOD)) if not back else steps(TEXT)
            add(reached, legend, unit="none", decimals=0, thresholds=shown)
    elif weekly and pooled:
        add(value(pooled(0)), WEEK, thresholds=steps(TEXT))
        if counts:
            changed(value(pooled(0)), value(pooled(7)), WEEKS)
        else:
            add(f"round({value(f'100 * ({pooled(0)} - {pooled(7)})')}, 0.1) + 0", WEEKS, **judged(rising, 2, POINTS, decimals=1))
    elif weekly:
        daily = figure(DAILY)
        add(f"sum ({week(daily)})", WEEK, thresholds=steps(TEXT))
        shown = source.about("stat_timestamp_seconds", DAILY)
        same = f"({days(shown)} == {days(shown, 7)})"
        changed(f"sum ({week(daily)} and on (account) {same})", f"sum ({week(daily, 7)} and on (account) {same})", WEEKS)
    about = T("", "") + what + (T("\n\n", "\n\n") + goal.words() if goal else "") + NOTE
    several = (T(" Of several accounts: the sum.", " 选择多个账号时为合计。") if total == "sum"
               else T(" Of several accounts: the worst.", " 选择多个账号时取最差的账号。"))
    return stat(title, about + several, targets, size, unit, bad=bad, decimals=decimals, overrides=overrides,
                text_mode="value_and_name", horizontal=True)


def against(title, expr, goal, cases, **more):
    """A column of how far a figure lies from its goal, of those only with enough `cases` (an expression that holds for them)."""
    enough = f" and {cases}" if cases else ""
    if goal.scale == 100:
        low, high = (BAD, GOOD) if goal.kind == LEAST else (GOOD, BAD)
        near = steps(low, (-5, WARN), (0, high)) if goal.kind == LEAST else steps(low, (0, high))
        return column(title, f"round(100 * ({expr} - {goal.value}), 0.1) + 0{enough}", CELL_POINTS, decimals=1, thresholds=near, **more)
    near = steps(GOOD, (0.0001, WARN), (0.5, BAD))
    return column(title, f"{expr} / {goal.value} - 1{enough}", SHARE, decimals=0, thresholds=near, **more)


def goal_trend(title, what, figure, goal, unit, size=(12, 8), legend="{{account}}", **more):
    """Bars of a share or an average, a day each, and its goal as a line."""
    return timeseries(title, what, [(legend, figure(DAY)), (T("goal", "目标"), f"vector({goal})")], size, unit, bars=True,
                      lines="B", colors=[PLAIN, FAINT], **more)


def trend(title, what, figure, size=(8, 8), unit=COUNT, color=PLAIN, **more):
    """Bars of a count, a day each, and the same a week earlier as a line."""
    return timeseries(title, what, [(T("each day", "当日"), f"sum ({figure(DAY)})"), (T("a week earlier", "上周同日"), f"sum ({figure(WEEK_EARLIER)})")],
                      size, unit, bars=True, lines="B", colors=[color, FAINT], **more)


def fresh(*sources):
    """One line: the day that all figures above the trends are of, and whether it is the newest and whole; `sources` are pairs of a source and a word."""
    targets, overrides = [], []
    for n, (source, word) in enumerate(sources):
        word = T(" ", " ") + word if word else ""
        day, state, open_ = (chr(ord("A") + 3 * n + i) for i in range(3))
        targets += [
            query(f"1000 * ({source.about('stat_timestamp_seconds')} + 21600)", T("{{account}}, figures of", "{{account}} 数据日期") + word, day, instant=True),
            query(state_of(source), T("{{account}}", "{{account}}") + word, state, instant=True),
            query(f"sum by (account) (max by (account, source, state) ({selector('imstats_source_targets', source=source.name, state='~failed|pending')})) > 0",
                  T("{{account}}, not answered", "{{account}} 未成功") + word, open_, instant=True),
        ]
        overrides += [
            override("byFrameRefID", day, unit=T("time:YYYY-MM-DD ddd", "time:YYYY年M月D日")),
            override("byFrameRefID", state, mappings=STATES, thresholds=steps(BAD)),
            override("byFrameRefID", open_, thresholds=steps(BAD)),
        ]
    return stat(
        T("Freshness", "数据新鲜度"),
        T("The day that all figures but the trends belong to, on the calendar of the source; whether it is the newest that the platform has ready; and, where "
          "there are any, how many members, owners, accounts or lists have no answer for it.",
          "除趋势外所有数据所属的统计日（以数据源时区为准）、是否为平台已产出的最新一天；如有未成功的对象（成员、群主、账号或名单），显示其数量。"),
        targets, (24, 3), "none",
        bad=T("`Still the day before` is normal for minutes each morning; nothing older is ever shown. `Late` or anything red: see the board of the exporter. What is "
              "`not answered` is missing from every sum on this page.",
              "每天早上短时间的“仍是前一天”属正常，更早的数据不会展示。出现“迟到”或红色时，请查看采集器看板。“未成功”的对象不在本页任何合计中。"),
        overrides=overrides, thresholds=steps(TEXT), text_mode="value_and_name", noValue=T("Exporter not scraped", "采集器未被抓取"), min=None, value_size=16)


def state_of(source):
    """-2 late, -1 no answer, 0 newest, 1 the day before."""
    behind = f"round(({source.about('target_timestamp_seconds')} - {source.about('stat_timestamp_seconds')}) / 86400)"
    up = source.about("up")
    return f"({up} == 0) - 1 or on (account) {behind} or on (account) {up} - 3"


def mapped(*options):
    return [{"type": "value", "options": {
        str(value): {"text": text, "color": color, "index": n} for n, (value, text, color) in enumerate(options)}}]


STATES = mapped(
    (-2, T("Late: no figures", "迟到：暂无数据"), WARN), (-1, T("Platform does not answer", "平台接口无应答"), BAD),
    (0, T("up to date", "已是最新"), GOOD), (1, T("still the day before", "仍是前一天"), WARN))
