"""P12, what stands behind it: microseconds in Redis of each kind of command, by lines and pools, beside its weight.

The weights of `hub/stock/weighing.py` were taken from this table.
"""

import random
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from statistics import median
from typing import Any
from uuid import uuid4

from bare_stores import bare_stores
from figures import options, spread
from hub_process import LINES, LOCATIONS, PLENTY, POOLS, house, sku
from redis.asyncio import Redis

from hub.domain.command import Closing, Counting, Detail, Fact, Line, Transfer
from hub.domain.rules import House
from hub.settings import load
from hub.stock.kernel import Kernel
from hub.stock.message import Command, Refresh
from hub.stock.outcome import Applied
from hub.stock.weighing import weight

SKUS = 2_000
PLACES = LOCATIONS[:4]
HEAD = "| command | pools | µs in Redis | weight | µs per weight |\n|---|---|---|---|---|"
_CALLS = 25
_SEED = 1


class Bench:
    """One partition with stock, and what its calls take."""

    def __init__(self, client: Redis, folder: Path, pools: int) -> None:
        self._client = client
        self._kernel = Kernel(client)
        self._config = folder / "hub.toml"
        self._pools = (*POOLS, *(f"pool-{number:02}" for number in range(len(POOLS), pools)))[:pools]
        self._numbers = count()
        self._chance = random.Random(_SEED)
        self._house = self._house_of("")
        self.taken: dict[str, list[float]] = {}
        self.weights: dict[str, int] = {}
        # What a call without commands takes.
        self._floor_us = 0.0

    def _house_of(self, rules: str) -> House:
        self._config.write_text(house(LOCATIONS, self._pools) + "\n" + rules)
        return House(load(self._config, {}).house, datetime.now(UTC))

    async def fill(self) -> None:
        """Put stock of each SKU into four locations."""
        await self._client.flushall()
        await self._kernel.open(uuid4(), 1, self._house, create=True)
        for location in PLACES:
            for first in range(0, SKUS, LINES):
                lines = [Line(sku(i), location, PLENTY) for i in range(first, first + LINES)]
                await self._kernel.call([self._fact("receipt", lines)], self._house)

    async def measure(self) -> None:
        """Each kind in turn, so that a busy moment of the machine is no kind's own."""
        self._floor_us = median([await self._timed([]) for _ in range(_CALLS)])
        for _ in range(_CALLS):
            await self._note("25 sales of one line", lambda: [self._sale(1) for _ in range(25)])
            await self._note("sale, 10 lines", lambda: [self._sale(10)])
            await self._note("sale, 50 lines", lambda: [self._sale(50)])
            await self._note("return to a status, 50 lines", lambda: [self._of(50, "return", "inspection")])
            await self._note("move, 50 lines", lambda: [self._of(50, "moved", to="damaged")])
            await self._note("receipt of 50 pieces with serials", lambda: [self._pieces()])
            await self._note("dispatch, 50 lines", lambda: [self._dispatch()])
            await self._count()
        for safety in range(1, _CALLS + 1):
            await self._refresh(safety)

    def rows(self) -> list[str]:
        """One for each kind."""
        rows = []
        for kind, taken in self.taken.items():
            each = [us / self.weights[kind] for us in taken]
            rows.append(
                f"| {kind} | {len(self._pools)} | {spread(taken)} | {self.weights[kind]} | {median(each):.1f} |"
            )
        return [f"| no command | {len(self._pools)} | {self._floor_us:.0f} | 0 | — |", *rows]

    async def _note(self, kind: str, made: Callable[[], Sequence[Command]]) -> list[Any]:
        commands = made()
        self.weights[kind] = sum(weight(command, self._house) for command in commands)
        told: list[Any] = []
        self.taken.setdefault(kind, []).append(await self._timed(commands, told) - self._floor_us)
        return told

    async def _timed(self, commands: Sequence[Command], told: list[Any] | None = None) -> float:
        await self._client.config_resetstat()
        outcomes = await self._kernel.call(commands, self._house)
        stats = await self._client.info("commandstats")
        if not all(isinstance(outcome, Applied) for outcome in outcomes):
            raise SystemExit(f"A command was not booked: {outcomes[0]}")
        if told is not None:
            told += outcomes
        return float(stats["cmdstat_fcall"]["usec"])

    async def _count(self) -> None:
        lines = self._lines(50, quantity=self._chance.randrange(1, PLENTY))
        counting = Counting(int(time.time() * 1000), "system")
        [opened] = await self._note("count, 50 lines", lambda: [self._fact("count", lines, counting)])
        closing = Closing(opened.seq.stream_id, (0,) * 50)
        await self._note("close of a count, 50 lines", lambda: [self._fact("close", lines, closing)])

    async def _refresh(self, safety: int) -> None:
        self._house = self._house_of(f"[[rule]]\nsafety = {safety}\n")
        await self._kernel.adopt(self._house, "")
        first = safety * 20 % SKUS
        await self._note("20 refreshes", lambda: [Refresh(sku(i)) for i in range(first, first + 20)])

    def _lines(self, lines: int, bucket: str = "free", *, to: str = "", quantity: int = 1) -> list[Line]:
        numbers = self._chance.sample(range(SKUS), lines)
        return [Line(sku(number), LOCATIONS[0], quantity, bucket, to) for number in numbers]

    def _sale(self, lines: int) -> Fact:
        return self._of(lines, "sale")

    def _of(self, lines: int, verb: str, bucket: str = "free", *, to: str = "") -> Fact:
        return self._fact(verb, self._lines(lines, bucket, to=to))

    def _pieces(self) -> Fact:
        serials = tuple(f"piece-{next(self._numbers)}" for _ in range(50))
        return self._fact("receipt", [Line(sku(0), LOCATIONS[0], len(serials), serials=serials)])

    def _dispatch(self) -> Fact:
        transfer = Transfer(f"transfer-{next(self._numbers)}", LOCATIONS[1], 0, own_lines=50)
        return self._fact("dispatch", self._lines(50), transfer)

    def _fact(self, verb: Any, lines: Sequence[Line], detail: Detail | None = None) -> Fact:
        now_ms, number = int(time.time() * 1000), next(self._numbers)
        # As long as what a till sends.
        payload = f'{{"id":"till-7-{number:09d}","type":"{verb}"}}' + " " * (60 + 40 * len(lines))
        return Fact(
            verb,
            verb,
            "till-7",
            f"{number:09d}",
            "0123456789abcdef",
            now_ms,
            now_ms,
            False,
            payload,
            pool=POOLS[1] if verb == "sale" else "",
            lines=tuple(lines),
            detail=detail,
        )


async def _measured(url: str, folder: Path, pools: int) -> list[str]:
    async with Redis.from_url(url) as client:
        bench = Bench(client, folder, pools)
        await bench.fill()
        await bench.measure()
        return bench.rows()


def main() -> None:
    """Measure, and print a table."""
    options(__doc__)
    print(HEAD)
    with tempfile.TemporaryDirectory(prefix="load-") as folder, bare_stores(Path(folder) / "stores") as stores:
        for pools in (4, 50):
            for row in stores.run(_measured(stores.redis_url, Path(folder), pools)):
                print(row, flush=True)


if __name__ == "__main__":
    main()
