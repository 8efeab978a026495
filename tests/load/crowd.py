"""Many screens on one event loop, each of which comes back when it loses the hub, as the project's clients do.

A screen holds the newest item of each of its SKUs, says what it knows when it comes back, and is current when the hub
has answered that. Between tries it pauses as `protocol.clients.Patience` says.
"""

import heapq
import random
import select
import socket
import struct
import time
from collections import Counter
from collections.abc import Sequence
from errno import EINPROGRESS

import msgspec
from hub_process import POOLS
from raw_websocket import CLOSE, PING, PONG, TEXT, first_frame, handshake, masked_text

from protocol.clients import Patience

_PATIENCE = Patience()
_RECEIVED_MAX = 1 << 18
# How often it is looked who takes too long to open.
_LOOK_SECONDS = 0.5
# Close with a reset, as a line that is cut does, and leave no port behind.
_RESET = struct.pack("ii", 1, 0)


class Item(msgspec.Struct):
    """What a pool shows of a SKU."""

    sku: str
    rev: int
    available: int = 0


class _Frame(msgspec.Struct):
    op: str
    items: list[Item] = []


_decode_frame = msgspec.json.Decoder(_Frame).decode


class Screen:
    """One of them."""

    __slots__ = ("current_at", "holds", "received", "skus", "socket", "state", "tried_at", "tries")

    def __init__(self, skus: Sequence[str]) -> None:
        self.skus = skus
        self.holds: dict[str, Item] = {}
        self.socket: socket.socket | None = None
        # away, connecting, shaking, asking, current.
        self.state = "away"
        self.received = b""
        self.tries = 0
        self.tried_at = 0.0
        self.current_at = 0.0


class Crowd:
    """All screens of a hub's live door."""

    def __init__(self, port: int, skus_of_each: Sequence[Sequence[str]], *, jitter: bool = True) -> None:
        self._port = port
        self.screens = [Screen(skus) for skus in skus_of_each]
        # Without it all try at once, and pause for the longest time that they may.
        self.jitter = jitter
        self._ready = select.epoll()
        self._open: dict[int, Screen] = {}
        # (when, number of the screen): who connects next.
        self._due: list[tuple[float, int]] = []
        # What became of tries.
        self.tried: Counter[str] = Counter()
        self._current = 0
        self._numbers = {id(screen): number for number, screen in enumerate(self.screens)}

    @property
    def all_current(self) -> bool:
        """Whether each has been told all since it came back."""
        return self._current == len(self.screens)

    def come(self, per_second: float) -> None:
        """All connect for the first time, so many a second."""
        began = time.perf_counter()
        for number in range(len(self.screens)):
            heapq.heappush(self._due, (began + number / per_second, number))

    def lose(self) -> None:
        """All lines are cut."""
        for screen in self.screens:
            self._leave(screen, "cut")

    def listen(self, seconds: float, *, until_current: bool = False) -> None:
        """Be a crowd of screens for so long, or until all are current."""
        end, looked = time.perf_counter() + seconds, 0.0
        while (now := time.perf_counter()) < end:
            while self._due and self._due[0][0] <= now:
                self._connect(self.screens[heapq.heappop(self._due)[1]], now)
            due = self._due[0][0] if self._due else end
            for number, _ in self._ready.poll(max(0.0, min(due - now, 0.05))):
                screen = self._open.get(number)
                if screen is not None:
                    try:
                        self._hear(screen)
                    except OSError:
                        # Lost while it was answered.
                        self._leave(screen, "lost")
            if until_current and self.all_current:
                return
            if now - looked > _LOOK_SECONDS:
                looked = now
                self._give_up(now)

    def close(self) -> None:
        """Close all."""
        for screen in self.screens:
            if screen.socket is not None:
                screen.socket.close()
        self._ready.close()

    def _connect(self, screen: Screen, now: float) -> None:
        self.tried["tries"] += 1
        screen.socket = opened = socket.socket()
        opened.setblocking(False)
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        screen.state, screen.received, screen.tried_at = "connecting", b"", now
        failed = opened.connect_ex(("127.0.0.1", self._port))
        if failed not in (0, EINPROGRESS):
            self._leave(screen, "refused")
            return
        self._open[opened.fileno()] = screen
        self._ready.register(opened.fileno(), select.EPOLLOUT)

    def _leave(self, screen: Screen, why: str) -> None:
        """The line is lost; come back after a pause."""
        self.tried[why] += 1
        if screen.socket is not None:
            self._open.pop(screen.socket.fileno(), None)
            screen.socket.close()
            screen.socket = None
        self._current -= screen.state == "current"
        screen.state = "away"
        now = time.perf_counter()
        lot = random.random() if self.jitter else float(screen.tries > 0)
        heapq.heappush(self._due, (now + _PATIENCE.pause(screen.tries, lot), self._numbers[id(screen)]))
        screen.tries += 1

    def _give_up(self, now: float) -> None:
        """Leave what does not open."""
        if not self.all_current:
            for screen in list(self._open.values()):
                if screen.state != "current" and now - screen.tried_at > _PATIENCE.try_seconds:
                    self._leave(screen, "timed out")

    def _hear(self, screen: Screen) -> None:
        opened = screen.socket
        assert opened is not None
        try:
            if screen.state == "connecting":
                opened.sendall(handshake())
                self._ready.modify(opened.fileno(), select.EPOLLIN)
                screen.state = "shaking"
                return
            more = opened.recv(_RECEIVED_MAX)
        except ConnectionRefusedError:
            return self._leave(screen, "refused")
        except OSError:
            return self._leave(screen, "lost")
        if not more:
            return self._leave(screen, "closed")
        screen.received += more
        if screen.state == "shaking":
            self._shake(screen)
        if screen.state in ("asking", "current"):
            self._take(screen)

    def _shake(self, screen: Screen) -> None:
        head, found, rest = screen.received.partition(b"\r\n\r\n")
        if not found:
            return
        if b" 101 " not in head[:20]:
            self._leave(screen, f"told {head[9:12].decode()}")
            return
        screen.received, screen.state = rest, "asking"
        known = ",".join(f'"{sku}":{item.rev}' for sku, item in screen.holds.items())
        skus = ",".join(f'"{sku}"' for sku in screen.skus)
        asked = f'{{"op":"subscribe","ref":1,"pool":"{POOLS[0]}","skus":[{skus}],"known":{{{known}}}}}'
        assert screen.socket is not None
        screen.socket.sendall(masked_text(asked.encode()))

    def _take(self, screen: Screen) -> None:
        while (found := first_frame(screen.received)) is not None:
            kind, payload, screen.received = found
            if kind == CLOSE:
                return self._leave(screen, f"closed {int.from_bytes(payload[:2])}")
            if kind == PING and screen.socket is not None:
                screen.socket.sendall(PONG)
            if kind == TEXT:
                self._learn(screen, payload)
        return None

    def _learn(self, screen: Screen, payload: bytes) -> None:
        frame = _decode_frame(payload)
        for item in frame.items:
            held = screen.holds.get(item.sku)
            if held is None or item.rev > held.rev:
                screen.holds[item.sku] = item
        if frame.op == "subscribed" and screen.state == "asking":
            self._current += 1
            screen.state, screen.tries, screen.current_at = "current", 0, time.perf_counter()
