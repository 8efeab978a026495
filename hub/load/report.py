"""What a load found as one page that needs nothing else: no script, no font and no picture from elsewhere. Pure."""

from collections.abc import Callable, Iterable, Sequence
from html import escape
from operator import attrgetter

from hub.load.charts import Axis, Line, line_chart, linear, logarithmic, percentiles
from hub.load.result import Latency, Point, Result
from hub.load.words import what_is_done

# Faster than this cannot be told apart on a chart.
_LOWEST_MS = 0.01
_CSS = """
:root { color-scheme: light dark; --paper: #f8f5ee; --ink: #17140f; --quiet: #6b655a; --rule: #17140f26;
  --gilt: #80632f; --alarm: #9b2c1d; --blue: #2f5d80;
  --serif: "Iowan Old Style", "Palatino Linotype", Palatino, Georgia, "Liberation Serif", serif; }
@media (prefers-color-scheme: dark) { :root { --paper: #131210; --ink: #efe9dc; --quiet: #a59d8e; --rule: #efe9dc2b;
  --gilt: #cdae70; --alarm: #ec9482; --blue: #8fbde0; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 2.5rem 1.25rem 4rem; max-width: 52rem; background: var(--paper); color: var(--ink);
  font: 1rem/1.5 var(--serif); font-variant-numeric: lining-nums tabular-nums; }
h1 { margin: 0; font-weight: 400; font-size: 1.9rem; line-height: 1.15; }
h2, figcaption { margin: 2.5rem 0 .6rem; font-size: .75rem; font-weight: 400; letter-spacing: .12em;
  text-transform: uppercase; color: var(--quiet); }
p { margin: .5rem 0; } .quiet { color: var(--quiet); overflow-wrap: anywhere; }
.verdict { margin: 1.5rem 0; padding: 1rem 1.25rem; border: 1px solid var(--rule); border-left: 4px solid var(--gilt); }
.verdict.bad { border-left-color: var(--alarm); } .bad strong { color: var(--alarm); }
dl { display: grid; grid-template-columns: repeat(auto-fit, minmax(9rem, 1fr)); gap: 1.25rem; margin: 1.5rem 0; }
dt { font-size: .8rem; color: var(--quiet); } dd { margin: 0; font-size: 1.5rem; }
figure { margin: 0; } svg { display: block; width: 100%; height: auto; font-family: var(--serif); font-size: 11px; }
svg text { fill: var(--quiet); } svg .key { fill: var(--ink); } .grid { stroke: var(--rule); }
.line { fill: none; stroke-width: 1.75; stroke-linejoin: round; }
.a { stroke: var(--ink); } .b { stroke: var(--gilt); stroke-dasharray: 7 3; }
.c { stroke: var(--alarm); stroke-dasharray: 2 3; } .d { stroke: var(--blue); stroke-dasharray: 9 3 2 3; }
.wide { overflow-x: auto; } table { width: 100%; border-collapse: collapse; }
th, td { padding: .35rem .75rem .35rem 0; border-bottom: 1px solid var(--rule); text-align: right;
  white-space: nowrap; }
th { font-weight: 400; color: var(--quiet); } th:first-child, td:first-child { text-align: left; }
td.text { white-space: normal; text-align: left; overflow-wrap: anywhere; }
"""


def report_html(result: Result) -> str:
    """The page."""
    options = result.options
    parts = [
        '<!doctype html><html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">",
        f"<title>Load of {escape(result.url)}</title><style>{_CSS}</style></head><body>",
        "<h1>Load of a hub</h1>",
        f'<p class="quiet">{escape(result.began_at)} · {escape(result.url)} · {escape(result.location)} · '
        f"{escape(result.pool)}<br>{escape(what_is_done(options))}</p>",
        _ended_early(result),
        _verdict(result),
        _generator(result),
        _figures(result),
        _charts(result),
        "<h2>Latency, in milliseconds from when a request was due</h2>",
        _latencies(result.latency_ms),
        "<h2>What came back</h2>",
        _table(("answer", "how often"), _counted(result)),
        "<h2>Made with</h2>",
        _table(("", ""), _settings(result), of_text=True),
    ]
    return "".join([*parts, "</body></html>\n"])


def _ended_early(result: Result) -> str:
    return f"<p><strong>Ended early:</strong> {escape(result.ended_early)}.</p>" if result.ended_early else ""


def _verdict(result: Result) -> str:
    judged = result.judgement
    if judged.is_clean:
        return (
            f'<div class="verdict good"><strong>Clean.</strong> The stock of {judged.skus:,} SKUs is what '
            f"{judged.events:,} booked events and {judged.granted:,} reservations make of it, and all "
            f"{judged.sockets:,} sockets are current.</div>"
        )
    found = "".join(f"<li>{escape(finding.kind)}: {escape(finding.text)}</li>" for finding in judged.findings)
    return f'<div class="verdict bad"><strong>Not clean.</strong><ul>{found}</ul></div>'


def _generator(result: Result) -> str:
    told = result.generator
    return f'<div class="verdict {"bad" if told.was_bottleneck else "good"}">{escape(told.said)}</div>'


def _figures(result: Result) -> str:
    latency = result.latency_ms["all"]
    figures = [
        ("asked", f"{result.rate_asked:,.1f}/s"),
        ("answered", f"{result.rate_answered:,.1f}/s"),
        ("events booked", f"{result.events_booked_per_second:,.1f}/s"),
        ("p50", f"{latency.p50:,.2f} ms"),
        ("p99", f"{latency.p99:,.2f} ms"),
        ("longest", f"{latency.max:,.2f} ms"),
    ]
    if result.sockets.asked:
        figures.append(("sockets current", f"{result.sockets.current:,}/{result.sockets.asked:,}"))
    return "<dl>" + "".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in figures) + "</dl>"


def _charts(result: Result) -> str:
    charts = [_distribution(result.latency_curve)]
    # After the end answers are only waited for.
    points = [point for point in result.points if point.second < result.options.duration_seconds]
    if len(points) > 1:
        charts += [_latency_over_time(points), _throughput(points)]
        if result.sockets.asked:
            charts.append(_sockets(points, result.sockets.asked))
    return "".join(charts)


def _distribution(found: Sequence[tuple[float, float]]) -> str:
    # The longest of all stands where the highest percent does.
    shown = [pair for pair in found if pair[0] < 100]
    if not shown:
        return ""
    up = linear("ms", max(value for _, value in shown) or 1.0)
    across = percentiles("percent of requests", max(90.0, shown[-1][0]))
    return line_chart("Latency by percentile", across, up, [Line("at most so long", shown)])


def _latency_over_time(points: Sequence[Point]) -> str:
    answered = [point for point in points if point.answered]
    if not answered:
        return ""
    lines = [
        Line(name, [(_middle(point), max(_LOWEST_MS, value(point))) for point in answered])
        for name, value in _OVER_TIME
    ]
    values = [value for line in lines for _, value in line.points]
    up = logarithmic("ms, each tenfold as high", min(values), max(values))
    return line_chart("Latency over time", _seconds(points), up, lines)


def _throughput(points: Sequence[Point]) -> str:
    lines = [
        Line("requests asked", [(_middle(point), point.asked) for point in points]),
        Line("answered", [(_middle(point), point.answered) for point in points]),
        Line("refused, unknown", [(_middle(point), point.refused + point.unknown) for point in points]),
        Line("events booked", [(_middle(point), point.booked) for point in points]),
    ]
    up = linear("each second", max(value for line in lines for _, value in line.points) or 1.0)
    return line_chart("Throughput over time", _seconds(points), up, lines)


def _sockets(points: Sequence[Point], asked: int) -> str:
    lines = [
        Line("sockets open", [(_middle(point), point.sockets) for point in points]),
        Line("current", [(_middle(point), point.sockets_current) for point in points]),
    ]
    title = "Sockets, and those that have what was shown a second before"
    return line_chart(title, _seconds(points), linear("sockets", asked), lines)


def _latencies(found: dict[str, Latency]) -> str:
    rows = [
        (kind, f"{each.count:,}", *(f"{getattr(each, name):,.2f}" for name in _LATENCY_FIELDS))
        for kind, each in found.items()
    ]
    heads = ("request", "count", *(name.replace("p99_9", "p99.9") for name in _LATENCY_FIELDS))
    return _table(heads, rows)


def _counted(result: Result) -> list[tuple[str, str]]:
    counts = [
        *result.answers.items(),
        *((f"refused: {reason}", number) for reason, number in result.refusals.items()),
        *((f"unknown: {kind}", number) for kind, number in result.unknown.items()),
        ("settled by asking again", result.settled),
        ("never answered", result.unsettled),
        ("due, but never sent", result.requests_unsent),
        *((f"sockets {reason}", number) for reason, number in result.sockets.ended.items()),
    ]
    return [(name, f"{number:,}") for name, number in counts]


def _settings(result: Result) -> list[tuple[str, str]]:
    machine, options = result.machine, result.options
    rows = [("hub load", result.version)]
    rows += [(name.replace("_", " "), str(getattr(options, name))) for name in options.__struct_fields__]
    rows.append(("machine", f"{machine.system}, {machine.cpus} cores, load average {machine.load_average} before"))
    return [*rows, ("Python", machine.python)]


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]], *, of_text: bool = False) -> str:
    head = "".join(f"<th>{escape(cell)}</th>" for cell in heads)
    kind = ' class="text"' if of_text else ""
    body = "".join("<tr>" + "".join(f"<td{kind}>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _seconds(points: Sequence[Point]) -> Axis:
    last = points[-1]
    return linear("seconds", last.second + last.seconds, is_whole=False)


def _middle(point: Point) -> float:
    return point.second + point.seconds / 2


_LATENCY_FIELDS = ("mean", "p50", "p90", "p99", "p99_9", "max")
_OVER_TIME: tuple[tuple[str, Callable[[Point], float]], ...] = (
    ("p50", attrgetter("p50_ms")),
    ("p99", attrgetter("p99_ms")),
    ("longest", attrgetter("max_ms")),
)
