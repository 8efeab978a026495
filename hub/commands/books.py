"""The file that `hub import` sends: what it is, by its first bytes, and its bytes as a stream."""

import asyncio
import sys
import zlib
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO

from hub.faults import Fault, SettingsInvalid

_GZIP_MAGIC = b"\x1f\x8b"
_BOM = b"\xef\xbb\xbf"
_PIECE_BYTES = 64 * 1024


class Books:
    """An open file of books."""

    def __init__(self, name: str, file: BinaryIO, size: int | None) -> None:
        self.name = name
        # Bytes, packed if it is; None: nobody knows.
        self.size = size
        self._file = file
        self._head = file.read(_PIECE_BYTES)
        self.is_packed = self._head.startswith(_GZIP_MAGIC)
        begins = _unpacked(self._head) if self.is_packed else self._head
        is_json = begins.removeprefix(_BOM).lstrip().startswith(b"{")
        self.content_type = "application/x-ndjson" if is_json else "text/csv"

    async def stream(self, on_sent: Callable[[int], None]) -> AsyncIterator[bytes]:
        """The bytes as they stand; `on_sent` hears of each piece's length. Raises Fault."""
        piece = self._head
        while piece:
            yield piece
            on_sent(len(piece))
            try:
                piece = await asyncio.to_thread(self._file.read, _PIECE_BYTES)
            except OSError as error:
                raise Fault(f"{self.name} could not be read to its end: {error.strerror}") from error


@contextmanager
def open_books(file: str) -> Iterator[Books]:
    """Open a file, or standard input for `-`.

    Raises:
        SettingsInvalid: there is no such file, or it may not be read.
    """
    if file == "-":
        yield Books("standard input", sys.stdin.buffer, None)
        return
    path = Path(file)
    with ExitStack() as exits:
        try:
            raw = exits.enter_context(path.open("rb"))
            books = Books(path.name, raw, path.stat().st_size)
        except OSError as error:
            raise SettingsInvalid(f"{file} cannot be opened: {error.strerror}") from error
        yield books


def _unpacked(head: bytes) -> bytes:
    try:
        return zlib.decompressobj(wbits=zlib.MAX_WBITS | 16).decompress(head, _PIECE_BYTES)
    except zlib.error:
        return b""
