"""Server-Sent Events as they come off the wire, in pieces of any size. Pure.

Of the standard it has what a feed needs: `id`, `data` and comments; other fields are passed over.
"""

from collections.abc import Iterator

from msgspec import Struct


class TooLong(Exception):
    """An event has more bytes than were allowed."""


class ServerSent(Struct, frozen=True):
    """One event."""

    # Empty where it has none.
    id: str
    # None where it has none: it only says how far the stream is.
    data: bytes | None


class ServerSentEvents:
    """Puts pieces together again; what was begun and never ended is no event."""

    def __init__(self, bytes_max: int) -> None:
        self._bytes_max = bytes_max
        self._rest = b""
        # Of the event that was begun.
        self._id = ""
        self._data: list[bytes] = []
        self._bytes = 0

    def events(self, piece: bytes) -> Iterator[ServerSent]:
        """The events that end with this piece.

        Raises:
            TooLong: one has more bytes than allowed.
        """
        *lines, self._rest = (self._rest + piece).split(b"\n")
        for line in lines:
            if (event := self._take(line.removesuffix(b"\r"))) is not None:
                yield event
        if self._bytes + len(self._rest) > self._bytes_max:
            raise TooLong

    def _take(self, line: bytes) -> ServerSent | None:
        if not line:
            ended = ServerSent(self._id, b"\n".join(self._data) if self._data else None)
            self._id, self._data, self._bytes = "", [], 0
            return ended if ended.id or ended.data is not None else None
        self._bytes += len(line)
        if self._bytes > self._bytes_max:
            raise TooLong
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if name == b"data":
            self._data.append(value)
        elif name == b"id":
            self._id = value.decode(errors="replace")
        return None
