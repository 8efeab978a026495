"""P1 and P2: sales a second over HTTP, each on disk and in the ledger, alone and in arrays of 100."""

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from bare_servers import BareServer, bare_server
from bare_stores import BareStores, bare_stores
from figures import Options, Row, percentile, print_rows, ratios, spread, sum_of_hops
from http_load import Load, Told, run, wait_for_ledger
from hub_process import RunningHub, running_hub

ARRAY = 100
SKUS = 1_000
_WARM_UP_SECONDS = 1.0
_HOP_CALLS = 1_000
_HOP_RATE = 500.0
# Event numbers that no load of a run reaches beyond.
_APART = 10_000_000
# Per cent; fewer late answers are not mentioned.
_LATE_WORTH_A_WORD = 1.0


@dataclass
class Runs:
    """What several runs of one load found."""

    what: str
    goal: str
    # Events answered `applied` a second, all booked a second, and per cent of those that the ledger got too late.
    applied: list[float] = field(default_factory=list)
    booked: list[float] = field(default_factory=list)
    late: list[float] = field(default_factory=list)

    def note(self, told: Told) -> None:
        """Add one run."""
        self.applied.append(told.applied_per_second)
        self.booked.append((told.applied + told.accepted) / told.seconds)
        self.late.append(_late(told))

    def row(self, number: str, bare: list[float]) -> Row:
        """The line of the table."""
        measured = spread(self.applied, unit="/s")
        if max(self.late) >= _LATE_WORTH_A_WORD:
            measured += f"; {spread(self.booked, unit='/s')} counting late ones (202), {spread(self.late, 0, ' %')}"
        yields = spread(ratios(self.applied, bare), 2)
        return Row(number, self.what, measured, f"bare handler {spread(bare, unit='/s')}", yields, self.goal)


@dataclass
class Bench:
    """One hub and its floors."""

    hub: RunningHub
    bare: BareServer
    stores: BareStores
    numbers: Iterator[int] = field(default_factory=lambda: count(0, _APART))

    def sell(self, seconds: float, *, array: int = 1, rate: float | None = None, connections: int = 64) -> Told:
        """Sell at the hub, once the ledger has all of the load before."""
        wait_for_ledger(self.hub.http_port, self.hub.token, self.numbers)
        load = Load(self.hub.http_port, self.hub.token, seconds, next(self.numbers), connections, array, rate, SKUS)
        return _reported(
            self.hub, load, f"hub, {array} a request, {connections} connections" + (f", {rate:.0f}/s" if rate else "")
        )

    def sell_bare(self, seconds: float, *, rate: float | None = None) -> Told:
        """Send the same to the bare handler."""
        told = run(Load(self.bare.port, self.hub.token, seconds, 0, 64, 1, rate, SKUS))
        _report("bare handler" + (f", {rate:.0f}/s" if rate else ""), told)
        return told

    def hops_ms(self, rate: float) -> list[float]:
        """The sum of the bare hops of one sale: HTTP at this rate, one script call, one commit."""
        http = self.sell_bare(2.0, rate=rate).latencies_ms
        scripts = self.stores.script_calls_ms(_HOP_CALLS, _HOP_RATE)
        return sum_of_hops(http, scripts, self.stores.commits_ms(_HOP_CALLS, _HOP_RATE))


@contextmanager
def bench() -> Iterator[Bench]:
    """A hub with stock, warm, and its floors beside it."""
    with (
        tempfile.TemporaryDirectory(prefix="load-") as folder,
        running_hub(Path(folder) / "hub") as hub,
        bare_stores(Path(folder) / "bare") as stores,
        bare_server("http") as bare,
    ):
        hub.fill(SKUS)
        made = Bench(hub, bare, stores)
        made.sell(_WARM_UP_SECONDS)
        made.sell(_WARM_UP_SECONDS, array=ARRAY)
        made.sell_bare(_WARM_UP_SECONDS)
        yield made


def measure(options: Options) -> list[Row]:
    """P1 with its latency, and P2."""
    bare: list[float] = []
    alone = Runs("one-line sales over 64 connections, answered 200", "≥ 0.50")
    arrays = {
        connections: Runs(f"the same in arrays of {ARRAY}, {connections} connections", goal)
        for connections, goal in ((64, "≥ 2.5"), (8, "—"))
    }
    calm: dict[int, list[float]] = {50: [], 99: []}
    hops: dict[int, list[float]] = {50: [], 99: []}
    with bench() as made:
        for _ in range(options.runs):
            bare.append(made.sell_bare(options.seconds).applied_per_second)
            alone.note(made.sell(options.seconds))
            for connections, runs in arrays.items():
                runs.note(made.sell(options.seconds, array=ARRAY, connections=connections))
            half = alone.applied[-1] / 2
            answered_ms, bare_ms = made.sell(options.seconds, rate=half).latencies_ms, made.hops_ms(half)
            for percent in (50, 99):
                calm[percent].append(percentile(answered_ms, percent))
                hops[percent].append(percentile(bare_ms, percent))
    half_load = [_half_load(percent, calm[percent], hops[percent]) for percent in (50, 99)]
    return [alone.row("P1", bare), *half_load, *(runs.row("P2", bare) for runs in arrays.values())]


def _half_load(percent: int, calm: list[float], hops: list[float]) -> Row:
    bare = f"bare hops {spread(hops, 1, ' ms')}"
    goal = "≤ 3" if percent == 99 else "—"
    return Row("P1", f"p{percent} at half load", spread(calm, 1, " ms"), bare, spread(ratios(calm, hops), 2), goal)


def _late(told: Told) -> float:
    """Per cent of the events that the ledger did not have in time (202)."""
    return 100 * told.accepted / max(1, told.applied + told.accepted)


def _reported(hub: RunningHub, load: Load, what: str) -> Told:
    before = hub.cpu_seconds()
    told = run(load)
    after = hub.cpu_seconds()
    shares = [f"{name} {(after[name] - before.get(name, 0)) / told.seconds:.2f}" for name in sorted(after)]
    _report(what, told, "; of a core: " + ", ".join(shares))
    return told


def _report(what: str, told: Told, more: str = "") -> None:
    statuses = ", ".join(f"{status.decode()}: {number}" for status, number in sorted(told.statuses.items()))
    print(
        f"{what}: {told.applied_per_second:,.0f} applied/s, late {_late(told):.1f} %, {statuses}, "
        f"p50 {percentile(told.latencies_ms, 50):.1f} p99 {percentile(told.latencies_ms, 99):.1f} ms; "
        f"generator {told.cpu_share:.2f} of a core{more}",
        file=sys.stderr,
    )


if __name__ == "__main__":
    print_rows(__doc__, measure)
