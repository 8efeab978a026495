"""An hour without Postgres: what the journal takes of Redis meanwhile, and how the ledger catches up afterwards.

As many sales as 500 a second are in an hour, as fast as they go, in arrays; then Postgres comes back, while single
sales go on. At the end every number is in the ledger once, in order, and `hub verify` finds nothing.

uv run python tests/load/outage.py --sales 20000
"""

import argparse
import asyncio
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count, islice
from pathlib import Path
from typing import Any

import asyncpg
from figures import percentile
from http_load import Connection, Load, Ready, Told, requests, run
from hub_process import RunningHub, running_hub
from redis import Redis

from hub.embedded.servers import EmbeddedServers, start
from hub.settings.tree import LimitsSettings
from hub.stock import keys

SALES_AN_HOUR = 500 * 3_600
PER_REQUEST = 250
CONNECTIONS = 16
LIVE_RATE = 50.0
QUIET_SECONDS = 15.0
# Arrays that are sent a second time during the outage.
AGAIN = 10
_LOOK_SECONDS = 0.2
_FOREVER_SECONDS = 1e6
# No event of one load has the number of another's.
_APART = 10_000_000
_ROWS = """SELECT (SELECT count(*) FROM hub.event) + (SELECT count(*) FROM hub.movement)
    + (SELECT count(*) FROM hub.shown)"""
_ORDER = """SELECT count(*) AS entries, max(seq) + 1 AS numbers, count(*) FILTER (WHERE kind = 'doubled') AS doubled,
    count(*) FILTER (WHERE kind = 'fact' AND id LIKE 'till-7-%') AS sales,
    count(DISTINCT id) FILTER (WHERE kind = 'fact' AND id LIKE 'till-7-%') AS ids FROM hub.event"""


@dataclass
class Size:
    """What Redis takes at one moment, in bytes."""

    journal: int
    memory: int
    disk: int


@dataclass
class Outage:
    """The servers, the hub, and what was seen."""

    hub: RunningHub
    runner: asyncio.Runner
    folder: Path
    redis: Redis
    postgres: EmbeddedServers
    numbers: Iterator[int] = field(default_factory=lambda: count(0, _APART))
    # The first arrays that were sold.
    kept: list[bytes] = field(default_factory=list)

    def size(self) -> Size:
        """Look at Redis, its folder with the append-only file included."""
        journal = self.redis.memory_usage(keys.JOURNAL, samples=0) or 0
        disk = sum(path.stat().st_size for path in (self.folder / "redis").rglob("*") if path.is_file())
        return Size(int(journal), int(self.redis.info("memory")["used_memory"]), disk)

    def sell(self, is_over: Callable[[], bool]) -> Told:
        """Single sales at a fixed rate."""
        return self._run(1, LIVE_RATE, is_over)

    def sell_arrays(self, arrays: int) -> Told:
        """So many arrays, as fast as they go; the first of them are kept."""
        asked = count()

        def make(load: Load) -> Iterator[bytes]:
            made = requests(load)
            self.kept = list(islice(made, AGAIN))
            yield from self.kept
            yield from made

        return self._run(PER_REQUEST, None, lambda: next(asked) >= arrays, make)

    def _run(
        self,
        each: int,
        rate: float | None,
        is_over: Callable[[], bool],
        make: Callable[[Load], Iterator[bytes]] = requests,
    ) -> Told:
        first, seconds = next(self.numbers), _FOREVER_SECONDS
        return run(
            Load(
                self.hub.http_port, self.hub.token, seconds, first, CONNECTIONS, each, rate, is_over=is_over, make=make
            )
        )

    def sell_again(self) -> int:
        """Send what was kept once more; answers how many of the events are told to be duplicates."""
        told = 0
        door, ready = Connection(self.hub.http_port), Ready()
        ready.add(door.fileno())
        for request in self.kept:
            door.send(request, 0)
            answer = None
            while answer is None:
                ready.wait(1)
                answer = door.receive()
            told += answer[1].count(b'"duplicate"')
        door.close()
        ready.close()
        return told

    def open_ledger(self) -> None:
        """Start Postgres on what its folder holds."""
        self.postgres = self.runner.run(start(self.folder / "postgres", redis=False, postgres=True))

    def ask(self, statement: str) -> asyncpg.Record:
        """One row of the ledger."""

        async def asked() -> Any:
            connection = await asyncpg.connect(self.postgres.postgres_dsn)
            try:
                return await connection.fetchrow(statement, timeout=600)
            finally:
                await connection.close()

        return self.runner.run(asked())

    def is_caught_up(self) -> bool:
        """Whether the ledger has every entry of the journal at the moment of asking."""
        end = int(self.redis.hget(keys.META, "next") or 0)
        return (self.ask("SELECT cursor_seq + 1 FROM hub.hub_state")[0] or 0) >= end

    def wait_until_caught_up(self) -> float:
        """Wait for it; answers the seconds."""
        began = time.perf_counter()
        while not self.is_caught_up():
            time.sleep(_LOOK_SECONDS)
        return time.perf_counter() - began


@contextmanager
def outage() -> Iterator[Outage]:
    """A hub with stock between a Redis and a Postgres of its own."""
    with tempfile.TemporaryDirectory(prefix="load-") as name, asyncio.Runner() as runner:
        folder = Path(name)
        store = runner.run(start(folder / "redis", redis=True, postgres=False))
        ledger = runner.run(start(folder / "postgres", redis=False, postgres=True))
        assert store.redis_url is not None
        assert ledger.postgres_dsn is not None
        made: list[Outage] = []
        environ = {"HUB_REDIS_URL": store.redis_url, "HUB_LEDGER_DSN": ledger.postgres_dsn}
        try:
            with running_hub(folder / "hub", environ) as hub, Redis.from_url(store.redis_url) as redis:
                hub.fill(1_000)
                made.append(Outage(hub, runner, folder, redis, ledger))
                yield made[0]
        finally:
            runner.run((made[0].postgres if made else ledger).stop())
            runner.run(store.stop())


def in_seconds(seconds: float) -> Callable[[], bool]:
    """Whether so much time is over."""
    end = time.perf_counter() + seconds
    return lambda: time.perf_counter() >= end


def told_of(what: str, told: Told) -> str:
    """How single sales were answered."""
    p50, p99 = (percentile(told.latencies_ms, percent) for percent in (50, 99))
    late = 100 * told.accepted / max(1, told.applied + told.accepted)
    many = f"{told.requests:,} at {LIVE_RATE:.0f}/s, {late:.0f} % answered 202"
    return f"{what}: p50 {p50:.1f} ms, p99 {p99:.1f} ms of {many}"


def measure(sales: int) -> None:
    """Everything, printed as soon as it is known.

    Raises:
        SystemExit: a sale was not taken, is not in the ledger or is there twice, or a finding of `hub verify`.
    """
    arrays = sales // PER_REQUEST
    sales = arrays * PER_REQUEST
    with outage() as made:
        say(told_of("quiet", made.sell(in_seconds(QUIET_SECONDS))))
        made.wait_until_caught_up()
        before = made.size()
        made.runner.run(made.postgres.stop())
        told = made.sell_arrays(arrays)
        say(f"sold {told.accepted:,} without Postgres in {told.seconds:.0f} s, {told.accepted / told.seconds:,.0f}/s")
        if told.accepted != sales:
            raise SystemExit(f"Of {sales:,} sales only {told.accepted:,} were accepted: {told.statuses}")
        say_size(before, made.size(), sales)
        again = made.sell_again()
        _catch_up(made, sales)
        _check(made, again)


def say_size(before: Size, after: Size, sales: int) -> None:
    """What a sale adds, and what an hour of them does."""
    each = [(after.journal - before.journal), (after.memory - before.memory), (after.disk - before.disk)]
    journal, memory, disk = (grown / sales for grown in each)
    limit = LimitsSettings().journal_bytes_max
    say(f"bytes per sale: {journal:.0f} of the journal, {memory:.0f} of Redis's memory, {disk:.0f} of its disk by now")
    hour = [each * SALES_AN_HOUR / 2**20 for each in (journal, memory)]
    say(f"an hour of 500 sales/s: journal {hour[0]:,.0f} MiB, Redis's memory {hour[1]:,.0f} MiB more")
    say(f"journal_bytes_max is {limit / 2**20:,.0f} MiB: {limit / journal / 500 / 60:.0f} minutes of them")


def _catch_up(made: Outage, sales: int) -> None:
    cpu = made.hub.cpu_seconds()
    made.open_ledger()
    rows = made.ask(_ROWS)[0]
    is_over = threading.Event()
    live: list[Told] = []
    seller = threading.Thread(target=lambda: live.append(made.sell(is_over.is_set)))
    seller.start()
    seconds = made.wait_until_caught_up()
    rows = made.ask(_ROWS)[0] - rows
    is_over.set()
    seller.join()
    spent = made.hub.cpu_seconds()["itself"] - cpu["itself"]
    say(
        f"caught up with {sales:,} sales in {seconds:.1f} s: {sales / seconds:,.0f} sales/s, "
        f"{rows / seconds:,.0f} rows/s; the hub took {spent / seconds:.2f} of a core"
    )
    say(told_of("while catching up", live[0]))


def _check(made: Outage, again: int) -> None:
    made.wait_until_caught_up()
    found = made.ask(_ORDER)
    say(
        f"ledger: {found['entries']:,} entries, {found['numbers']:,} numbers, {found['sales']:,} sales, "
        f"{found['ids']:,} ids, {found['doubled']} doubled"
    )
    say(f"of {AGAIN * PER_REQUEST:,} sent again {again:,} were duplicates")
    began = time.perf_counter()
    environ = {"HUB_REDIS_URL": _url(made.redis), "HUB_LEDGER_DSN": made.postgres.postgres_dsn or ""}
    command = [sys.executable, "-m", "hub", "verify", "--config", str(made.hub.config)]
    verified = subprocess.run(command, env={**os.environ, **environ}, capture_output=True, text=True, check=False)
    say(f"hub verify in {time.perf_counter() - began:.0f} s: {verified.stdout.strip()}")
    once = found["entries"] == found["numbers"] and found["sales"] == found["ids"] and not found["doubled"]
    if verified.returncode or not once or again != AGAIN * PER_REQUEST:
        raise SystemExit("Something is lost, doubled or wrong.")


def _url(redis: Redis) -> str:
    return f"unix://{redis.connection_pool.connection_kwargs['path']}"


def say(sentence: str) -> None:
    """Print it at once."""
    print(sentence, flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sales", type=int, default=SALES_AN_HOUR, help="while Postgres is away")
    # Ends what was started, as ^C does.
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    signal.signal(signal.SIGINT, signal.default_int_handler)
    say(f"load average before: {os.getloadavg()[0]:.1f}")
    measure(max(AGAIN * PER_REQUEST, parser.parse_args().sales))
    say(f"load average after: {os.getloadavg()[0]:.1f}")
