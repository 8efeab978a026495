"""The history's file: plain or gzip, read as a stream of lines, never as a whole."""

import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from hub.faults import Fault, SettingsInvalid

_GZIP_MAGIC = b"\x1f\x8b"
# A longer line is no till's row: most likely a file that is not a CSV.
_LINE_CHARACTERS_MAX = 1_048_576


class HistoryFile:
    """An open history. `bytes_read` of `bytes_total` says how far the lines have been read."""

    def __init__(self, raw: BinaryIO, text: io.TextIOWrapper, path: Path) -> None:
        self._raw = raw
        self._text = text
        self._path = path
        self.bytes_total = path.stat().st_size

    @property
    def bytes_read(self) -> int:
        """Bytes of the file (compressed, if it is) taken so far; runs ahead of the lines by a buffer."""
        return self._raw.tell()

    def lines(self) -> Iterator[str]:
        """Yield line after line with its ending.

        Raises:
            Fault: the file is damaged, ends in the middle of its compression, or has a line over 1 MiB.
        """
        try:
            while line := self._text.readline(_LINE_CHARACTERS_MAX):
                if len(line) == _LINE_CHARACTERS_MAX:
                    raise Fault(f"{self._path} has a line over {_LINE_CHARACTERS_MAX:,} characters: is it a CSV?")
                yield line
        except (EOFError, OSError, zlib.error) as error:
            raise Fault(f"{self._path} could not be read to its end: {error}") from error


@contextmanager
def open_history(path: Path) -> Iterator[HistoryFile]:
    """Open a CSV, compressed or not by its first bytes, whatever its name ends in.

    Raises:
        SettingsInvalid: there is no such file, or it may not be read.
    """
    try:
        raw = path.open("rb")
    except OSError as error:
        raise SettingsInvalid(f"{path} cannot be opened: {error.strerror}") from error
    with raw:
        compressed = raw.read(2) == _GZIP_MAGIC
        raw.seek(0)
        content = gzip.GzipFile(fileobj=raw) if compressed else raw
        # Columns nobody asked for may hold any bytes, so what is not UTF-8 is found row by row.
        with io.TextIOWrapper(content, encoding="utf-8-sig", errors="surrogateescape", newline="") as text:
            yield HistoryFile(raw, text, path)
