"""WebSocket clients on plain sockets: thousands of them must not cost more than the server they watch."""

import fcntl
import os
import resource
import select
import socket
from base64 import b64encode
from collections.abc import Iterator, Sequence

from protocol.frames import PATH, SUBPROTOCOL

_RECEIVED_MAX = 1 << 18
TEXT, CLOSE, PING = 1, 8, 9
_FIN = 0x80
# In no text is such a byte.
_PING_FRAME = bytes([_FIN | PING, 0])
PONG = bytes([_FIN | 10, 0x80]) + bytes(4)
_TIMEOUT_SECONDS = 30.0
# Files of this process besides its sockets.
_OTHER_FILES = 1_200
_HIGH = 1_024
# Of the ports that the system gives away by itself, those that a measurement may take.
_PORTS_MAX = 27_000
# Handshakes under way at once where many are opened; on a busy machine the last waits for all before it.
_AT_ONCE = 50


class RawWebSocket:
    """One client; it answers pings when it reads, and does not close politely."""

    def __init__(self, port: int, *, is_awaited: bool = True, receive_buffer_bytes: int = 0) -> None:
        opened = socket.socket()
        if receive_buffer_bytes:
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer_bytes)
        opened.connect(("127.0.0.1", port))
        self._socket = numbered_high(opened)
        self._socket.settimeout(_TIMEOUT_SECONDS)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._received = b""
        self._socket.sendall(handshake())
        if is_awaited:
            self.opened()

    def opened(self) -> None:
        """Wait for the end of the handshake."""
        while b"\r\n\r\n" not in self._received:
            self._receive()
        head, _, self._received = self._received.partition(b"\r\n\r\n")
        if b" 101 " not in head.partition(b"\r\n")[0]:
            raise ConnectionError(f"The handshake was refused: {head!r:.200}")

    def fileno(self) -> int:
        """For epoll."""
        return self._socket.fileno()

    def send(self, text: bytes) -> None:
        """Send one text message of less than 64 KiB."""
        self._socket.sendall(masked_text(text))

    def next_text(self) -> bytes:
        """Wait for one text message."""
        while True:
            for text in self._texts():
                return text
            self._receive()

    def texts(self) -> Iterator[bytes]:
        """The text messages that one read brings; call it when there is something to read."""
        self._receive()
        yield from self._texts()

    def detach(self) -> socket.socket:
        """The socket, for whoever reads nothing more."""
        return self._socket

    def drain(self) -> bytes:
        """What one read brings, as it comes; a ping in it is answered."""
        found = self._socket.recv(_RECEIVED_MAX)
        if _PING_FRAME in found:
            self._socket.sendall(PONG)
        return found

    def close(self) -> None:
        """Close it."""
        self._socket.close()

    def _receive(self) -> None:
        more = self._socket.recv(_RECEIVED_MAX)
        if not more:
            raise ConnectionError("The server closed a WebSocket.")
        self._received += more

    def _texts(self) -> Iterator[bytes]:
        while (frame := self._frame()) is not None:
            kind, payload = frame
            if kind == CLOSE:
                raise ConnectionError(f"The server closed a WebSocket: {payload!r}")
            if kind == PING:
                self._socket.sendall(PONG)
            if kind == TEXT:
                yield payload

    def _frame(self) -> tuple[int, bytes] | None:
        found = first_frame(self._received)
        if found is None:
            return None
        kind, payload, self._received = found
        return kind, payload


def first_frame(received: bytes) -> tuple[int, bytes, bytes] | None:
    """Kind and payload of the first frame that a server sent, and what follows it; None while it is not whole."""
    if len(received) < 2:
        return None
    size, at = received[1] & 0x7F, 2
    if size >= 126:
        at = 4 if size == 126 else 10
        size = int.from_bytes(received[2:at])
    if len(received) < at + size:
        return None
    return received[0] & 0x0F, received[at : at + size], received[at + size :]


def handshake() -> bytes:
    """The request that opens a WebSocket of the live door."""
    key = b64encode(os.urandom(16)).decode()
    return (
        f"GET {PATH} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n"
        f"Sec-WebSocket-Protocol: {SUBPROTOCOL}\r\n\r\n"
    ).encode()


def masked_text(text: bytes) -> bytes:
    """A text message as a client sends it."""
    # A mask of zeros leaves the text as it is.
    return bytes([_FIN | TEXT]) + _client_size(len(text)) + bytes(4) + text


def _client_size(size: int) -> bytes:
    return bytes([0x80 | size]) if size < 126 else b"\xfe" + size.to_bytes(2)


def open_many(port: int, greetings: Sequence[bytes]) -> list[RawWebSocket]:
    """A client for each greeting, which it sends and whose answer it waits for; an empty one is not sent.

    Those that are open are listened to meanwhile, so that none is taken for dead.
    """
    found: list[RawWebSocket] = []
    with select.epoll() as ready:
        for first in range(0, len(greetings), _AT_ONCE):
            some = greetings[first : first + _AT_ONCE]
            fresh = [RawWebSocket(port, is_awaited=False) for _ in some]
            for client, greeting in zip(fresh, some, strict=True):
                client.opened()
                if greeting:
                    client.send(greeting)
            for client, greeting in zip(fresh, some, strict=True):
                if greeting and b'"subscribed"' not in (told := client.next_text()):
                    raise SystemExit(f"A screen could not subscribe: {told!r}")
                ready.register(client.fileno(), select.EPOLLIN)
            found += fresh
            listen(found, ready)
    return found


def listen(clients: Sequence[RawWebSocket], ready: select.epoll) -> None:
    """Take what has come, and answer pings."""
    numbered = {client.fileno(): client for client in clients}
    while numbers := [number for number, _ in ready.poll(0)]:
        for number in numbers:
            for _ in numbered[number].texts():
                pass


def numbered_high(opened: socket.socket) -> socket.socket:
    """The same socket under a high file number; `select`, which has no others, needs the low ones."""
    moved = socket.socket(fileno=fcntl.fcntl(opened, fcntl.F_DUPFD_CLOEXEC, _HIGH))
    opened.close()
    return moved


def room_for(sockets: int) -> int:
    """Raise the limit of open files, also for programs started later; how many of the sockets fit."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return min(sockets, most - _OTHER_FILES, _PORTS_MAX)
