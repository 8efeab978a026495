"""Sales over keep-alive HTTP connections, in a closed loop (as fast as answered) or an open one (at a fixed rate).

A plain epoll loop over plain sockets: an HTTP client library costs more than the servers it is to measure.
"""

import select
import socket
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from hub_process import LOCATIONS, POOLS, now, sku

_RECEIVED_MAX = 1 << 20
_HEAD_END = b"\r\n\r\n"
_LENGTH = b"Content-Length: "
# Nothing on this path takes so long; a measurement that hangs must end.
_SILENCE_SECONDS = 30.0
_CATCH_UP_SECONDS = 60.0
_PROBE_SECONDS = 0.05
# A prime: neighbouring requests name distant SKUs, and all are named equally often.
_STRIDE = 7_919


@dataclass
class Load:
    """What is to be sent."""

    port: int
    token: str
    seconds: float
    # Number of the first event; loads that meet the same hub must not overlap.
    first: int
    connections: int = 64
    events_per_request: int = 1
    # Requests a second; None: each connection sends as soon as it was answered.
    rate: float | None = None
    skus: int = 1_000
    # Asked before each request: whether the load ends before its time.
    is_over: Callable[[], bool] = bool
    # What is sent in place of sales.
    make: Callable[["Load"], Iterator[bytes]] | None = None


@dataclass
class Told:
    """What came back."""

    seconds: float = 0.0
    requests: int = 0
    # Events that are in the ledger too, and those that are not yet there.
    applied: int = 0
    accepted: int = 0
    # Requests by HTTP status.
    statuses: Counter[bytes] = field(default_factory=Counter)
    # From when each request was due.
    latencies_ms: list[float] = field(default_factory=list)
    # The part of one core that this generator took.
    cpu_share: float = 0.0

    @property
    def applied_per_second(self) -> float:
        """Events in the ledger, per second."""
        return self.applied / self.seconds


def run(load: Load) -> Told:
    """Send the load and wait for every answer."""
    connections = [Connection(load.port) for _ in range(load.connections)]
    try:
        cpu = time.process_time()
        told = _Loop(load, connections).run()
        told.cpu_share = (time.process_time() - cpu) / told.seconds
        return told
    finally:
        for connection in connections:
            connection.close()


def wait_for_ledger(port: int, token: str, numbers: Iterator[int]) -> None:
    """Wait until a sale is in the ledger at once, so that the next load does not meet the lag of the one before.

    Raises:
        SystemExit: the ledger does not catch up.
    """
    end = time.perf_counter() + _CATCH_UP_SECONDS
    while time.perf_counter() < end:
        if run(Load(port, token, _PROBE_SECONDS, next(numbers), connections=1)).accepted == 0:
            return
    raise SystemExit("The ledger does not catch up; the measurement ends.")


def requests(load: Load) -> Iterator[bytes]:
    """The requests of a load, each with event ids of its own."""
    event = (
        f'{{"id":"till-7-%09d","type":"sale","time":"{now()}","location":"{LOCATIONS[0]}","pool":"{POOLS[1]}",'
        '"lines":[{"sku":"%b","quantity":1}]}'
    ).encode()
    skus = [sku(i).encode() for i in range(load.skus)]
    size = len(event % (0, skus[0]))
    if load.events_per_request > 1:
        size = (size + 1) * load.events_per_request + 1
    head = (
        "POST /v1/events HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        f"Authorization: Bearer {load.token}\r\nContent-Length: {size}\r\n\r\n"
    ).encode()
    number = load.first
    while True:
        if load.events_per_request == 1:
            yield head + event % (number, skus[number * _STRIDE % load.skus])
        else:
            several = range(number, number + load.events_per_request)
            yield b"%b[%b]" % (head, b",".join([event % (i, skus[i * _STRIDE % load.skus]) for i in several]))
        number += load.events_per_request


class Connection:
    """One keep-alive connection with at most one request under way."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._received = b""
        # When the request under way was due.
        self.due = 0.0

    def fileno(self) -> int:
        """For epoll."""
        return self._socket.fileno()

    def send(self, request: bytes, due: float) -> None:
        """Send the next request."""
        self.due = due
        self._socket.sendall(request)

    def receive(self) -> tuple[bytes, bytes] | None:
        """The status and body of the answer, once it is whole.

        Raises:
            ConnectionError: the server closed the connection.
        """
        more = self._socket.recv(_RECEIVED_MAX)
        if not more:
            raise ConnectionError("The server closed a connection.")
        received = self._received + more if self._received else more
        end = received.find(_HEAD_END)
        at = received.find(_LENGTH, 0, end) if end > 0 else -1
        if at > 0:
            body_at = end + len(_HEAD_END)
            size = int(received[at + len(_LENGTH) : received.find(b"\r", at)])
            if len(received) >= body_at + size:
                self._received = b""
                return received[9:12], received[body_at:]
        self._received = received
        return None

    def close(self) -> None:
        """Close it."""
        self._socket.close()


class Ready:
    """Waits for connections that can be read, with the precision of `select`: that of `epoll` is a millisecond."""

    def __init__(self) -> None:
        self._epoll = select.epoll()

    def add(self, number: int) -> None:
        """Watch one more file."""
        self._epoll.register(number, select.EPOLLIN)

    def wait(self, timeout_seconds: float) -> list[int]:
        """The files that can be read; empty after the timeout."""
        if timeout_seconds > 0:
            select.select([self._epoll], [], [], timeout_seconds)
        return [number for number, _ in self._epoll.poll(0)]

    def close(self) -> None:
        """Close it."""
        self._epoll.close()


class _Loop:
    def __init__(self, load: Load, connections: list[Connection]) -> None:
        self._load = load
        self._connections = {connection.fileno(): connection for connection in connections}
        self._free = deque(connections)
        self._requests = (load.make or requests)(load)
        self._told = Told()
        self._sent = 0

    def run(self) -> Told:
        ready = Ready()
        for number in self._connections:
            ready.add(number)
        started = heard = time.perf_counter()
        while True:
            due = self._send_due(started)
            if due is None and len(self._free) == len(self._connections):
                break
            wait = _SILENCE_SECONDS if due is None else max(0.0, due - time.perf_counter())
            found = ready.wait(wait)
            now = time.perf_counter()
            if found:
                heard = now
            elif now - heard > _SILENCE_SECONDS:
                raise SystemExit("The server is silent; the measurement ends.")
            for number in found:
                self._receive(self._connections[number], now)
        ready.close()
        self._told.seconds = time.perf_counter() - started
        return self._told

    def _send_due(self, started: float) -> float | None:
        """Send what is due on free connections; when the next is due, None when only answers are waited for."""
        rate, end = self._load.rate, started + self._load.seconds
        now = time.perf_counter()
        while self._free:
            due = now if rate is None else started + self._sent / rate
            if due >= end or self._load.is_over():
                return None
            if due > now:
                return due
            self._free.popleft().send(next(self._requests), due)
            self._sent += 1
        return None

    def _receive(self, connection: Connection, now: float) -> None:
        answer = connection.receive()
        if answer is None:
            return
        status, body = answer
        told = self._told
        told.requests += 1
        told.statuses[status] += 1
        told.applied += body.count(b'"applied"')
        told.accepted += body.count(b'"accepted"')
        told.latencies_ms.append((now - connection.due) * 1000)
        self._free.append(connection)
