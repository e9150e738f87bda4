"""Queries over daily figures.

Three things are true of all of them. Copies (two exporters, a moved instance) are collapsed by `max` over all labels
of the subject before anything else. The day of a figure is never the time of its sample: "now" is the bare selector,
a trend is moved back onto the day's own axis. Averages and ratios are combined by the weights that HELP names, and
those that have none are not combined.
"""


class When:
    """A point of view in time: what is done to a selector, and what must hold for the account."""

    def __init__(self, form, guard=None):
        self.form, self.guard = form, guard


class Source:
    """Where figures come from, how many days after their day they are shown, and from which hour."""

    def __init__(self, name, lag=1, ready=6):
        self.name = name
        shown = 24 * lag + ready  # hours from the day's midnight to its time on show, which lasts 24
        self.now = When("{0}")
        #: Only to choose whom a trend is about: a day's window does no harm there, and bridges what lies between
        #: loaded history and the first scrape.
        self.end = When("last_over_time({0}[1d] @ end())")
        #: A line on the day's own axis, looked at three times a day. The two hours begin two hours after the day is ready:
        #: then its page is out, and that of the day before is gone (`flip_after`), so that a late day has no figure. They also
        #: bridge a restart and the steps of loaded history, and no more.
        self.line = When(f"last_over_time({{0}}[2h] offset -{shown + 4}h)")
        #: One bar a day: in the midst of the day's time on show, wherever midnight is for the reader.
        self.bar = When(f"last_over_time({{0}}[2h] offset -{shown + 6}h)")
        self.bar_before = When(f"last_over_time({{0}}[2h] offset -{shown - 18}h)")

    def about(self, metric, when=None):
        """One of the exporter's own gauges about this source, an element for each account."""
        form = (when or self.now).form
        return f'max by (account) ({form.format(selector("imstats_source_" + metric, source=self.name))})'

    def against(self, days):
        """Now and `days` ago, both only for accounts whose figures then were those of `days` earlier."""
        ago = When(f"last_over_time({{0}}[2h] offset {days}d)")
        apart = f"({self.about('stat_timestamp_seconds')} - {self.about('stat_timestamp_seconds', ago)})"
        guard = f"round({apart} / 86400) == {days}"
        return When("{0}", guard), When(ago.form, guard)


class Table:
    """The families of one prefix: a subject is what `keys` and the account name."""

    def __init__(self, prefix, source, keys, info=None):
        self.prefix, self.source, self.info = prefix, source, info
        self.keys = ("account", *keys)

    def metric(self, field):
        return f"{self.prefix}_{field}" if field else self.prefix

    def each(self, field, when=None, **match):
        """One element for each subject, its copies collapsed."""
        when = when or self.source.now
        chosen = when.form.format(selector(self.metric(field), **match))
        each = f"max by ({', '.join(self.keys)}) ({chosen})"
        return f"({each} and on (account) ({when.guard}))" if when.guard else each

    def sum(self, field, by=(), when=None, **match):
        return f"{over('sum', by)} ({self.each(field, when, **match)})"

    def share(self, part, whole, by=(), when=None):
        """The share that one count is of another."""
        return f"{self.sum(part, by, when)} / ({self.sum(whole, by, when)} > 0)"

    def mean(self, field, weights, by=(), when=None):
        """The average, each subject with the product of `weights`; only of those that have the figure."""
        weight = " * ".join(self.each(each, when) for each in weights)
        figure = self.each(field, when)
        return f"{over('sum', by)} ({figure} * {weight}) / ({over('sum', by)} ({weight} and {figure}) > 0)"

    def gained(self, field, by=(), when=None, before=None):
        """By how much a standing total grew, summed over the subjects that had it on both days; a fall counts as 0."""
        return f"{over('sum', by)} (clamp_min({self.each(field, when)} - {self.each(field, before)}, 0))"

    def week(self, field):
        """The sum of the last seven days: one look a day, from 08:00 in China on, when the page of the day before is gone."""
        return f"sum_over_time({self.each(field, When('last_over_time({0}[2h] offset -2h)'))}[7d:1d])"

    def top(self, field, when, count=10, rank="topk", **match):
        """The figure at `when`, of the subjects that have most (or least) of it at the end of the time range."""
        chosen = f"{rank}({count}, {self.each(field, self.source.end, **match)})"
        return f"{self.each(field, when, **match)} and on ({', '.join(self.keys)}) {chosen}"


def selector(metric, scope="account", **match):
    """A selector within what the reader chose; a value that begins with `$`, `~` or `!~` is a regular expression."""
    parts = [f'{label}=~"${label}"' for label in scope.split(",")]
    for label, value in match.items():
        operator = {"$": "=~", "~": "=~", "!": "!~"}.get(value[0], "=")
        parts.append(f'{label}{operator}"{value.lstrip("!~")}"')
    return f"{metric}{{{','.join(parts)}}}"


def over(operator, by):
    return f"{operator} by ({', '.join(by)})" if by else operator


def named(expr, info, key, keys=None, trend=False):
    """`expr` with a label `name`: that of the info metric where there is one, otherwise the id.

    Loaded history has no names, so a trend takes the newest: those from a day before the end of the time range until
    now, as the last step of a trend may lie a day back.
    """
    on = ", ".join(keys or ("account", key))
    info = selector(info)
    newest = f"last_over_time({info}[2d] @ end() offset -1d)" if trend else info
    name = f"topk by (account, {key}) (1, {newest})"
    without = f'label_join({expr}, "name", "", "{key}")'
    return f"({expr}) * on (account, {key}) group_left (name) {name} or on ({on}) {without}"


def names(info, key, among):
    """The names of the ids among the elements of `among`, for a column."""
    one = f"topk by (account, {key}) (1, {selector(info)})"
    return f"max by (account, {key}, name) ({one} and on (account, {key}) {among})"
