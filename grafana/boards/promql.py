"""Queries over daily figures.

Three things are true of all of them. Copies (two exporters, a moved instance) are collapsed by `max` over all labels
of the subject before anything else. The day of a figure is never the time of its sample: "now" is the bare selector,
a trend is moved back onto the day's own axis. Averages and ratios are combined by the weights that HELP names, and
those that have none are not combined.
"""

import collections

#: A point of view in time, and by how many days it is moved back.
View = collections.namedtuple("View", "kind back", defaults=(0,))
#: The page as it stands.
NOW = View("now")
#: A trend, on the days' own axis: a point at a day's midnight shows that day.
DAY, WEEK_EARLIER = View("day"), View("day", 7)
#: One look a day, within a sum over days; see `week`.
DAILY = View("daily")


def ago(days):
    """The page as it stood so many days before, only for accounts whose figures then were those of `days` earlier."""
    return View("ago", days)


def before(view):
    """The same, of the day before."""
    return ago(1) if view is NOW else view._replace(back=view.back + 1)


class Source:
    """Where figures come from, how many days after their day they are shown, and from which hour.

    A page is out two hours after its day is ready at the latest, and that of the day before is gone by then (`flip_after`).
    From then on, for 20 hours, whatever is scraped is of that day, so that a late day is drawn when it comes and never as
    another one.
    """

    def __init__(self, name, lag=1, ready=6):
        self.name = name
        self.out = 24 * lag + ready + 2  # hours from the day's midnight until its page is alone
        self.clock = ready + 2 - 8  # the same, from the looks of sums over days, which are at 08:00 in China

    def looks(self, view, many=False):
        """What is done to a selector, the best first. Of `many` subjects two windows of two hours, not all of the 20."""
        if view.kind == "now":
            return ["{0}"]
        if view.kind == "ago":
            return [f"last_over_time({{0}}[2h] offset {view.back}d)"]
        start = {"day": self.out, "daily": self.clock}[view.kind] - 24 * view.back
        windows = [(18, 20), (0, 2)] if many else [(0, 20)]
        return [f"last_over_time({{0}}[{end - begin}h] offset {-start - end}h)" for begin, end in windows]

    def guard(self, view):
        if view.kind != "ago":
            return None
        apart = f"({self.about('stat_timestamp_seconds')} - {self.about('stat_timestamp_seconds', view)})"
        return f"round({apart} / 86400) == {view.back}"

    def about(self, metric, view=NOW):
        """One of the exporter's own gauges about this source, an element for each account."""
        sel = selector("imstats_source_" + metric, source=self.name)
        return " or ".join(f"max by (account) ({look.format(sel)})" for look in self.looks(view))


class Table:
    """The families of one prefix: a subject is what `keys` and the account name; `many` where a company has thousands."""

    def __init__(self, prefix, source, keys, many=False):
        self.prefix, self.source, self.many = prefix, source, many
        self.keys = ("account", *keys)

    def metric(self, field):
        return f"{self.prefix}_{field}" if field else self.prefix

    def each(self, field, view=NOW, **match):
        """One element for each subject, its copies collapsed."""
        sel = selector(self.metric(field), **match)
        looks = [f"max by ({', '.join(self.keys)}) ({look.format(sel)})" for look in self.source.looks(view, self.many)]
        guard = self.source.guard(view)
        each = " or ".join(looks)
        if guard:
            return f"({each} and on (account) ({guard}))"
        return f"({each})" if len(looks) > 1 else each

    def sum(self, field, by=(), view=NOW, **match):
        return f"{over('sum', by)} ({self.each(field, view, **match)})"

    def share(self, part, whole, by=(), view=NOW):
        """The share that one count is of another."""
        return f"{self.sum(part, by, view)} / ({self.sum(whole, by, view)} > 0)"

    def weighed(self, field, weights, by=(), view=NOW, **match):
        """Sums of figure x weight and of weight, each subject with the product of `weights`; only of those that have the figure."""
        weight = " * ".join(self.each(each, view, **match) for each in weights)
        figure = self.each(field, view, **match)
        return f"{over('sum', by)} ({figure} * {weight})", f"{over('sum', by)} ({weight} and {figure})"

    def mean(self, field, weights, by=(), view=NOW, **match):
        """The average, each subject with the product of `weights`."""
        total, weight = self.weighed(field, weights, by, view, **match)
        return f"{total} / ({weight} > 0)"

    def grown(self, field, view=NOW, **match):
        """By how much a standing total of each subject changed since the day before; of those that have it on both days."""
        return f"({self.each(field, view, **match)} - {self.each(field, before(view), **match)})"

    def busiest(self, expr, field, count):
        """`expr` of the subjects that had most of `field` over the whole time range, so that no day is chosen by itself."""
        most = f"topk({count}, sum_over_time(({self.each(field, DAILY)})[$__range:1d] @ end()))"
        return f"{expr} and on ({', '.join(self.keys)}) {most}"


def week(expr, back=0):
    """The sum of the last seven days of `expr`, which looks at a day by `DAILY`; or of seven days before those."""
    return f"sum_over_time(({expr})[7d:1d]{f' offset {back}d' if back else ''})"


def week_until(expr):
    """The sum of the seven days that end with the day of a point of a trend, where `week` is of those that end with the newest.

    The look at a day is at 08:00 of the next one, up to 40 hours after its midnight.
    """
    return f"sum_over_time(({expr})[7d:1d] offset -40h)"


def days(expr, back=0):
    """Of how many of seven days there is an element."""
    return f"count_over_time(({expr})[7d:1d]{f' offset {back}d' if back else ''})"


def week_change(expr):
    """The sum of the last seven days against that of the seven before, where as many days have figures; bare of a difference."""
    return f"{week(expr)} / ({week(expr, 7)} > 0 and {days(expr)} == {days(expr, 7)}) - 1"


def selector(metric, scope="account", **match):
    """A selector within what the reader chose; a value that begins with `$`, `~` or `!~` is a regular expression.

    `within` is a second choice of accounts.
    """
    parts = [f'{label}=~"${label}"' for label in scope.split(",")]
    for label, value in match.items():
        operator = {"$": "=~", "~": "=~", "!": "!~"}.get(value[0], "=")
        label = {"within": "account"}.get(label, label)
        parts.append(f'{label}{operator}"{value.lstrip("!~")}"')
    return f"{metric}{{{','.join(parts)}}}"


def over(operator, by):
    return f"{operator} by ({', '.join(by)})" if by else operator


def one_name(info, key, trend=False, **match):
    """An info metric with one name for each id; where a name stands for several ids of an account, with the id behind it.

    Loaded history has no names, so a trend takes the newest: those from a day before the end of the time range until
    now, as the last step of a trend may lie a day back.
    """
    sel = selector(info, **match)
    one = f"topk by (account, {key}) (1, {f'last_over_time({sel}[2d] @ end() offset -1d)' if trend else sel})"
    twice = f"count by (account, name) ({one}) > 1"
    clear = f'{one} unless on (account, name) ({twice}) or label_join({one} and on (account, name) ({twice}), "name", " · ", "name", "{key}")'
    return f"max by (account, {key}, name) ({clear})"


def named(expr, info, key, trend=False):
    """`expr` with a label `name`: that of the info metric where there is one, otherwise the id."""
    name = one_name(info, key, trend)
    without = f'label_join({expr}, "name", "", "{key}") unless on (account, {key}) {name}'
    return f"({expr}) * on (account, {key}) group_left (name) {name} or {without}"


def names(info, key, among):
    """The names of the ids among the elements of `among`, for a column; the id where there is none."""
    found = f"{one_name(info, key)} and on (account, {key}) {among}"
    return f'{found} or on (account, {key}) max by (account, {key}, name) (label_join({among}, "name", "", "{key}"))'
