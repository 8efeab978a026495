"""P7: what one sale costs as the world grows, through HTTP: more SKUs, more locations, more pools.

A small and a large world stand side by side and are measured in turn; the ratio is of costs, so 1 is flat.
"""

import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from figures import Options, Row, percentile, print_rows, ratios, spread
from http_load import Load, run, wait_for_ledger
from hub_process import LOCATIONS, POOLS, RunningHub, house, running_hub

_CONNECTIONS = 64
_WARM_UP_SECONDS = 1.0
# Event numbers that no load of a run reaches beyond.
_APART = 10_000_000
# With each SKU at each location, these make the 100,000 positions of the large world.
_SKUS_EVERYWHERE = 100
_SKUS = 1_000


@dataclass(frozen=True)
class World:
    """How large a house and its stock are."""

    what: str
    skus: int = _SKUS
    locations: int = len(LOCATIONS)
    pools: int = len(POOLS)
    # Whether each SKU lies at each location, or only at the first.
    everywhere: bool = False

    def location_names(self) -> tuple[str, ...]:
        """The locations, the first ones being those that sell."""
        return (*LOCATIONS, *(f"LOC-{number:04}" for number in range(len(LOCATIONS), self.locations)))[: self.locations]

    def pool_names(self) -> tuple[str, ...]:
        """The pools, the one that sells among the first."""
        return (*POOLS, *(f"pool-{number:02}" for number in range(len(POOLS), self.pools)))[: self.pools]


@dataclass
class Measured:
    """A hub that lives in a world, and what was measured of it in each run."""

    world: World
    hub: RunningHub
    numbers: Iterator[int] = field(default_factory=lambda: count(0, _APART))
    sales_per_second: list[float] = field(default_factory=list)
    # Of one sale at a time.
    p50_ms: list[float] = field(default_factory=list)

    def fill(self) -> None:
        """Put stock where it belongs, and warm up."""
        names = self.world.location_names()
        self.hub.fill(self.world.skus, names if self.world.everywhere else names[:1])
        self._sell(_WARM_UP_SECONDS, _CONNECTIONS)

    def measure(self, seconds: float) -> None:
        """One run: as many as it takes, then one at a time."""
        wait_for_ledger(self.hub.http_port, self.hub.token, self.numbers)
        rate, _ = self._sell(seconds, _CONNECTIONS)
        wait_for_ledger(self.hub.http_port, self.hub.token, self.numbers)
        _, p50_ms = self._sell(seconds / 2, 1)
        self.sales_per_second.append(rate)
        self.p50_ms.append(p50_ms)
        print(f"{self.world.what}: {rate:,.0f} sales/s, alone p50 {p50_ms:.1f} ms", file=sys.stderr)

    def _sell(self, seconds: float, connections: int) -> tuple[float, float]:
        load = Load(self.hub.http_port, self.hub.token, seconds, next(self.numbers), connections, skus=self.world.skus)
        told = run(load)
        booked = told.applied + told.accepted
        if booked != told.requests:
            raise SystemExit(f"Not every sale was booked: {told.statuses}")
        return booked / told.seconds, percentile(told.latencies_ms, 50)


def measure(options: Options) -> Iterator[Row]:
    """Two rows for each way to grow."""
    most = 1_000_000 if options.full else 200_000
    yield from _grow(World("1,000 SKUs"), World(f"{most:,} SKUs", skus=most), "≤ 1.3", options)
    few = World("10 locations", skus=_SKUS_EVERYWHERE, locations=10, everywhere=True)
    many = World("1,000 locations", skus=_SKUS_EVERYWHERE, locations=1_000, everywhere=True)
    yield from _grow(few, many, "≤ 1.3", options)
    yield from _grow(World("3 pools", pools=3), World("50 pools", pools=50), "≤ 2", options)


def _grow(small: World, large: World, goal: str, options: Options) -> Iterator[Row]:
    with tempfile.TemporaryDirectory(prefix="load-") as folder, ExitStack() as exits:
        pair = [
            Measured(world, exits.enter_context(running_hub(Path(folder) / name, rules=_house(world))))
            for name, world in (("small", small), ("large", large))
        ]
        for measured in pair:
            measured.fill()
        for _ in range(options.runs):
            for measured in pair:
                measured.measure(options.seconds)
    one, other = pair
    yield Row(
        "P7",
        f"one-line sales over {_CONNECTIONS} connections, {large.what}",
        spread(other.sales_per_second, unit="/s"),
        f"{small.what} {spread(one.sales_per_second, unit='/s')}",
        # A cost is the inverse of a rate.
        spread(ratios(one.sales_per_second, other.sales_per_second), 2),
        goal,
    )
    yield Row(
        "P7",
        f"p50 of one sale at a time, {large.what}",
        spread(other.p50_ms, 1, " ms"),
        f"{small.what} {spread(one.p50_ms, 1, ' ms')}",
        spread(ratios(other.p50_ms, one.p50_ms), 2),
        goal,
    )


def _house(world: World) -> str:
    return house(world.location_names(), world.pool_names())


if __name__ == "__main__":
    print_rows(__doc__, measure)
