"""P12 and P13 of a change of rules: what single sales feel while every SKU is recomputed, and of a dry run before."""

import json
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from itertools import count
from pathlib import Path

from figures import Options, Row, percentile, print_rows, ratios, spread
from http_load import Load, Told, run
from hub_process import LOCATIONS, RunningHub, house_file, running_hub, sku, token_of
from redis import Redis

from hub.embedded.folder import sockets_in_use
from hub.embedded.redis_server import redis_url
from hub.stock import keys

# Where each SKU has a position.
PLACES = LOCATIONS[:4]
RATE = 100.0
_CONNECTIONS = 16
_QUIET_TIMES = 3  # as long as the other loads: the slowest hundredth wants a thousand sales
_WARM_UP_SECONDS = 2.0
_LOOK_SECONDS = 0.1
_SALES_UNDER_WAY_SECONDS = 1.0
_ANSWER_SECONDS = 3_600
_APART = 10_000_000
_SKUS_PER_READ = 1_000


@dataclass
class Phase:
    """What single sales and the kernel's calls were like in one state of the hub; one value for each run."""

    p50_ms: list[float] = field(default_factory=list)
    p99_ms: list[float] = field(default_factory=list)
    # Of the kernel's calls, in Redis: the slowest thousandth begins here, and the longest.
    call_p999_ms: list[float] = field(default_factory=list)
    call_longest_ms: list[float] = field(default_factory=list)
    # How long the reload or the dry run took until its answer, and until its last effect.
    answer_seconds: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)


@dataclass
class Bench:
    """A hub with many positions, and its private Redis."""

    hub: RunningHub
    redis: Redis
    skus: int
    seconds: float
    admin_token: str
    numbers: Iterator[int] = field(default_factory=lambda: count(0, _APART))

    def quiet(self, phase: Phase) -> None:
        """Sell while nothing else happens."""
        self._sell(phase, "quiet", lambda: False, self.seconds * _QUIET_TIMES)

    def swept(self, phase: Phase, safety: int) -> None:
        """Sell while a change of rules is taken that changes what all pools show of all SKUs."""
        before = self._entries()
        self.hub.config.write_text(house_file(f"[[rule]]\nsafety = {safety}\n"))
        started = time.perf_counter()
        with _Aside(lambda: self._reload(phase, "/v1/reload", started, before)) as reload:
            self._sell(phase, "swept", reload.is_done)

    def tried(self, phase: Phase, safety: int) -> None:
        """Sell while the hub says what such a change would change."""
        self.hub.config.write_text(house_file(f"[[rule]]\nsafety = {safety}\n"))
        started = time.perf_counter()
        with _Aside(lambda: self._reload(phase, "/v1/reload?dry_run=true", started)) as dry_run:
            self._sell(phase, "dry run", dry_run.is_done)

    def _sell(self, phase: Phase, what: str, is_over: Callable[[], bool], seconds: float = _ANSWER_SECONDS) -> None:
        self.redis.config_resetstat()
        first = next(self.numbers)
        load = Load(
            self.hub.http_port, self.hub.token, seconds, first, _CONNECTIONS, 1, RATE, self.skus, is_over=is_over
        )
        before = self.hub.cpu_seconds()
        told = run(load)
        after = self.hub.cpu_seconds()
        calls = self.redis.info("latencystats")["latency_percentiles_usec_fcall"]
        phase.p50_ms.append(percentile(told.latencies_ms, 50))
        phase.p99_ms.append(percentile(told.latencies_ms, 99))
        phase.call_p999_ms.append(float(calls["p99.9"]) / 1000)
        phase.call_longest_ms.append(float(calls["p100"]) / 1000)
        shares = {name: (after[name] - before.get(name, 0)) / told.seconds for name in sorted(after)}
        _report(what, told, phase, shares)
        self.let_ledger_catch_up()

    def _reload(self, phase: Phase, path: str, started: float, before: int | None = None) -> None:
        door = HTTPConnection("127.0.0.1", self.hub.admin_port, timeout=_ANSWER_SECONDS)
        door.request("POST", path, headers={"Authorization": f"Bearer {self.admin_token}"})
        answer = door.getresponse()
        told = json.loads(answer.read())
        door.close()
        if answer.status != 200 or not told["changed"]:
            raise SystemExit(f"The hub did not take the rules: {answer.status} {told!r:.500}")
        phase.answer_seconds.append(time.perf_counter() - started)
        if before is not None:
            self._wait_until_recomputed(before, started)
        phase.seconds.append(time.perf_counter() - started)

    def _wait_until_recomputed(self, before: int, started: float) -> None:
        """Count entries, which costs the hub nothing, until nearly all must be done; then look at those that are not.

        Each SKU has one entry that it was recomputed; the others are of sales, as many as were due.
        """
        while self._entries() - before < self.skus + RATE * (time.perf_counter() - started - _SALES_UNDER_WAY_SECONDS):
            time.sleep(_LOOK_SECONDS)
        left = [sku(number) for number in range(self.skus)]
        while left := self._stale(left):
            time.sleep(_LOOK_SECONDS)

    def _entries(self) -> int:
        """How many entries the journal ever had: while rules are swept one for each SKU, and one for each sale."""
        return int(self.redis.hget(keys.META, "next") or 0)  # type: ignore[arg-type]

    def _stale(self, skus: list[str]) -> list[str]:
        rules, found = self.redis.hget(keys.META, "rules"), []
        for first in range(0, len(skus), _SKUS_PER_READ):
            some = skus[first : first + _SKUS_PER_READ]
            with self.redis.pipeline(transaction=False) as pipeline:
                for name in some:
                    pipeline.hget(keys.sku(name), keys.RULES_FIELD.decode())
                found += [name for name, of in zip(some, pipeline.execute(), strict=True) if of != rules]
        return found

    def let_ledger_catch_up(self) -> None:
        """Wait until the ledger has everything."""
        wait_for_ledger(self.hub.admin_port)


class _Aside:
    """Something that is done in a thread while the block goes on; what it raises is raised at the block's end."""

    def __init__(self, job: Callable[[], None]) -> None:
        self._job = job
        self._fault: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> "_Aside":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.join()
        if self._fault is not None:
            raise self._fault

    def is_done(self) -> bool:
        """Whether it has ended, in whatever way."""
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            self._job()
        except BaseException as fault:
            self._fault = fault


@contextmanager
def bench(options: Options) -> Iterator[Bench]:
    """A filled hub, warm."""
    skus = max(1, options.positions // len(PLACES))
    with tempfile.TemporaryDirectory(prefix="load-") as folder, running_hub(Path(folder) / "hub") as hub:
        sockets = sockets_in_use(hub.config.parent / "data")
        assert sockets is not None
        with Redis.from_url(redis_url(sockets)) as redis:
            redis.config_set("latency-tracking-info-percentiles", "99.9 100")
            started = time.perf_counter()
            hub.fill(skus, PLACES)
            print(f"filled in {time.perf_counter() - started:.0f} s", file=sys.stderr)
            made = Bench(hub, redis, skus, options.seconds, token_of(hub.config, "admin"))
            made.let_ledger_catch_up()
            run(Load(hub.http_port, hub.token, _WARM_UP_SECONDS, next(made.numbers), _CONNECTIONS, 1, RATE, skus))
            yield made


def measure(options: Options) -> list[Row]:
    """P13 of a sweep and of a dry run, P12 of a sweep, and how long both take."""
    quiet, swept, tried = Phase(), Phase(), Phase()
    with bench(options) as made:
        for number in range(options.runs):
            made.quiet(quiet)
            made.tried(tried, number + 1)
            made.swept(swept, number + 1)
    size = f"{options.positions:,} positions of {made.skus:,} SKUs"
    each = [made.skus / seconds for seconds in swept.seconds]
    done = f"{spread(swept.seconds, 1, ' s')}, {spread(each, unit=' SKUs/s')}"
    return [
        *_felt("a change of rules is swept", swept, quiet),
        *_felt("a dry run is made", tried, quiet),
        _call(
            "the kernel's longest call in the sweep, in Redis", swept.call_longest_ms, quiet.call_longest_ms, "≤ 10 ms"
        ),
        _call("99.9 % of its calls in the sweep, in Redis", swept.call_p999_ms, quiet.call_p999_ms, "≤ 5 ms"),
        Row("—", f"until all is recomputed, {size}", done, "—", "—", "—"),
        Row("—", f"dry run, {size}", spread(tried.seconds, 1, " s"), "—", "—", "—"),
    ]


def _felt(what: str, phase: Phase, quiet: Phase) -> list[Row]:
    """How single sales fared, against the same while nothing else happens."""
    rows = []
    for percent, mine, floor in ((50, phase.p50_ms, quiet.p50_ms), (99, phase.p99_ms, quiet.p99_ms)):
        beside = f"quiet {spread(floor, 1, ' ms')}"
        goal = "≤ 2" if percent == 99 else "—"
        name = f"p{percent} of single sales, {RATE:.0f}/s, while {what}"
        rows.append(Row("P13", name, spread(mine, 1, " ms"), beside, spread(ratios(mine, floor), 2), goal))
    return rows


def _call(what: str, mine: list[float], quiet: list[float], goal: str) -> Row:
    return Row("P12", what, spread(mine, 1, " ms"), f"quiet {spread(quiet, 1, ' ms')}", "—", goal)


def wait_for_ledger(admin_port: int) -> None:
    """Wait until the ledger has everything that was booked."""
    started = time.perf_counter()
    while (lag := metric(admin_port, "hub_ledger_lag_entries")) > 0:
        if time.perf_counter() - started > _ANSWER_SECONDS:
            raise SystemExit(f"The ledger does not catch up: it lacks {lag:.0f} entries.")
        time.sleep(_LOOK_SECONDS)
    if (waited := time.perf_counter() - started) > 1:
        print(f"the ledger had everything {waited:.1f} s later", file=sys.stderr)


def metric(admin_port: int, name: str) -> float:
    """What a hub's metric says now."""
    door = HTTPConnection("127.0.0.1", admin_port, timeout=_ANSWER_SECONDS)
    door.request("GET", "/metrics")
    told = door.getresponse().read().decode()
    door.close()
    return next(float(line.split()[1]) for line in told.splitlines() if line.startswith(f"{name} "))


def _report(what: str, told: Told, phase: Phase, shares: dict[str, float]) -> None:
    late = 100 * told.accepted / max(1, told.applied + told.accepted)
    print(
        f"{what}: {told.seconds:.1f} s, {told.requests} sales, late {late:.1f} %, p50 {phase.p50_ms[-1]:.1f} "
        f"p99 {phase.p99_ms[-1]:.1f} p100 {max(told.latencies_ms):.1f} ms; calls p99.9 {phase.call_p999_ms[-1]:.1f} "
        f"p100 {phase.call_longest_ms[-1]:.1f} ms; of a core: "
        + ", ".join(f"{name} {share:.2f}" for name, share in shares.items()),
        file=sys.stderr,
    )


if __name__ == "__main__":
    print_rows(__doc__, measure)
