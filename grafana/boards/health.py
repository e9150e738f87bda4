"""The exporter itself, for whoever runs it: does it poll, do the platforms answer, is anything late or missing."""

from .frame import mapped
from .page import dashboard, row, variable
from .panels import BAD, COLORED, GOOD, PLAIN, SPAN, TEXT, WARN, cell, column, query, stat, steps, table, timeseries
from .promql import over, selector
from .text import Text as T

KEYS = ("instance", "account", "source")


def own(metric, **match):
    return selector(metric, scope="job,instance", **match)


def source(metric, by=KEYS, **match):
    """A gauge about sources; a source that two exporters poll has a row for each."""
    return f"{over('max', by)} ({own('imstats_source_' + metric, **match)})"


def state(name):
    return f"{over('sum', KEYS)} ({own('imstats_source_targets', state=name)})"


def once(by, **match):
    """Targets, of which each counts once however many exporters ask for it."""
    return f"{over('sum', by)} (max by (account, source, state) ({own('imstats_source_targets', **match)}))"


def hourly(metric, by, **match):
    """Calls come in bursts that lie hours apart, so they are counted by the hour."""
    return f"{over('sum', by)} (increase({own(metric, **match)}[1h]))"


def wrong(by):
    return hourly("imstats_api_requests_total", by, outcome="!~ok|no_data")


ANSWER_TIME = "imstats_api_request_duration_seconds_bucket"
#: Good and bad ends of calls, and states of targets, in the same colours everywhere.
OUTCOMES = {"^ok": GOOD, "^no_data": PLAIN, "^refused": WARN, "^throttled": "purple", "^token": "yellow", "^denied": "dark-red",
            "^unavailable": BAD, "^malformed": "light-red", "^failed": BAD, "^pending": "yellow"}
RUNBOOKS = "https://github.com/imstats/imstats_exporter/blob/main/docs/runbooks.md"


def runbook(anchor):
    return {"title": T("Runbook", "处理手册"), "url": f"{RUNBOOKS}#{anchor}", "targetBlank": True}


STATUS_TO = dict(title=T("Status page of this exporter, with the reason", "该采集器的状态页（含原因）"), targetBlank=True, url="http://" + T(cell("Exporter"), cell("采集器")) + "/")


def count(title, what, expr, bad, alarm=BAD, unit="none"):
    return stat(title, what, [query(expr, "", instant=True)], (4, 4), unit, bad=bad, thresholds=steps(GOOD, (1, alarm)))


def lines(title, what, pairs, unit="short", **more):
    return timeseries(title, what, pairs, (12, 8), unit, daily=False, **more)


def board():
    target, shown = source("target_timestamp_seconds"), source("stat_timestamp_seconds")
    late = f"({shown} < bool {target} or {target} >= bool 0)"  # 1 also where no day is shown
    # Worst first: without an answer, late, with targets that failed or are refused.
    rank = (f"4 * (1 - {source('up')}) + 2 * {late} + (({state('~failed|refused')}) > bool 0)")
    day, by = "time:YYYY-MM-DD", ("le", "api")
    answers = mapped((0, T("no", "否"), BAD), (1, T("yes", "是"), GOOD))
    tiles = row(
        None,
        stat(T("Exporters", "采集器"), T("Whether Prometheus can scrape each exporter.", "Prometheus 能否抓取各采集器。"),
             [query(f"max by (instance) ({own('up')})", "{{instance}}", instant=True)], (4, 4), "none",
             bad=T("`down`: nothing on any dashboard is fresh.", "“停止”：所有看板的数据都不再更新。"),
             mappings=mapped((0, T("down", "停止"), BAD), (1, T("up", "运行"), GOOD)), thresholds=steps(TEXT)),
        count(T("Sources not answering", "无应答的数据源"), T("Sources whose last round brought no usable answer.", "最近一轮没有得到可用回答的数据源数。"),
              f"count ({source('up')} == 0) or 0 * count ({own('imstats_build_info')})", T("1 or more: see the table and the status page of the exporter.", "大于等于 1：请看下表和采集器的状态页。")),
        count(T("Late sources", "迟到的数据源"), T("Sources whose page is not of the newest day that the platform should have ready, or that show none.", "展示的不是平台应已产出的最新一天、或没有数据可展示的数据源数。"),
              f"count ({late} == 1) or 0 * count ({own('imstats_build_info')})", T("Above 0 for minutes each morning is normal; not for hours.", "每天早上短时间大于 0 属正常，持续数小时则不正常。"), WARN),
        count(T("Targets not answered", "未成功的对象"), T("Members, accounts or lists without an answer for the newest day; each counts once, however many exporters ask.", "最新一天尚未得到应答的对象数；多个采集器查询同一对象只计一次。"),
              once((), state="~failed|pending"), T("Above 0 for hours.", "持续数小时大于 0。"), WARN),
        count(T("Paused APIs", "暂停的接口"), T("APIs that are not called for now because the platform throttled them.", "因平台限流而暂停调用的接口数。"),
              f"count ({own('imstats_api_paused_until_timestamp_seconds')}) or 0 * count ({own('imstats_build_info')})", T("For hours: another program uses up the quota.", "持续数小时：其他程序在占用配额。"), WARN),
        stat(T("Configuration", "配置"), T("Whether the last attempt to load the configuration file succeeded.", "最近一次加载配置文件是否成功。"),
             [query(f"min by (instance) ({own('imstats_config_last_reload_successful')})", "{{instance}}", instant=True)], (4, 4), "none",
             bad=T("`refused`: the old configuration still holds; the log says why.", "“被拒绝”：仍在使用旧配置，原因见日志。"),
             mappings=mapped((0, T("refused", "被拒绝"), BAD), (1, T("in use", "已生效"), GOOD)), thresholds=steps(TEXT)),
    )
    sources = row(
        T("Sources", "数据源"),
        table(T("How each source stands", "各数据源状态"),
              T("One row for each source of each account. The day shown is that of all its figures.", "每个账号的每个数据源一行。展示日即其全部数据所属日期。"),
              [("account", T("Account", "账号")), ("source", T("Source", "数据源")), ("instance", T("Exporter", "采集器"))],
              [column(T("Rank", "排序"), rank, "none", custom__hideFrom={"viz": True, "legend": False, "tooltip": False}),
               column(T("Answers", "应答"), source("up"), "none", mappings=answers, **COLORED),
               column(T("Day shown", "展示日"), f"1000 * ({source('stat_timestamp_seconds')} + 21600)", day, custom__width=95),
               column(T("Newest day", "最新一天"), late, "none", mappings=mapped((0, T("shown", "已展示"), GOOD), (1, T("late", "迟到"), WARN)), **COLORED),
               column(T("With figures", "有数据"), state("ok"), "none"),
               column(T("Without", "无数据"), state("no_data"), "none"),
               column(T("Refused", "被拒绝"), state("refused"), "none", thresholds=steps("transparent", (1, WARN)), **COLORED),
               column(T("Failed", "失败"), state("failed"), "none", thresholds=steps("transparent", (1, BAD)), **COLORED),
               column(T("Pending", "待查询"), state("pending"), "none"),
               column(T("Last success", "最近成功"), f"time() - {source('last_success_timestamp_seconds')}", SPAN),
               column(T("Next round in", "距下一轮"), f"clamp_min({source('next_round_timestamp_seconds')} - time(), 0)", SPAN),
               column(T("Token ends in", "令牌剩余"), f"clamp_min({source('token_expiry_timestamp_seconds')} - time(), 0)", SPAN),
               column(T("Unknown fields", "未知字段"), source("unmapped_fields"), "none", thresholds=steps("transparent", (1, WARN)), **COLORED),
               column(T("Bad figures", "异常数值"), source("invalid_values"), "none", thresholds=steps("transparent", (1, WARN)), **COLORED)],
              (24, 12), narrow=58, sort=T("Rank", "排序"), descending=True,
              links={T("Answers", "应答"): STATUS_TO, T("Exporter", "采集器"): STATUS_TO, T("Newest day", "最新一天"): runbook("imstatsfiguresmissing"), T("Refused", "被拒绝"): runbook("imstatsalltargetsrefused"),
                     T("Failed", "失败"): runbook("imstatstargetsfailing"), T("Unknown fields", "未知字段"): runbook("imstatsunmappedfields"), T("Bad figures", "异常数值"): runbook("imstatsinvalidfigures")},
              bad=T("`no` under Answers, `late` for hours, failed targets, unknown fields (the platform has new figures), bad figures (left out, as they can't be right).",
                    "应答为“否”、持续数小时“迟到”、有失败对象、出现未知字段（平台新增了指标）或异常数值（不可能正确，已略去）。")),
    )
    trends = row(
        T("Polling", "采集"),
        lines(T("Targets by state", "对象状态"), T("All targets of the newest day by their state.", "最新一天全部对象的状态。"),
              [("{{state}}", once(("state",)))], stack=True, named=OUTCOMES,
              bad=T("`failed` or `pending` that does not go away.", "failed 或 pending 一直不消失。")),
        lines(T("Late sources", "迟到的数据源"), T("1 while the page of a source is not of the newest day that the platform should have ready, or shows none.", "数据源展示的不是平台应已产出的最新一天、或没有数据可展示时为 1。"),
              [("{{source}} {{account}}", late)], "none", decimals=0, custom={"axisSoftMax": 1}, bad=T("A step that lasts for hours.", "台阶持续数小时。")),
        lines(T("Calls by outcome", "调用结果"), T("Calls to platforms in the hour before, by how they ended; tokens and lists too.", "前一小时内对平台的调用，按结果；含令牌与名单接口。"),
              [("{{outcome}}", hourly("imstats_api_requests_total", ("outcome",)))], "none", decimals=0, named=OUTCOMES, custom={"axisSoftMax": 10},
              bad=T("Anything but ok and no_data for long.", "长时间出现 ok、no_data 以外的结果。")),
        lines(T("Calls that went wrong", "异常调用"), T("Calls in the hour before that ended otherwise than ok or no_data, by API; a line at 0 for what did not happen.",
                                                     "前一小时内非 ok、no_data 的调用，按接口；未发生的结果显示为 0。"),
              [("{{outcome}} {{api}}", f"{wrong(('outcome', 'api'))} > 0 or {wrong(('outcome',))} == 0")], "none", decimals=0, named=OUTCOMES, custom={"axisSoftMax": 10},
              bad=T("`denied`: a secret or a permission; `throttled`: the quota; `malformed`: the platform changed its answers.",
                    "denied：密钥或权限；throttled：配额；malformed：平台改变了返回格式。")),
        table(T("Calls that went wrong, since the start", "启动以来的异常调用"), T("Calls since each exporter started that ended otherwise than ok or no_data. It is there at once, where the rate of an hour needs some scrapes.", "各采集器启动以来非 ok、no_data 的调用；立即可见，而按小时的统计需要若干次抓取。"),
              [("account", T("Account", "账号")), ("api", T("API", "接口")), ("outcome", T("Outcome", "结果")), ("instance", T("Exporter", "采集器"))],
              [column(T("Calls", "次数"), f"max by (instance, account, api, outcome) ({own('imstats_api_requests_total', outcome='!~ok|no_data')}) > 0", "none")], (12, 8),
              links={T("Outcome", "结果"): runbook("imstatssourcenotup"), T("Exporter", "采集器"): STATUS_TO},
              bad=T("`denied`: a secret or a permission; `throttled`: the quota; `malformed`: the platform changed its answers. The status page has the last error in words.", "denied：密钥或权限；throttled：配额；malformed：平台改变了返回格式。状态页有最近一次错误的说明。")),
        table(T("Alerts that fire", "正在触发的告警"), T("Alerts of the shipped rules, pending and firing, where Prometheus loads them.", "随程序提供的告警规则中待触发与触发中的告警（需在 Prometheus 中加载）。"),
              [("alertname", T("Alert", "告警")), ("alertstate", T("State", "状态")), ("account", T("Account", "账号")), ("source", T("Source", "数据源"))],
              [column(T("Alerts", "告警数"), 'max by (alertname, alertstate, account, source) (ALERTS{alertname=~"Imstats.+"})', "none", custom__hideFrom={"viz": True, "legend": False, "tooltip": False})], (12, 8),
              links={T("Alert", "告警"): {"title": T("Runbook", "处理手册"), "url": RUNBOOKS + "#${__value.text:lower}", "targetBlank": True}}, noValue=T("No alerts, or the rules are not loaded", "没有告警，或未加载规则"),
              bad=T("anything here; a click on the name opens its runbook.", "出现任何告警；点击名称打开处理手册。")),
        lines(T("Answer time, 95th percentile", "应答耗时 95 分位"), T("Time from a call to the platform's whole answer, by API, of the calls in the hour before; of an API without any, of all calls since the start.",
                                                            "从调用到收到完整应答的时间，按接口，取前一小时的调用；其间没有调用的接口取启动以来的全部调用。"),
              [("{{api}}", f"histogram_quantile(0.95, {hourly(ANSWER_TIME, by)}) >= 0 or histogram_quantile(0.95, {over('sum', by)} ({own(ANSWER_TIME)}))")], "s", many=True, legend={"calcs": ["lastNotNull"], "width": 330},
              bad=T("Towards 30 s, the default timeout.", "接近默认超时 30 秒。"), noValue=T("No calls in this time", "该时段没有调用")),
        lines(T("Length of a round", "每轮耗时"), T("How long the last round of each source took.", "各数据源最近一轮的耗时。"),
              [("{{source}} {{account}}", source("round_duration_seconds", ("source", "account")))], "s", bad=T("Longer than the poll interval.", "超过轮询间隔。")),
    )
    page = row(
        T("Page, store and process", "页面、存储与进程"),
        lines(T("Series shown", "展示的序列数"), T("Series of platform figures by source.", "各数据源的序列数。"),
              [("{{source}} {{account}}", source("series", ("source", "account")))], bad=T("A sudden fall: people or accounts are no longer visible to the app.", "突然下降：应用不再能看到部分成员或账号。")),
        lines(T("Scrapes", "抓取耗时"), T("How long Prometheus needs for a scrape.", "Prometheus 每次抓取所需时间。"),
              [("{{instance}}", own("scrape_duration_seconds"))], "s", bad=T("Above a second.", "超过一秒。")),
        lines(T("Requests answered", "HTTP 请求"), T("Requests per second to this exporter by path and status.", "每秒对采集器的请求，按路径与状态码。"),
              [("{{handler}} {{code}}", f"sum by (handler, code) (rate({own('imstats_http_requests_total')}[$__rate_interval]))")], "reqps", bad=T("401 or 5xx.", "401 或 5xx。")),
        lines(T("Store", "存储"), T("Size of the store.", "存储文件大小。"), [("{{instance}}", own("imstats_store_size_bytes"))], "bytes",
              bad=T("More than the disk has.", "超过磁盘容量。")),
        lines(T("Memory", "内存"), T("Resident memory of the process.", "进程常驻内存。"), [("{{instance}}", own("process_resident_memory_bytes"))], "bytes",
              bad=T("Grows without end.", "无止境增长。")),
        lines(T("CPU", "CPU"), T("Processor time per second.", "每秒处理器时间。"), [("{{instance}}", f"rate({own('process_cpu_seconds_total')}[$__rate_interval])")],
              "percentunit", bad=T("Near 100% outside of a round.", "非采集时段接近 100%。")),
        lines(T("Open files", "打开的文件数"), T("Open file descriptors, and the most that there may be.", "打开的文件描述符数及其上限。"),
              [(T("open ", "已打开 ") + "{{instance}}", own("process_open_fds")), (T("limit ", "上限 ") + "{{instance}}", own("process_max_fds"))],
              colors=[PLAIN, BAD], custom={"scaleDistribution": {"type": "log", "log": 10}}, min=1, bad=T("Near the limit.", "接近上限。")),
        table(T("Versions", "版本"), T("Version, source revision and running time of each exporter.", "各采集器的版本、源码修订号与运行时长。"),
              [("instance", T("Exporter", "采集器")), ("version", T("Version", "版本")), ("revision", T("Revision", "修订号"))],
              [column(T("Running for", "运行时长"),
                      f"(time() - max by (instance) ({own('process_start_time_seconds')})) * on (instance) group_left (version, revision) "
                      f"max by (instance, version, revision) ({own('imstats_build_info')})", SPAN)], (12, 8), bad=T("Different versions side by side.", "同时运行不同版本。")),
        collapsed=True)
    return dashboard(
        "exporter-health", T("imstats / exporter", "imstats / 采集器"),
        T("Whether the exporter polls, the platforms answer, and the figures are of the newest day.", "采集器是否在采集、平台是否应答、数据是否为最新一天。"),
        # Without a value of its own for "all", which would be all targets of the whole Prometheus.
        [variable("job", T("Job", "Job"), "label_values(imstats_build_info, job)", all_value=None),
         variable("instance", T("Instance", "Instance"), 'label_values(imstats_build_info{job=~"$job"}, instance)', all_value=None)],
        [tiles, sources, trends, page], span="now-24h", refresh="1m")
