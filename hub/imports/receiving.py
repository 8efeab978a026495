"""An import's lines as they come: read, checked against the house and the sender's token, put into windows.

Nothing but what is checked here needs the sender's token again, so an import goes on after a restart without it.
"""

from hashlib import blake2b
from typing import BinaryIO

import msgspec

from hub.access import Claims
from hub.domain.rules import House
from hub.imports.lines import CsvLines, JsonLines, LineReader, Splitter
from hub.imports.spool import WINDOW_LINES_MAX, Window, write_window
from hub.imports.state import Asked
from protocol.codec import Malformed
from protocol.identifiers import nfc
from protocol.imports import ImportLine, LineError
from protocol.limits import DETAIL_CHARS_MAX, IMPORT_BYTES_MAX, IMPORT_ERRORS_MAX, IMPORT_LINES_MAX, SKU_CHARS_MAX

_encode = msgspec.json.Encoder().encode


class Reception:
    """Takes one import's bytes; `lines`, `broken` and `errors` count up to here."""

    def __init__(self, asked: Asked, claims: Claims, house: House, file: BinaryIO) -> None:
        self.lines = 0
        self.broken = 0
        self.errors: list[LineError] = []
        self._asked = asked
        self._claims = claims
        self._house = house
        self._file = file
        self._splitter = Splitter()
        self._reader: LineReader = CsvLines() if asked.format == "csv" else JsonLines()
        self._has_begun = False
        self._bytes = 0
        self._digest = blake2b(_encode(asked), digest_size=16)
        # A number for each (location, SKU) that was named: a million names themselves would take too much room.
        self._named: set[int] = set()
        # Location → its window that is not full; the most lines of an import bound them all.
        self._windows: dict[str, Window] = {}
        self._locations: dict[str, None] = {}

    @property
    def digest(self) -> str:
        """Of everything that was sent."""
        return self._digest.hexdigest()

    @property
    def locations(self) -> list[str]:
        """The locations that good lines name."""
        return list(self._locations)

    def feed(self, more: bytes) -> None:
        """Take some bytes, unpacked; a few kilobytes take a millisecond.

        Raises:
            Malformed: the header cannot be read, or there are too many bytes (`too_large`) or lines (`too_many`).
            OSError: the lines cannot be written.
        """
        self._bytes += len(more)
        if self._bytes > IMPORT_BYTES_MAX:
            detail = f"An import has at most {IMPORT_BYTES_MAX} bytes, also after unpacking; send it in parts."
            raise Malformed(detail, problem="too_large")
        self._digest.update(more)
        self._take(self._splitter.feed(more))

    def end(self) -> None:
        """Everything was fed. Raises as `feed`."""
        self._take(self._splitter.end())
        if self._asked.format == "csv" and not self._has_begun:
            raise Malformed("There is nothing in it, not even a header.")
        for window in self._windows.values():
            write_window(self._file, window)
        self._windows.clear()
        self._named.clear()
        self._file.flush()

    def _take(self, numbered: list[tuple[int, bytes]]) -> None:
        for number, line in numbered:
            if not self._has_begun:
                self._has_begun = True
                if self._reader.read_header(line):
                    continue
            self.lines += 1
            if self.lines > IMPORT_LINES_MAX:
                raise Malformed(
                    f"An import has at most {IMPORT_LINES_MAX:,} lines; send it in parts.", problem="too_many"
                )
            read = self._reader.read(line)
            reason = read if isinstance(read, str) else self._place(read)
            if reason is not None:
                self._tell(number, reason)

    def _place(self, line: ImportLine) -> str | None:
        """Put a line into its window; the reason when it has no place."""
        location = line.location or self._asked.location
        if location is None:
            return "it names no location, and the import has none for such lines"
        if not self._claims.may_location(location):
            return f"the token does not allow the location {location}"
        if location not in self._house.locations:
            return f"there is no location {location}"
        if not line.sku.isascii() and len(nfc(line.sku)) > SKU_CHARS_MAX:
            return f"the SKU has more than {SKU_CHARS_MAX} characters in Unicode's normal form C"
        sku = self._house.sku(line.sku)
        name = hash((location, sku))
        if name in self._named:
            return f"{sku} at {location} stands in an earlier line"
        self._named.add(name)
        window = self._windows.get(location)
        if window is None:
            self._locations[location] = None
            window = self._windows[location] = Window(location, [], [])
        window.skus.append(sku)
        window.quantities.append(line.quantity)
        if len(window.skus) == WINDOW_LINES_MAX:
            write_window(self._file, self._windows.pop(location))
        return None

    def _tell(self, number: int, reason: str) -> None:
        self.broken += 1
        if len(self.errors) < IMPORT_ERRORS_MAX:
            self.errors.append(LineError(number, reason[:DETAIL_CHARS_MAX]))
