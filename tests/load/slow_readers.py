"""What readers that stopped cost others in time, and the hub in memory; and what a screen of 10,000 SKUs costs."""

import json
import socket
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from figures import Options, Row, percentile, print_rows, ratios, spread
from hub_process import POOLS, RunningHub, now, running_hub, sku
from processes import resident_bytes
from raw_websocket import RawWebSocket, room_for
from reloading import metric
from screen import WATCHING, Showing, connect, sell

from protocol.limits import SKUS_PER_CONNECTION_MAX

STOPPED = 100
RATE = 50.0
SCREENS = 50
# Of each reader that stopped: its answer is more than all buffers take.
SKUS = 2_000
# Readers of as many SKUs as one may watch, and those before them that are not counted.
LARGE, _FIRST = 10, 3
FLOODS = 20
_PINGS = 40_000
_SETTLE_SECONDS = 2.0
_WARM_UP_SECONDS = 2.0
_LOOK_SECONDS = 0.5
_KIB, _MIB = 1024, 1024**2

# Opens one reader that asks for the first so many SKUs and reads nothing more.
Open = Callable[[RunningHub, int], socket.socket]


def stopped_socket(hub: RunningHub, skus: int = SKUS) -> socket.socket:
    """A WebSocket that asks and takes no answer."""
    asking = RawWebSocket(hub.live_port, receive_buffer_bytes=4096)
    names = json.dumps([sku(number) for number in range(skus)])
    asking.send(f'{{"op":"subscribe","ref":1,"pool":"{POOLS[0]}","skus":{names}}}'.encode())
    return asking.detach()


def stopped_stream(hub: RunningHub, skus: int = SKUS) -> socket.socket:
    """A stream of Server-Sent Events that takes nothing."""
    return _stream(hub, skus, receive_buffer_bytes=4096)


def _stream(hub: RunningHub, skus: int, receive_buffer_bytes: int = 0) -> socket.socket:
    made = socket.socket()
    if receive_buffer_bytes:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer_bytes)
    made.connect(("127.0.0.1", hub.http_port))
    body = json.dumps({"pool": POOLS[0], "skus": [sku(number) for number in range(skus)]})
    head = f"POST /v1/live/sse HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(body)}\r\n\r\n"
    made.sendall((head + body).encode())
    return made


def measure(options: Options) -> Iterator[Row]:
    """What others feel of readers that stopped, and what all sorts of readers cost."""
    room_for(SCREENS + STOPPED)
    # Memory that was used before would be used again.
    with tempfile.TemporaryDirectory(prefix="load-") as folder, running_hub(Path(folder) / "hub") as hub:
        yield _flooded(hub)
    with tempfile.TemporaryDirectory(prefix="load-") as folder, running_hub(Path(folder) / "hub") as hub:
        hub.fill(SKUS)
        yield _held(hub)
        first = 0
        for what, opened in (("sockets", stopped_socket), ("streams", stopped_stream)):
            yield from _felt(hub, what, opened, options, first)
            first += 10_000_000
    for what, large in (("socket", _large_socket), ("stream", _large_stream)):
        with tempfile.TemporaryDirectory(prefix="load-") as folder, running_hub(Path(folder) / "hub") as hub:
            yield _large(hub, what, large)


def _felt(hub: RunningHub, what: str, opened: Open, options: Options, first: int) -> Iterator[Row]:
    """Sales beside nobody and beside readers that stopped, in turn."""
    taken: dict[bool, dict[int, list[float]]] = {with_stopped: {50: [], 99: []} for with_stopped in (False, True)}
    cpu_us: dict[bool, list[float]] = {False: [], True: []}
    first += _sold(hub, first, _WARM_UP_SECONDS).sold
    for number in range(options.runs):
        # Which comes first changes, for a machine that grows busier or idler.
        for with_stopped in (number % 2 == 1, number % 2 == 0):
            stopped = _stopped(hub, opened) if with_stopped else []
            conflated = metric(hub.admin_port, "hub_live_values_conflated")
            cpu = hub.cpu_seconds()["itself"]
            showing = _sold(hub, first, options.seconds)
            first += showing.sold
            cpu_us[with_stopped].append((hub.cpu_seconds()["itself"] - cpu) / showing.sold * 1e6)
            if with_stopped and metric(hub.admin_port, "hub_live_values_conflated") - conflated < showing.sold:
                raise SystemExit("The readers that should have stopped took what they were sent.")
            for percent, times in taken[with_stopped].items():
                times.append(percentile(showing.until_shown_ms(), percent))
            for each in stopped:
                each.close()
            time.sleep(_SETTLE_SECONDS)
    for percent, goal in ((50, "—"), (99, "≤ 1.10")):
        mine, alone = taken[True][percent], taken[False][percent]
        yields = spread(ratios(mine, alone), 2)
        name = f"sale → screen p{percent}, {RATE:.0f} sales/s, {WATCHING} watch, and {STOPPED} {what} that stopped"
        yield Row("—", name, spread(mine, 2, " ms"), f"without them {spread(alone, 2, ' ms')}", yields, goal)
    mine, alone = cpu_us[True], cpu_us[False]
    name, yields = (
        f"the hub's CPU for each of those sales, {STOPPED} {what} that stopped",
        spread(ratios(mine, alone), 2),
    )
    yield Row("—", name, spread(mine, 0, " µs"), f"without them {spread(alone, 0, ' µs')}", yields, "—")


def _stopped(hub: RunningHub, opened: Open) -> list[socket.socket]:
    """Readers that stopped, after what they asked for was written as far as they took it."""
    first = before = metric(hub.admin_port, "hub_live_frames_sent")
    stopped = [opened(hub, SKUS) for _ in range(STOPPED)]
    while True:
        time.sleep(_LOOK_SECONDS)
        written = metric(hub.admin_port, "hub_live_frames_sent")
        # Each was answered at least once, and nobody is written for any more.
        if written == before and written >= first + STOPPED:
            break
        before = written
    time.sleep(_SETTLE_SECONDS)
    return stopped


def _sold(hub: RunningHub, first: int, seconds: float) -> Showing:
    """A load beside new screens: nobody reads theirs while readers are made that stop."""
    healthy = connect(hub, [sku(0)] * WATCHING + [sku(number) for number in range(1, SCREENS - WATCHING + 1)])
    showing = sell(hub, healthy, first, seconds, RATE)
    for screen in healthy:
        screen.close()
    return showing


def _held(hub: RunningHub) -> Row:
    """Memory while everything changes again and again that readers watch who stopped."""
    before = _settled(hub.pid)
    stopped = [stopped_socket(hub) for _ in range(STOPPED)]
    held = []
    for number in range(3):
        for start in range(0, SKUS, 100):
            lines = [{"sku": sku(i), "quantity": 1} for i in range(start, start + 100)]
            event = {"id": f"all-{number}-{start}", "type": "receipt", "time": now(), "location": "LON-KNB"}
            hub.book([{**event, "lines": lines}])
        held.append((resident_bytes(hub.pid) - before) / STOPPED / _KIB)
    for each in stopped:
        each.close()
    told = ", ".join(f"{each:,.0f}" for each in held)
    what = f"resident memory per socket that stopped, {SKUS:,} SKUs, after 1, 2 and 3 changes of each"
    return Row("—", what, f"{told} KiB", "—", "—", "does not grow")


def _flooded(hub: RunningHub) -> Row:
    """Memory while somebody pings and takes no pong, until the hub cuts them off."""
    before, most = _settled(hub.pid), 0
    pings = (b"\x89\xfd" + bytes(4) + b"x" * 125) * 500
    floods = [RawWebSocket(hub.live_port, receive_buffer_bytes=4096).detach() for _ in range(FLOODS)]
    for each in floods:
        each.settimeout(1.0)
    for _ in range(_PINGS // 500):
        for each in floods:
            with suppress(OSError):
                each.sendall(pings)
        most = max(most, resident_bytes(hub.pid) - before)
    for each in floods:
        each.close()
    what = f"resident memory per socket that pings {_PINGS:,} times and takes no pong, at most"
    return Row("—", what, f"{most / FLOODS / _MIB:.1f} MiB", "—", "—", "≤ 4.3 MiB")


def _large_socket(hub: RunningHub) -> Callable[[], None]:
    screen = RawWebSocket(hub.live_port)
    for start in range(0, SKUS_PER_CONNECTION_MAX, 2_500):
        names = json.dumps([sku(number) for number in range(start, start + 2_500)])
        screen.send(f'{{"op":"subscribe","ref":1,"pool":"{POOLS[0]}","skus":{names}}}'.encode())
        screen.next_text()
    return screen.close


def _large_stream(hub: RunningHub) -> Callable[[], None]:
    stream = _stream(hub, SKUS_PER_CONNECTION_MAX)
    told = b""
    # The end of an event, and of the piece of the answer that it is in.
    while not told.endswith(b"\n\n\r\n"):
        told = told[-4:] + stream.recv(1 << 20)
    return stream.close


def _large(hub: RunningHub, what: str, large: Callable[[RunningHub], Callable[[], None]]) -> Row:
    hub.fill(SKUS_PER_CONNECTION_MAX)
    closing = [large(hub) for _ in range(_FIRST)]
    before = _settled(hub.pid)
    closing += [large(hub) for _ in range(LARGE)]
    each = (_settled(hub.pid) - before) / LARGE / _MIB
    for close in closing:
        close()
    return Row("—", f"resident memory per {what} of {SKUS_PER_CONNECTION_MAX:,} SKUs", f"{each:.2f} MiB", "—", "—", "—")


def _settled(pid: int) -> int:
    time.sleep(_SETTLE_SECONDS)
    return resident_bytes(pid)


if __name__ == "__main__":
    print_rows(__doc__, measure)
