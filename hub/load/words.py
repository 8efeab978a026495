"""What a load says on a terminal. Pure."""

from hub.load.options import LoadOptions
from hub.load.result import Result
from hub.load.telling import Second


def what_is_done(options: LoadOptions) -> str:
    """One line before it begins."""
    if options.rate is None:
        pace = f"as fast as {options.connections:,} connections are answered"
    else:
        pace = f"{options.rate:,.5g} requests/s ({options.arrivals}) over {options.connections:,} connections"
    parts = [pace, f"{options.duration_seconds:,} s", f"{options.skus:,} SKUs ({options.skew})"]
    if options.array > 1:
        parts.append(f"{options.array:,} events in each request")
    if options.reserve:
        parts.append(f"{options.reserve:.0%} about reservations")
    if options.sockets:
        parts.append(f"{options.sockets:,} sockets on {options.watch:,} SKUs each")
    return " · ".join(parts)


def live_line(second: Second, options: LoadOptions) -> str:
    """One second while it runs."""
    [(_, p50), (_, p99)] = second.latency.percentiles([50.0, 99.0])
    parts = [
        f"{second.number + 1:>5} s",
        f"{second.asked:>6,} asked {second.answered:>6,} answered",
        f"p50 {p50 / 1000:>8,.2f} ms p99 {p99 / 1000:>8,.2f} ms",
        " ".join(f"{number:,} × {kind}" for kind, number in sorted(second.errors.items())) or "no errors",
    ]
    if second.waiting:
        parts.append(f"{second.waiting:,} waiting")
    if options.sockets:
        parts.append(f"{second.current:,}/{options.sockets:,} sockets current")
    if second.number < options.warmup_seconds:
        parts.append("warm-up")
    return " · ".join(parts)


def summary(result: Result) -> str:
    """The end."""
    latency, judgement = result.latency_ms["all"], result.judgement
    lines = [
        f"{result.rate_asked:,.1f} requests/s asked, {result.rate_answered:,.1f}/s answered, "
        f"{result.events_booked_per_second:,.1f} events/s booked, over {result.measured_seconds:,.0f} s",
        f"  latency   p50 {latency.p50:,.2f} ms · p90 {latency.p90:,.2f} · p99 {latency.p99:,.2f} · "
        f"p99.9 {latency.p99_9:,.2f} · max {latency.max:,.2f}",
        f"  answers   {_counts(result.answers)}",
    ]
    if result.ended_early:
        lines.insert(0, f"Ended early: {result.ended_early}.")
    if result.refusals:
        lines.append(f"  refused   {_counts(result.refusals)}")
    if result.unknown:
        again = f"{result.settled:,} settled by asking again, {result.unsettled:,} not"
        lines.append(f"  unknown   {_counts(result.unknown)}; {again}")
    if result.requests_unsent:
        lines.append(f"  unsent    {result.requests_unsent:,} requests were due and found no connection")
    if result.sockets.asked:
        lines.append(
            f"  sockets   {result.sockets.current:,} of {result.sockets.asked:,} current at the end, "
            f"{result.sockets.values:,} values"
            + (f", ended: {_counts(result.sockets.ended)}" if result.sockets.ended else "")
        )
    lines.append(f"  {result.generator.said}")
    if judgement.is_clean:
        lines.append(
            f"Clean: the stock of {judgement.skus:,} SKUs is what {judgement.events:,} booked events and "
            f"{judgement.granted:,} reservations make of it, and all {judgement.sockets:,} sockets are current."
        )
    else:
        lines += ["NOT CLEAN:", *(f"  {finding.kind}: {finding.text}" for finding in judgement.findings)]
    return "\n".join(lines)


def _counts(counts: dict[str, int]) -> str:
    return (
        " · ".join(f"{number:,} {name}" for name, number in sorted(counts.items(), key=lambda pair: -pair[1])) or "none"
    )
