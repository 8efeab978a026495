"""Privacy: how well the time of an answer or a frame tells what nobody is shown, over samples drawn in turn.

Each row compares two groups of `--samples` times, drawn in random order: AUC is how often one of the first takes longer
than one of the second, 0.5 where they cannot be told apart; KS is the largest distance of their distributions. In
brackets is what 95 of 100 draws of the same give.
"""

import json
import math
import random
import tempfile
import time
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from itertools import count
from pathlib import Path
from statistics import median

from figures import Options, Row, print_rows
from http_load import Connection
from hub_process import LOCATIONS, PLENTY, RunningHub, now, running_hub
from raw_websocket import RawWebSocket

_SEED = 1
_NAMES = 40
# Every so often something public is sold; what is hidden happens at the beat before, shortly before, or with it.
RHYTHM_SECONDS = 0.04
SHORTLY_SECONDS = 0.01
_WARM_UP = 200
LOUD = "LOUD"
HOUSE = "\n".join(
    [
        *(f'[[location]]\nid = "{location}"\nkind = "store"' for location in LOCATIONS),
        '[[pool]]\nid = "online"\nkinds = ["store"]\npublic = true\nper_location = true',
        '[[pool]]\nid = "vip"\nkinds = ["store"]',
    ]
)

SKUS = "a SKU that only VIPs have, or one that nobody has"
POOLS = "a pool that may not be seen, or one that is not there"
GOAL = "0.47–0.53"

Draw = Callable[[], float]
# What is compared, two ways to take a time, and the goal.
Compared = tuple[str, Draw, Draw, str]


def stock() -> list[dict[str, object]]:
    """Stock for everybody and for VIPs of one SKU, and SKUs of which only VIPs have units, at all locations."""
    fence = {"type": "ring_fence", "time": now(), "pool": "vip"}
    receipt = {"type": "receipt", "time": now()}
    events: list[dict[str, object]] = []
    for location in LOCATIONS:
        names = [LOUD, *(hidden(number) for number in range(_NAMES))]
        for name in names:
            units, fenced = (PLENTY, PLENTY // 2) if name == LOUD else (3, 3)
            lines = [{"sku": name, "quantity": fenced}]
            events.append({**fence, "id": f"fence-{location}-{name}", "location": location, "lines": lines})
            lines = [{"sku": name, "quantity": units}]
            events.append({**receipt, "id": f"in-{location}-{name}", "location": location, "lines": lines})
    return events


def hidden(number: int) -> str:
    """A SKU whose units are all set aside."""
    return f"FENCED-{number:02d}"


def unknown(number: int) -> str:
    """A SKU that nobody has, with a name as long."""
    return f"NOBODY-{number:02d}"


class Door:
    """One connection of a public reader, or of a till."""

    def __init__(self, hub: RunningHub) -> None:
        self._hub = hub
        self._connection = Connection(hub.http_port)
        self._numbers = count()

    def get(self, path: str) -> float:
        """Seconds of one read."""
        began = time.perf_counter()
        self._connection.send(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode(), began)
        self.answer()
        return time.perf_counter() - began

    def sell(self, pool: str, location: str, kind: str) -> None:
        """Send a sale; `answer` waits for what is said to it."""
        event = {"id": f"{kind}-{next(self._numbers)}", "type": "sale", "time": now(), "location": location}
        body = json.dumps({**event, "pool": pool, "lines": [{"sku": LOUD, "quantity": 1}]})
        head = f"POST /v1/events HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {self._hub.token}\r\n"
        head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        self._connection.send((head + body).encode(), 0.0)

    def answer(self) -> bytes:
        """Wait for the answer."""
        while (told := self._connection.receive()) is None:
            pass
        return told[1]

    def close(self) -> None:
        """Close it."""
        self._connection.close()


@contextmanager
def subscribed(hub: RunningHub) -> Iterator[Callable[[str, str], float]]:
    """Asks, over one socket, for a SKU of a pool, and gives it up again: seconds until the answer to the first."""
    socket = RawWebSocket(hub.live_port)

    def ask(pool: str, sku: str) -> float:
        began = time.perf_counter()
        socket.send(f'{{"op":"subscribe","ref":1,"pool":"{pool}","skus":["{sku}"]}}'.encode())
        while b'"ref":1' not in socket.next_text():
            pass
        taken = time.perf_counter() - began
        socket.send(f'{{"op":"unsubscribe","ref":2,"pool":"{pool}","skus":["{sku}"]}}'.encode())
        while b'"ref":2' not in socket.next_text():
            pass
        # A connection may say a hundred messages a second, on average.
        time.sleep(max(0.0, 0.021 - (time.perf_counter() - began)))
        return taken

    yield ask
    socket.close()


class Rhythm:
    """A sale for everybody at each beat, and a watcher; what it sees, in seconds from the beat to the frame."""

    def __init__(self, hub: RunningHub) -> None:
        self._public, self._secret, self._watcher = Door(hub), Door(hub), RawWebSocket(hub.live_port)
        self._watcher.send(f'{{"op":"subscribe","ref":1,"pool":"online","skus":["{LOUD}"]}}'.encode())
        self._watcher.next_text()
        self._kind = f"{time.monotonic_ns()}"

    def beat(
        self, *, hidden_before_seconds: float | None = None, is_over: bool = False, only_watches: bool = False
    ) -> float:
        """Wait for the next beat, with something hidden so long before it, or nothing; `is_over`: it was answered.

        Who only watches does not know when the sale was sent: it takes the time from the `at` in the frame.
        """
        due = time.perf_counter() + RHYTHM_SECONDS
        if hidden_before_seconds is not None:
            time.sleep(max(0.0, due - hidden_before_seconds - time.perf_counter()))
            self._secret.sell("vip", LOCATIONS[1], f"{self._kind}-vip")
            if is_over:
                self._secret.answer()
        time.sleep(max(0.0, due - time.perf_counter()))
        began = time.perf_counter()
        self._public.sell("online", LOCATIONS[0], f"{self._kind}-all")
        while b'"update"' not in (told := self._watcher.next_text()):
            pass
        taken = time.perf_counter() - began
        if only_watches:
            taken = time.time() - datetime.fromisoformat(json.loads(told)["items"][0]["at"]).timestamp()
        self._public.answer()
        if hidden_before_seconds is not None and not is_over:
            self._secret.answer()
        return taken

    def close(self) -> None:
        """Close all of it."""
        for each in (self._public, self._secret, self._watcher):
            each.close()


def measure(options: Options) -> Iterator[Row]:
    """One row for each thing that might be told apart."""
    with (
        tempfile.TemporaryDirectory(prefix="load-") as folder,
        running_hub(Path(folder) / "hub", {"HUB_LIMITS_LEDGER_WAIT_MS": "0"}, rules=HOUSE) as hub,
    ):
        events = stock()
        for first in range(0, len(events), 200):
            hub.book(events[first : first + 200])
        chance = random.Random(_SEED)
        for make in (_reads, _subscriptions, _frames):
            with make(hub, chance) as compared:
                for what, first_of, second_of, goal in compared:
                    yield _row(what, goal, *_drawn(first_of, second_of, options.samples, chance))


@contextmanager
def _reads(hub: RunningHub, chance: random.Random) -> Iterator[list[Compared]]:
    door = Door(hub)

    def read(path: str, pool: str, name: Callable[[int], str]) -> Draw:
        return lambda: door.get(f"/v1/availability{path}?pool={pool}&sku={name(chance.randrange(_NAMES))}")

    yield [
        (f"read: {SKUS}", read("", "online", hidden), read("", "online", unknown), GOAL),
        (f"read where: {SKUS}", read("/locations", "online", hidden), read("/locations", "online", unknown), GOAL),
        (f"read: {POOLS}", read("", "vip", hidden), read("", "nix", hidden), GOAL),
    ]
    door.close()


@contextmanager
def _subscriptions(hub: RunningHub, chance: random.Random) -> Iterator[list[Compared]]:
    with subscribed(hub) as ask:

        def subscribe(pool: str, name: Callable[[int], str]) -> Draw:
            return lambda: ask(pool, name(chance.randrange(_NAMES)))

        yield [
            (f"subscribe: {SKUS}", subscribe("online", hidden), subscribe("online", unknown), GOAL),
            (f"subscribe: {POOLS}", subscribe("vip", hidden), subscribe("nix", hidden), GOAL),
        ]


@contextmanager
def _frames(hub: RunningHub, chance: random.Random) -> Iterator[list[Compared]]:
    rhythm = Rhythm(hub)
    sale = "beat → frame: a VIP's sale of the same SKU"

    def after(seconds: float, *, is_over: bool = False) -> Draw:
        return lambda: rhythm.beat(hidden_before_seconds=seconds, is_over=is_over)

    over = f"{sale} {1000 * RHYTHM_SECONDS:.0f} ms before it and over, or none"
    shortly = f"{sale} {1000 * SHORTLY_SECONDS:.0f} ms before it, or none"
    yield [
        (over, after(RHYTHM_SECONDS, is_over=True), rhythm.beat, GOAL),
        (shortly, after(SHORTLY_SECONDS), rhythm.beat, "—"),
        (f"{sale} at the same moment, or none", after(0.0), rhythm.beat, "not hidden"),
        (
            "`at` in a frame → the frame: a VIP's sale at the same moment, or none",
            lambda: rhythm.beat(hidden_before_seconds=0.0, only_watches=True),
            lambda: rhythm.beat(only_watches=True),
            GOAL,
        ),
    ]
    rhythm.close()


def _drawn(first: Draw, second: Draw, samples: int, chance: random.Random) -> tuple[list[float], list[float]]:
    """So many of each, in random order: a busy moment of the machine is nobody's own."""
    for _ in range(min(_WARM_UP, samples) // 2):
        first()
        second()
    taken: tuple[list[float], list[float]] = ([], [])
    turns = [0] * samples + [1] * samples
    chance.shuffle(turns)
    for turn in turns:
        taken[turn].append((first, second)[turn]())
    return taken


def _row(what: str, goal: str, first: Sequence[float], second: Sequence[float]) -> Row:
    area, distance = auc(first, second), ks(first, second)
    sizes = len(first), len(second)
    # Of two groups that are alike.
    deviation = math.sqrt((sum(sizes) + 1) / (12 * math.prod(sizes)))
    least = math.sqrt(-math.log(0.05 / 2) / 2 * sum(sizes) / math.prod(sizes))
    measured = f"AUC {area:.3f} ({area - 1.96 * deviation:.3f}–{area + 1.96 * deviation:.3f})"
    medians = f"medians {1000 * median(first):.3f} and {1000 * median(second):.3f} ms"
    return Row("—", f"{what}; {len(first):,} of each", measured, medians, f"KS {distance:.3f} (≤ {least:.3f})", goal)


def auc(first: Sequence[float], second: Sequence[float]) -> float:
    """How often one of the first is larger than one of the second; equals count half."""
    ordered = sorted(second)
    above = sum(bisect_left(ordered, value) + bisect_right(ordered, value) for value in first)
    return above / 2 / len(first) / len(second)


def ks(first: Sequence[float], second: Sequence[float]) -> float:
    """The largest distance between the two cumulative distributions."""
    one, other = sorted(first), sorted(second)
    return max(
        abs(bisect_right(one, value) / len(one) - bisect_right(other, value) / len(other)) for value in (*one, *other)
    )


if __name__ == "__main__":
    print_rows(__doc__, measure)
