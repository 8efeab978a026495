"""Reservations made and released against sales in the same run, and P13 of reservations: many that are over at once."""

import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.client import HTTPConnection
from itertools import count, islice
from pathlib import Path

from figures import Options, Row, percentile, print_rows, ratios, spread
from http_load import Load, Told, run, wait_for_ledger
from hub_process import POOLS, RunningHub, running_hub, sku, token_of

SKUS = 1_000
# Single sales a second while holds are over, and how long each stretch of them is.
RATE = 50.0
_CONNECTIONS = 16
_STRETCH_SECONDS = 4.0
_QUIET_STRETCHES = 5
# So many are reserved before the first of them is released: its answer is there by then.
_BLOCK = 512
# Ids have nine digits: room for a thousand loads.
_APART = 1_000_000
_WARM_UP_SECONDS = 1.0
# Holds are made faster than this, on anything that measures; they must be there before they are over.
_MADE_PER_SECOND = 300
_AHEAD_SECONDS = 10
_GIVE_UP_SECONDS = 1_800
_EXPIRED = "hub_reservations_expired_total"
# What the last block of a load did not come to release outlives the measurement.
_LONG_SECONDS = 3_600


@dataclass
class Bench:
    """A hub with stock, and who reserves there."""

    hub: RunningHub
    clerk: str
    numbers: Iterator[int] = field(default_factory=lambda: count(0, _APART))

    def sell(self, seconds: float, rate: float | None = None, connections: int = 64) -> Told:
        """Sell, once the ledger has all of the load before."""
        port, token = self.hub.http_port, self.hub.token
        return run(Load(port, token, seconds, next(self.numbers), connections, 1, rate, SKUS))

    def hold(self, seconds: float) -> Told:
        """Reserve and release, turn about."""
        wait_for_ledger(self.hub.http_port, self.hub.token, self.numbers)
        return run(Load(self.hub.http_port, self.clerk, seconds, next(self.numbers), 64, make=_pairs))

    def make(self, holds: int, over_at: float) -> None:
        """Make holds that are over within the second after `over_at`, a time of day in seconds."""
        first, sent = next(self.numbers), [0]

        def make(load: Load) -> Iterator[bytes]:
            for number in count(first):
                sent[0] += 1
                yield _reserve(load.token, number, max(1, int(over_at - time.time()) + 1))

        load = Load(self.hub.http_port, self.clerk, _GIVE_UP_SECONDS, first, 64, make=make)
        load.is_over = lambda: sent[0] >= holds
        told = run(load)
        print(f"{holds:,} holds made in {told.seconds:.0f} s: {dict(told.statuses)}", file=sys.stderr)
        if set(told.statuses) != {b"201"} or time.time() > over_at:
            raise SystemExit("The holds are not all there before they are over.")

    def metric(self, name: str) -> float:
        """What the hub says of itself."""
        door = HTTPConnection("127.0.0.1", self.hub.admin_port, timeout=30)
        door.request("GET", "/metrics")
        lines = door.getresponse().read().decode().splitlines()
        door.close()
        return next(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(name + " "))


def measure(options: Options) -> list[Row]:
    """Two rows."""
    sold: list[float] = []
    held: list[float] = []
    quiet: list[float] = []
    meanwhile: list[float] = []
    pace: list[float] = []
    with tempfile.TemporaryDirectory(prefix="load-") as folder, running_hub(Path(folder) / "hub") as hub:
        hub.fill(SKUS)
        bench = Bench(hub, token_of(hub.config, "reservations:write", "reservations:any"))
        bench.sell(_WARM_UP_SECONDS)
        bench.hold(_WARM_UP_SECONDS)
        for _ in range(options.runs):
            wait_for_ledger(hub.http_port, hub.token, bench.numbers)
            sold.append(_done_per_second(bench.sell(options.seconds), "sales"))
            held.append(_done_per_second(bench.hold(options.seconds), "reserve and release"))
        for _ in range(options.runs):
            wait_for_ledger(hub.http_port, hub.token, bench.numbers)
            quiet.append(_p99(bench, _QUIET_STRETCHES))
            p99, per_second = _storm(bench, options.holds)
            meanwhile.append(p99)
            pace.append(per_second)
    floor = f"one-line sales {spread(sold, unit='/s')}"
    what = f"p99 of single sales while {options.holds:,} holds are over ({spread(pace, unit='/s')} given back)"
    calm = f"quiet {spread(quiet, 1, ' ms')}"
    return [
        Row(
            "—",
            "reserve and release, turn about",
            spread(held, unit="/s"),
            floor,
            spread(ratios(held, sold), 2),
            "≥ 0.8",
        ),
        Row("P13", what, spread(meanwhile, 1, " ms"), calm, spread(ratios(meanwhile, quiet), 2), "≤ 2"),
    ]


def _done_per_second(told: Told, what: str) -> float:
    done = sum(number for status, number in told.statuses.items() if status.startswith(b"2"))
    print(f"{what}: {dict(told.statuses)}, p99 {percentile(told.latencies_ms, 99):.1f} ms", file=sys.stderr)
    if done < 0.99 * told.requests:
        raise SystemExit(f"Not all was done: {dict(told.statuses)}")
    return done / told.seconds


def _p99(bench: Bench, stretches: int) -> float:
    told = [bench.sell(_STRETCH_SECONDS, RATE, _CONNECTIONS) for _ in range(stretches)]
    return percentile([ms for each in told for ms in each.latencies_ms], 99)


def _storm(bench: Bench, holds: int) -> tuple[float, float]:
    """The p99 of sales from the moment when all holds are over until the last is given back, and holds a second."""
    before = bench.metric(_EXPIRED)
    over_at = time.time() + holds / _MADE_PER_SECOND + _AHEAD_SECONDS
    bench.make(holds, over_at)
    time.sleep(max(0.0, over_at - time.time()))
    started, latencies = time.perf_counter(), list[float]()
    while bench.metric(_EXPIRED) < before + holds:
        latencies += bench.sell(_STRETCH_SECONDS, RATE, _CONNECTIONS).latencies_ms
        if time.perf_counter() - started > _GIVE_UP_SECONDS:
            raise SystemExit("The holds are not given back; the measurement ends.")
    return percentile(latencies, 99), holds / (time.perf_counter() - started)


def _pairs(load: Load) -> Iterator[bytes]:
    numbers = count(load.first)
    while True:
        block = list(islice(numbers, _BLOCK))
        yield from (_reserve(load.token, number, _LONG_SECONDS) for number in block)
        yield from (_post(load.token, f"/v1/reservations/hold-{number:010d}/release", b"") for number in block)


def _reserve(token: str, number: int, ttl_seconds: int) -> bytes:
    body = (
        f'{{"id":"hold-{number:010d}","pool":"{POOLS[1]}","ttl_seconds":{ttl_seconds},'
        f'"lines":[{{"sku":"{sku(number % SKUS)}","quantity":1}}]}}'
    )
    return _post(token, "/v1/reservations", body.encode())


def _post(token: str, path: str, body: bytes) -> bytes:
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        f"Authorization: Bearer {token}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


if __name__ == "__main__":
    print_rows(__doc__, measure)
