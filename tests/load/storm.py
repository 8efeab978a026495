"""A storm: all screens lose the hub at the same moment and come back, while tills go on selling.

    uv run python tests/load/storm.py --sockets 5000
    uv run python tests/load/storm.py --sockets max --runs 1

Each screen watches three SKUs and comes back as the project's clients do: after a pause of full jitter, from 0 to half
a second at first, twice as long with each failure, with what it knows. In turn, `--runs` times: all lines are cut, with
jitter; the same without (all at once); the hub is killed with SIGKILL and started again. A process of its own sells 100
times a second, for ten seconds before (quiet) and from the moment of the loss until every screen is current; after a
kill from when the hub is ready. Then what each screen holds is compared with what the hub says.
"""

import json
import os
import random
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from http.client import HTTPConnection
from itertools import count
from multiprocessing import get_context
from pathlib import Path

from crowd import Crowd
from figures import Options, Row, percentile, print_rows, ratios, spread
from http_load import Load, Told, run
from hub_process import POOLS, RunningHub, room_in_hub, running_hub, sku
from processes import resident_bytes
from raw_websocket import room_for

SCREENS = 5_000
SKUS = 1_000
SKUS_OF_EACH = 3
RATE = 100.0
_QUIET_SECONDS = 10.0
_STORM_SECONDS_MAX = 240.0
_FIRST_PER_SECOND = 800.0
_TRUE_SECONDS = 20.0
_SEED = 1
_MIB = 1024 * 1024


@dataclass
class Weather:
    """What was measured of one kind of storm, run by run."""

    what: str
    until_current: list[float] = field(default_factory=list)
    # Of single screens, percent -> seconds.
    each: dict[int, list[float]] = field(default_factory=lambda: {50: [], 99: []})
    p99_ms: list[float] = field(default_factory=list)
    quiet_ms: list[float] = field(default_factory=list)
    ready_seconds: list[float] = field(default_factory=list)
    tried: list[dict[str, int]] = field(default_factory=list)
    resident_mib: list[float] = field(default_factory=list)


@dataclass(frozen=True)
class IsThere:
    """Whether a file is there; another process can be told so."""

    path: Path

    def __call__(self) -> bool:
        return self.path.exists()


class Town:
    """A hub that can be killed, its screens, and the process that sells."""

    def __init__(self, folder: Path, screens: int, tills: ProcessPoolExecutor) -> None:
        self._folder = folder
        doors = dict(zip(("HUB_HTTP", "HUB_LIVE", "HUB_ADMIN"), _free_ports(3), strict=True))
        self._environ = room_in_hub(screens) | {name: f"127.0.0.1:{port}" for name, port in doors.items()}
        self._hubs = ExitStack()
        self._tills = tills
        self._first = count(0, 10_000_000)
        self.hub = self._started()
        self.hub.fill(SKUS)
        drawn = random.Random(_SEED)
        names = [sku(number) for number in range(SKUS)]
        self.crowd = Crowd(self.hub.live_port, [drawn.sample(names, SKUS_OF_EACH) for _ in range(screens)])
        self.crowd.come(_FIRST_PER_SECOND)
        self.crowd.listen(_STORM_SECONDS_MAX, until_current=True)

    def _started(self) -> RunningHub:
        return self._hubs.enter_context(running_hub(self._folder, self._environ))

    def kill(self) -> None:
        """End the hub as a machine without power does."""
        os.kill(self.hub.pid, signal.SIGKILL)

    def start(self) -> float:
        """Start it again, while the screens try; how long that took."""
        began = time.perf_counter()
        with ThreadPoolExecutor(1) as starter:
            starting = starter.submit(self._started)
            while not starting.done():
                self.crowd.listen(0.05)
        self.hub = starting.result()
        return time.perf_counter() - began

    def sell(self, seconds: float, is_over: IsThere | None = None) -> "Future[Told]":
        """Sell in a process of its own."""
        load = Load(self.hub.http_port, self.hub.token, seconds, next(self._first), rate=RATE, skus=SKUS)
        if is_over is not None:
            load.is_over = is_over
        return self._tills.submit(run, load)

    def close(self) -> None:
        """End all."""
        self.crowd.close()
        self._hubs.close()

    def check(self) -> None:
        """Make sure that each screen holds what the hub says, once the last sale has come to all.

        Raises:
            SystemExit: one does not.
        """
        until = time.perf_counter() + _TRUE_SECONDS
        while (wrong := self._wrong(self._truth())) and time.perf_counter() < until:
            self.crowd.listen(0.5)
        if wrong:
            raise SystemExit(f"{wrong:,} values on screens are not what the hub says.")

    def _wrong(self, truth: dict[str, tuple[int, int]]) -> int:
        held = [(item.sku, (item.rev, item.available)) for each in self.crowd.screens for item in each.holds.values()]
        missing = sum(len(each.skus) - len(each.holds) for each in self.crowd.screens)
        return missing + sum(truth[name] != value for name, value in held)

    def _truth(self) -> dict[str, tuple[int, int]]:
        door = HTTPConnection("127.0.0.1", self.hub.http_port, timeout=60)
        body = json.dumps({"pool": POOLS[0], "skus": [sku(number) for number in range(SKUS)]})
        door.request("POST", "/v1/availability/query", body, {"Content-Type": "application/json"})
        items = json.loads(door.getresponse().read())["items"]
        door.close()
        return {item["sku"]: (item["rev"], item["available"]) for item in items}


def measure(options: Options) -> Iterable[Row]:
    """Two rows for each kind of storm."""
    screens = room_for(options.sockets or SCREENS)
    kinds = [
        Weather("lines cut, full jitter"),
        Weather("lines cut, no jitter: all at once"),
        Weather("hub killed and started again, full jitter"),
    ]
    with (
        tempfile.TemporaryDirectory(prefix="load-") as folder,
        ProcessPoolExecutor(1, mp_context=get_context("spawn")) as tills,
    ):
        town = Town(Path(folder) / "hub", screens, tills)
        # A process takes a while to start.
        town.sell(0.5).result()
        try:
            for number in range(options.runs):
                for kind in kinds:
                    _storm(town, kind, Path(folder) / f"over-{number}-{kinds.index(kind)}")
        finally:
            town.close()
    for kind in kinds:
        yield from _rows(kind, screens)


def _storm(town: Town, kind: Weather, over: Path) -> None:
    crowd = town.crowd
    quiet = town.sell(_QUIET_SECONDS)
    while not quiet.done():
        crowd.listen(0.1)
    kind.quiet_ms.append(percentile(quiet.result().latencies_ms, 99))
    crowd.jitter = "no jitter" not in kind.what
    crowd.tried.clear()
    lost = time.perf_counter()
    if "killed" in kind.what:
        town.kill()
        kind.ready_seconds.append(town.start())
        selling = town.sell(_STORM_SECONDS_MAX, IsThere(over))
    else:
        selling = town.sell(_STORM_SECONDS_MAX, IsThere(over))
        crowd.lose()
    crowd.listen(_STORM_SECONDS_MAX, until_current=True)
    if not crowd.all_current:
        raise SystemExit(f"Not all screens are current: {dict(crowd.tried)}")
    over.touch()
    taken = [screen.current_at - lost for screen in crowd.screens]
    while not selling.done():
        crowd.listen(0.1)
    kind.until_current.append(max(taken))
    for percent, found in kind.each.items():
        found.append(percentile(taken, percent))
    kind.p99_ms.append(percentile(selling.result().latencies_ms, 99))
    kind.tried.append(dict(crowd.tried))
    kind.resident_mib.append(resident_bytes(town.hub.pid) / _MIB)
    print(f"{kind.what}: {kind.tried[-1]}, sales {dict(selling.result().statuses)}", file=sys.stderr)
    town.check()


def _rows(kind: Weather, screens: int) -> Iterator[Row]:
    each = ", ".join(f"p{percent} of them {spread(found, 1, ' s')}" for percent, found in kind.each.items())
    ready = f"; the hub ready after {spread(kind.ready_seconds, 1, ' s')}" if kind.ready_seconds else ""
    tries = spread([run["tries"] / screens for run in kind.tried], 2)
    yield Row(
        "—",
        f"storm of {screens:,} screens, {kind.what}: until all are current",
        f"{spread(kind.until_current, 1, ' s')}, {each}{ready}",
        f"tries of a screen {tries}; the hub's memory after it {spread(kind.resident_mib, 0, ' MiB')}",
        "—",
        "—",
    )
    yield Row(
        "—",
        f"p99 of single sales, {RATE:.0f}/s, {'once the hub is ready again' if kind.ready_seconds else 'meanwhile'}",
        spread(kind.p99_ms, 1, " ms"),
        f"quiet {spread(kind.quiet_ms, 1, ' ms')}",
        spread(ratios(kind.p99_ms, kind.quiet_ms), 1),
        "—",
    )


def _free_ports(number: int) -> list[int]:
    with ExitStack() as held:
        found = [held.enter_context(socket.socket()) for _ in range(number)]
        for opened in found:
            opened.bind(("127.0.0.1", 0))
        return [opened.getsockname()[1] for opened in found]


if __name__ == "__main__":
    print_rows(__doc__, measure)
