"""One keep-alive connection to the HTTP door with at most one request under way.

Bytes go out as they were made beforehand, and of an answer only its status and its length are read: an HTTP client
costs more than the hub that is to be measured.
"""

import asyncio
import ssl
from collections.abc import Callable
from urllib.parse import SplitResult

# Far above what 1,000 answers with alerts take.
_ANSWER_BYTES_MAX = 16 * 1024 * 1024
_HEAD_END = b"\r\n\r\n"
_LENGTH = b"\r\ncontent-length:"
CONNECT_SECONDS_MAX = 10.0


class HttpLine(asyncio.Protocol):
    """Tells `answered` of each answer and `lost` of the end of the connection, with the reason."""

    def __init__(self, answered: Callable[[int, bytes], None], lost: Callable[[str], None]) -> None:
        self._answered = answered
        self._lost = lost
        self._transport: asyncio.Transport | None = None
        self._received = b""
        self._reason = "dropped"

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It is open."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def send(self, content: bytes) -> None:
        """Send a request."""
        assert self._transport is not None
        self._transport.write(content)

    def abort(self, reason: str) -> None:
        """Wait for no answer any more."""
        self._reason = reason
        if self._transport is not None:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        """Take bytes of an answer."""
        received = self._received + data if self._received else data
        end = received.find(_HEAD_END)
        if end < 0:
            self._keep(received)
            return
        head = received[:end].lower()
        at = head.find(_LENGTH)
        length = head[at + len(_LENGTH) :].partition(b"\r")[0].strip()
        status = head[9:12]
        if at < 0 or not (head.startswith(b"http/1.1 ") and length.isdigit() and status.isdigit()):
            self.abort("no HTTP/1.1 answer with a length")
            return
        body_at = end + len(_HEAD_END)
        whole = body_at + int(length)
        if len(received) < whole:
            self._keep(received)
            return
        self._received = b""
        self._answered(int(status), received[body_at:whole])

    def connection_lost(self, exc: Exception | None) -> None:
        """It is over."""
        self._transport = None
        self._lost(self._reason)

    def _keep(self, received: bytes) -> None:
        if len(received) > _ANSWER_BYTES_MAX:
            self.abort("an answer too long")
        self._received = received


def secured(address: SplitResult) -> ssl.SSLContext | None:
    """What checks the certificate of an `https` or `wss` address."""
    return ssl.create_default_context() if address.scheme in ("https", "wss") else None


def port_of(address: SplitResult) -> int:
    """The port of an address, named or usual."""
    return address.port or (443 if address.scheme in ("https", "wss") else 80)


async def connect(address: SplitResult, protocol: Callable[[], asyncio.Protocol]) -> None:
    """Open a connection for a protocol.

    Raises:
        OSError: nothing answers there.
    """
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(CONNECT_SECONDS_MAX):
        await loop.create_connection(protocol, address.hostname or "", port_of(address), ssl=secured(address))
