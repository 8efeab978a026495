"""WebSocket clients on plain sockets: thousands of them must not cost more than the server they watch."""

import fcntl
import os
import resource
import socket
from base64 import b64encode
from collections.abc import Iterator

from protocol.frames import PATH, SUBPROTOCOL

_RECEIVED_MAX = 1 << 18
_TEXT, _CLOSE, _PING, _PONG = 1, 8, 9, 10
_FIN = 0x80
_TIMEOUT_SECONDS = 30.0
# Files of this process besides its sockets.
_OTHER_FILES = 1_200
_HIGH = 1_024


class RawWebSocket:
    """One client; it answers pings when it reads, and does not close politely."""

    def __init__(self, port: int, *, receive_buffer_bytes: int = 0) -> None:
        opened = socket.socket()
        if receive_buffer_bytes:
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer_bytes)
        opened.connect(("127.0.0.1", port))
        self._socket = _numbered_high(opened)
        self._socket.settimeout(_TIMEOUT_SECONDS)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._received = b""
        key = b64encode(os.urandom(16)).decode()
        self._socket.sendall(
            f"GET {PATH} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n"
            f"Sec-WebSocket-Protocol: {SUBPROTOCOL}\r\n\r\n".encode()
        )
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
        size = bytes([0x80 | len(text)]) if len(text) < 126 else b"\xfe" + len(text).to_bytes(2)
        # A mask of zeros leaves the text as it is.
        self._socket.sendall(bytes([_FIN | _TEXT]) + size + bytes(4) + text)

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
            if kind == _CLOSE:
                raise ConnectionError(f"The server closed a WebSocket: {payload!r}")
            if kind == _PING:
                # The hub's pings are empty.
                self._socket.sendall(bytes([_FIN | _PONG, 0x80]) + bytes(4))
            if kind == _TEXT:
                yield payload

    def _frame(self) -> tuple[int, bytes] | None:
        received = self._received
        if len(received) < 2:
            return None
        size, at = received[1] & 0x7F, 2
        if size >= 126:
            at = 4 if size == 126 else 10
            size = int.from_bytes(received[2:at])
        if len(received) < at + size:
            return None
        self._received = received[at + size :]
        return received[0] & 0x0F, received[at : at + size]


def _numbered_high(opened: socket.socket) -> socket.socket:
    """The same socket under a high file number; `select`, which has no others, needs the low ones."""
    moved = socket.socket(fileno=fcntl.fcntl(opened, fcntl.F_DUPFD_CLOEXEC, _HIGH))
    opened.close()
    return moved


def room_for(sockets: int) -> int:
    """Raise the limit of open files, also for programs started later; how many of the sockets fit."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return min(sockets, most - _OTHER_FILES)
