"""A first load and the same again, with sales beside them: how fast, and what the sales feel of it.

uv run python tests/load/importing.py --lines 200000
"""

import argparse
import json
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from http.client import HTTPConnection
from itertools import count
from pathlib import Path
from typing import Any

from figures import percentile
from http_load import Load, run
from hub_process import LOCATIONS, RunningHub, running_hub

SKUS = 1_000
# Single sales a second, and how long each stretch of them is.
RATE = 50.0
_STRETCH_SECONDS = 2.0
_QUIET_STRETCHES = 5
_CONNECTIONS = 8
_APART = 1_000_000
_CALLS = "hub_kernel_call_seconds"
HEAD = (
    "| what | lines | time | lines/s | sales p50 | p99 | kernel busy | longest call |\n"
    "|---|---|---|---|---|---|---|---|"
)


@dataclass(frozen=True)
class Calls:
    """What the hub's metrics say of the kernel's calls so far."""

    seconds: float
    # Upper bound of a bucket, in seconds → calls in it or below.
    buckets: dict[float, float]

    def longest_ms(self, before: "Calls") -> str:
        """The bucket of the longest call since `before`."""
        counts = {bound: calls - before.buckets[bound] for bound, calls in sorted(self.buckets.items())}
        bound = next(bound for bound, calls in counts.items() if calls == max(counts.values()))
        return f"≤ {bound * 1000:g} ms"


class Bench:
    """One hub, and what is measured of it."""

    def __init__(self, hub: RunningHub) -> None:
        self._hub = hub
        self._numbers: Iterator[int] = count(0, _APART)

    def sell(self) -> list[float]:
        """A stretch of single sales; how long each took, in ms."""
        load = Load(
            self._hub.http_port, self._hub.token, _STRETCH_SECONDS, next(self._numbers), _CONNECTIONS, 1, RATE, SKUS
        )
        return run(load).latencies_ms

    def quiet(self) -> str:
        """Sales alone."""
        before, started = self._calls(), time.perf_counter()
        latencies = [ms for _ in range(_QUIET_STRETCHES) for ms in self.sell()]
        return _row("sales alone", 0, time.perf_counter() - started, latencies, before, self._calls())

    def import_file(self, what: str, file: Path, expected: dict[str, int]) -> str:
        """Send the file, sell until it is booked, and check what is said of it."""
        before, started = self._calls(), time.perf_counter()
        told = self._ask("POST", "/v1/imports", file.read_bytes())
        print(f"{what}: read after {time.perf_counter() - started:.1f} s", file=sys.stderr)
        latencies: list[float] = []
        state: dict[str, Any] = {"state": "running"}
        while state["state"] == "running":
            latencies += self.sell()
            state = self._ask("GET", told["progress"])
            print(f"{what}: {state['done']:,} of {state['lines']:,}", file=sys.stderr)
        if state["state"] != "done" or any(state[name] != number for name, number in expected.items()):
            raise SystemExit(f"The import is not as expected: {state}")
        return _row(what, state["lines"], time.perf_counter() - started, latencies, before, self._calls())

    def _ask(self, method: str, path: str, body: bytes | None = None) -> Any:
        door = HTTPConnection("127.0.0.1", self._hub.http_port, timeout=300)
        headers = {"Authorization": f"Bearer {self._hub.token}", "Content-Type": "text/csv"}
        door.request(method, path, body, headers)
        answer = json.loads(door.getresponse().read())
        door.close()
        return answer

    def _calls(self) -> Calls:
        door = HTTPConnection("127.0.0.1", self._hub.admin_port, timeout=30)
        door.request("GET", "/metrics")
        lines = [line for line in door.getresponse().read().decode().splitlines() if line.startswith(_CALLS)]
        door.close()
        values = dict(line.rsplit(" ", 1) for line in lines)
        buckets = {float(name.split('"')[1]): float(value) for name, value in values.items() if "_bucket" in name}
        return Calls(float(values[f"{_CALLS}_sum"]), buckets)


def _row(what: str, lines: int, seconds: float, latencies: list[float], before: Calls, after: Calls) -> str:
    p50, p99 = (f"{percentile(latencies, percent):.1f} ms" for percent in (50, 99))
    busy = f"{100 * (after.seconds - before.seconds) / seconds:.0f} %"
    pace = f"{lines / seconds:,.0f}" if lines else "—"
    return f"| {what} | {lines:,} | {seconds:.1f} s | {pace} | {p50} | {p99} | {busy} | {after.longest_ms(before)} |"


def _write(file: Path, lines: int) -> None:
    with file.open("w") as text:
        text.write("sku,location,quantity\n")
        for i in range(lines):
            text.write(f"BULK-{i // len(LOCATIONS):07d},{LOCATIONS[i % len(LOCATIONS)]},{1 + i % 9}\n")


def main() -> None:
    """Measure, and print a table."""
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lines", type=int, default=1_000_000)
    lines = parser.parse_args().lines
    with tempfile.TemporaryDirectory(prefix="load-") as folder, running_hub(Path(folder) / "hub") as hub:
        file = Path(folder) / "books.csv"
        _write(file, lines)
        hub.fill(SKUS)
        bench = Bench(hub)
        bench.sell()
        print(HEAD)
        print(bench.quiet(), flush=True)
        print(bench.import_file("first load", file, {"changed": lines, "broken": 0}), flush=True)
        print(bench.import_file("the same again", file, {"unchanged": lines, "changed": 0}), flush=True)


if __name__ == "__main__":
    main()
