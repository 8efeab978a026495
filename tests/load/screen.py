"""P3: from a till's POST to the frame on a screen, while a thousand screens watch."""

import tempfile
import time
from bisect import bisect_left
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
from bare_servers import bare_server
from bare_stores import BareStores, bare_stores
from figures import Options, Row, percentile, print_rows, ratios, spread, sum_of_hops
from http_load import Connection, Load, Ready, requests, run
from hub_process import POOLS, RunningHub, room_in_hub, running_hub, sku
from raw_websocket import RawWebSocket, open_many, room_for

SCREENS = 1_000
WATCHING = 10
RATE = 200.0
_TILLS = 64
# How long the last frames may take after the last sale.
_LAST_FRAMES_SECONDS = 3.0
_WARM_UP_SECONDS = 2.0


class _Item(msgspec.Struct):
    sku: str
    pool: str = ""
    rev: int = 0


class _Answer(msgspec.Struct):
    status: str
    availability: list[_Item] = []


class _Frame(msgspec.Struct):
    op: str
    items: list[_Item] = []


_decode_answer = msgspec.json.Decoder(_Answer).decode
_decode_frame = msgspec.json.Decoder(_Frame).decode


@dataclass
class _Screen:
    """One watching screen: when it got which revision."""

    at: list[float] = field(default_factory=list)
    revs: list[int] = field(default_factory=list)

    def saw(self, rev: int) -> float | None:
        """When it showed this revision or a newer one."""
        index = bisect_left(self.revs, rev)
        return self.at[index] if index < len(self.at) else None


def connect(hub: RunningHub, skus: list[str]) -> list[RawWebSocket]:
    """A screen for each SKU, subscribed to it in the public pool."""
    greeting = f'{{"op":"subscribe","ref":1,"pool":"{POOLS[0]}","skus":["%s"]}}'
    return open_many(hub.live_port, [(greeting % name).encode() for name in skus])


def measure(options: Options) -> list[Row]:
    """One row for the median and one for the slowest hundredth."""
    count = room_for(options.sockets or SCREENS)
    measured: dict[int, list[float]] = {50: [], 99: []}
    floors: dict[int, list[float]] = {50: [], 99: []}
    with (
        tempfile.TemporaryDirectory(prefix="load-") as folder,
        running_hub(Path(folder) / "hub", room_in_hub(count)) as hub,
        bare_stores(Path(folder) / "bare") as stores,
        bare_server("http") as http,
        bare_server("websocket") as echo,
    ):
        hub.fill(1)
        screens = connect(hub, [sku(0)] * WATCHING + [sku(i) for i in range(1, count - WATCHING + 1)])
        first = sell(hub, screens, 0, _WARM_UP_SECONDS).sold
        for _ in range(options.runs):
            showing = sell(hub, screens, first, options.seconds)
            first += showing.sold
            hops = _hops_ms(http.port, echo.port, stores, options.seconds)
            for percent in (50, 99):
                measured[percent].append(percentile(showing.until_shown_ms(), percent))
                floors[percent].append(percentile(hops, percent))
        for screen in screens:
            screen.close()
    return [_row(percent, count, measured[percent], floors[percent]) for percent in (50, 99)]


def _row(percent: int, count: int, measured: list[float], floors: list[float]) -> Row:
    what = f"sale → screen p{percent}, {RATE:.0f} sales/s, {count:,} sockets, {WATCHING} watch"
    goal = "≤ 1.5" if percent == 50 else "≤ 3"
    yields = spread(ratios(measured, floors), 2)
    return Row("P3", what, spread(measured, 2, " ms"), f"bare hops {spread(floors, 2, ' ms')}", yields, goal)


def _hops_ms(http_port: int, echo_port: int, stores: BareStores, seconds: float) -> list[float]:
    http = run(Load(http_port, "none", seconds, 0, _TILLS, rate=RATE)).latencies_ms
    scripts = stores.script_calls_ms(int(seconds * RATE), RATE)
    return sum_of_hops(http, scripts, _echoes_ms(echo_port, seconds))


def _echoes_ms(port: int, seconds: float) -> list[float]:
    client, taken_ms = RawWebSocket(port), []
    message = b"x" * 150
    started = time.perf_counter()
    for number in range(int(seconds * RATE)):
        time.sleep(max(0.0, started + number / RATE - time.perf_counter()))
        sent = time.perf_counter()
        client.send(message)
        client.next_text()
        taken_ms.append((time.perf_counter() - sent) * 1000)
    client.close()
    return taken_ms


def sell(hub: RunningHub, sockets: list[RawWebSocket], first: int, seconds: float, rate: float = RATE) -> "Showing":
    """Sell one SKU at a rate; the first of the sockets, `WATCHING`, watch it."""
    showing = Showing(hub, sockets, first, int(seconds * rate), rate)
    showing.run()
    return showing


class Showing:
    """Tills that sell one SKU at a fixed rate, and the screens that are told."""

    def __init__(self, hub: RunningHub, sockets: list[RawWebSocket], first: int, sales: int, rate: float) -> None:
        self.sold = sales
        self._rate = rate
        self._tills = {till.fileno(): till for till in (Connection(hub.http_port) for _ in range(_TILLS))}
        self._free = list(self._tills.values())
        self._sockets = {socket.fileno(): socket for socket in sockets}
        self._screens = {socket.fileno(): _Screen() for socket in sockets[:WATCHING]}
        self._requests = requests(Load(hub.http_port, hub.token, 0, first, skus=1))
        # (when it was due, the revision that shows it), for each sale answered.
        self._answered: list[tuple[float, int]] = []

    def until_shown_ms(self) -> list[float]:
        """How long each sale took to each watching screen.

        Raises:
            SystemExit: a screen never showed a sale.
        """
        shown = [(due, screen.saw(rev)) for due, rev in self._answered for screen in self._screens.values()]
        if any(at is None for _, at in shown):
            raise SystemExit("A screen was never told of a sale.")
        return [(at - due) * 1000 for due, at in shown if at is not None]

    def run(self) -> None:
        """Sell, and listen until every screen shows the last sale."""
        ready = Ready()
        for number in [*self._tills, *self._sockets]:
            ready.add(number)
        started, sent = time.perf_counter(), 0
        end = started + self.sold / self._rate + _LAST_FRAMES_SECONDS
        while not self._all_told() and (now := time.perf_counter()) < end:
            while self._free and sent < self.sold and (due := started + sent / self._rate) <= now:
                self._free.pop().send(next(self._requests), due)
                sent += 1
            for number in ready.wait(max(0.0, started + sent / self._rate - now) if sent < self.sold else 0.1):
                self._hear(number, time.perf_counter())
        ready.close()
        for till in self._tills.values():
            till.close()

    def _all_told(self) -> bool:
        if len(self._answered) < self.sold:
            return False
        newest = max(rev for _, rev in self._answered)
        return all(screen.revs and screen.revs[-1] >= newest for screen in self._screens.values())

    def _hear(self, number: int, now: float) -> None:
        till = self._tills.get(number)
        if till is None:
            self._see(number, now)
        elif (answer := till.receive()) is not None:
            told = _decode_answer(answer[1])
            self._answered.append((till.due, next(item.rev for item in told.availability if item.pool == POOLS[0])))
            self._free.append(till)

    def _see(self, number: int, now: float) -> None:
        screen = self._screens.get(number)
        for text in self._sockets[number].texts():
            if screen is None:
                continue
            for item in _decode_frame(text).items:
                screen.at.append(now)
                screen.revs.append(item.rev)


if __name__ == "__main__":
    print_rows(__doc__, measure)
