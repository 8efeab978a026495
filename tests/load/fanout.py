"""P4: CPU for each value that reaches a screen, beside `websockets.broadcast()` and brokers of the same payload.

    uv run python tests/load/fanout.py --sockets 1000
    uv run python tests/load/fanout.py --sockets max --runs 3

All sockets watch one SKU. The hub sells it so many times a second that about 20,000 values a second are delivered;
sales that meet in one tick are one value. Its CPU is that of its process, less what the sockets cost while nothing is
sold, and the sales while nobody watches. A peer is sent the same payload as often; its CPU is that of its process. The
same clients listen to all, one kind after the other, and count what came.
"""

import select
import socket
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from brokers import Broker, broadcasting, mosquitto, nats
from figures import Options, Row, print_rows, ratios, spread
from http_load import Connection, Load, requests
from hub_process import RunningHub, room_in_hub, running_hub, sku
from processes import cpu_seconds_of
from raw_websocket import RawWebSocket, numbered_high, room_for
from screen import connect

SCREENS = 5_000
VALUES_PER_SECOND = 20_000
# Stands once in each value that is delivered.
_MARK = b'"op":"update"'
# Of some values for each socket even where there is one a second.
_SECONDS_MIN = 5.0
_AT_ONCE = 200
_RECEIVED_MAX = 1 << 18
_WARM_UP_SECONDS = 2.0
# After the last value that came, when more are missing.
_SILENCE_SECONDS = 1.0
_DELIVERED_MIN = 0.1
_TILLS = 64
_TIMEOUT_SECONDS = 30.0


Opened = Callable[[Path], AbstractContextManager[Broker | None]]
PEERS: tuple[tuple[str, Opened, str], ...] = (
    ("websockets.broadcast()", broadcasting, "≥ 1.3"),
    ("Mosquitto", mosquitto, "> 1"),
    ("NATS", nats, "> 1"),
)


def measure(options: Options) -> Iterable[Row]:
    """One row for each peer."""
    count = room_for(options.sockets or SCREENS)
    rate, hub_us, payload = max(0.5, VALUES_PER_SECOND / count), [], b""
    seconds = max(options.seconds, _SECONDS_MIN)
    for _ in range(options.runs):
        each, payload = _hub_us(count, rate, seconds)
        hub_us.append(each)
    what = f"CPU for a delivered value, {count:,} sockets on one SKU, {rate:.1f} sales/s, {len(payload)} bytes"
    for name, opened, goal in PEERS:
        peer_us = [_peer_us(opened, payload, count, rate, seconds) for _ in range(options.runs)]
        mine = spread(hub_us, 2, " µs")
        if any(each is None for each in peer_us):
            yield Row("P4", what, mine, f"{name} is not installed here", "—", goal)
        else:
            found = [each for each in peer_us if each is not None]
            yield Row("P4", what, mine, f"{name} {spread(found, 2, ' µs')}", spread(ratios(found, hub_us), 2), goal)


def _hub_us(count: int, rate: float, seconds: float) -> tuple[float, bytes]:
    """Microseconds of the hub for one delivered value, and what such a value is."""
    with (
        tempfile.TemporaryDirectory(prefix="load-") as folder,
        running_hub(Path(folder) / "hub", room_in_hub(count)) as hub,
    ):
        hub.fill(1)
        tills = Tills(hub)
        # Sales that nobody watches, once the first have warmed everything up.
        _spent(hub.pid, [], tills.sell, rate, _WARM_UP_SECONDS)
        empty, _ = _spent(hub.pid, [], _nothing, 0, seconds)
        sales, _ = _spent(hub.pid, [], tills.sell, rate, seconds)
        [first] = connect(hub, [sku(0)])
        tills.sell()
        payload = first.next_text()
        first.close()
        screens = connect(hub, [sku(0)] * count)
        _spent(hub.pid, screens, tills.sell, rate, _WARM_UP_SECONDS)
        idle, _ = _spent(hub.pid, screens, _nothing, 0, seconds)
        spent, delivered = _spent(hub.pid, screens, tills.sell, rate, seconds)
        for screen in screens:
            screen.close()
        tills.close()
    # Sales that meet in one tick are one value.
    if delivered < int(seconds * rate) * count * _DELIVERED_MIN:
        raise SystemExit(f"The hub delivered {delivered:,} values of {int(seconds * rate) * count:,}.")
    return (spent - idle - (sales - empty)) / delivered * 1e6, payload


def _nothing() -> None:
    pass


class Tills:
    """They sell one SKU in turn, and hear the answer to the last sale before the next."""

    def __init__(self, hub: RunningHub) -> None:
        self._tills = deque((Connection(hub.http_port), False) for _ in range(_TILLS))
        self._sales = requests(Load(hub.http_port, hub.token, 0, 0, skus=1))

    def sell(self) -> None:
        """Send one sale; it waits for nothing, unless all tills wait."""
        till, has_sold = self._tills.popleft()
        while has_sold and till.receive() is None:
            pass
        till.send(next(self._sales), 0)
        self._tills.append((till, True))

    def close(self) -> None:
        """Close them."""
        for till, _ in self._tills:
            till.close()


def _peer_us(opened: Opened, payload: bytes, count: int, rate: float, seconds: float) -> float | None:
    """The same of a peer; None where it is not installed."""
    with tempfile.TemporaryDirectory(prefix="load-") as folder, opened(Path(folder)) as broker:
        if broker is None:
            return None
        clients = _greeted(broker.port, broker.hello, count)
        [publisher] = _greeted(broker.port, broker.publisher_hello, 1)
        message = broker.publish(payload)
        _spent(broker.pid, clients, lambda: publisher.send(message), rate, _WARM_UP_SECONDS)
        spent, delivered = _spent(broker.pid, clients, lambda: publisher.send(message), rate, seconds)
        for client in [*clients, publisher]:
            client.close()
    _check(delivered, int(seconds * rate) * count, broker.name)
    return spent / delivered * 1e6


def _check(delivered: int, expected: int, who: str) -> None:
    if delivered != expected:
        raise SystemExit(f"{who} delivered {delivered:,} values of {expected:,}.")


class _Client:
    """A subscriber of a broker."""

    def __init__(self, port: int) -> None:
        self._socket = numbered_high(socket.create_connection(("127.0.0.1", port)))
        self._socket.settimeout(_TIMEOUT_SECONDS)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def fileno(self) -> int:
        return self._socket.fileno()

    def send(self, message: bytes) -> None:
        self._socket.sendall(message)

    def drain(self) -> bytes:
        return self._socket.recv(_RECEIVED_MAX)

    def wait_for(self, answer: bytes) -> None:
        heard = b""
        while answer not in heard:
            heard += (more := self.drain())
            if not more:
                raise SystemExit(f"A broker closed a connection: {heard!r:.200}")

    def close(self) -> None:
        self._socket.close()


def _greeted(port: int, hello: Sequence[tuple[bytes, bytes]], count: int) -> list[_Client]:
    """So many clients that have said all of that and heard the answers."""
    clients: list[_Client] = []
    for first in range(0, count, _AT_ONCE):
        fresh = [_Client(port) for _ in range(min(_AT_ONCE, count - first))]
        for said, answer in hello:
            for client in fresh:
                client.send(said)
            for client in fresh:
                client.wait_for(answer)
        clients += fresh
    return clients


def _spent(
    pid: int, clients: Sequence[_Client | RawWebSocket], act: Callable[[], None], rate: float, seconds: float
) -> tuple[float, int]:
    """CPU seconds of a process while something is done at a rate, and the values that came of it."""
    numbered = {client.fileno(): client for client in clients}
    with select.epoll() as ready:
        for number in numbered:
            ready.register(number, select.EPOLLIN)
        before, delivered, acted = cpu_seconds_of(pid), 0, 0
        began = time.perf_counter()
        acts, heard = int(seconds * rate), 0.0
        while (now := time.perf_counter() - began) < seconds or (
            delivered < acts * len(clients) and now < max(seconds, heard) + _SILENCE_SECONDS
        ):
            if acted < acts and acted / rate <= now:
                act()
                acted += 1
            for number, _ in ready.poll(0.01):
                delivered += numbered[number].drain().count(_MARK)
                heard = now
        return cpu_seconds_of(pid) - before, delivered


if __name__ == "__main__":
    print_rows(__doc__, measure)
