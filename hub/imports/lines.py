"""Bytes to lines, and lines to what they say: CSV with a header, or JSON Lines. Pure.

Rules:
- A broken line is a value, the reason why; only a header that cannot be read ends an import (`Malformed`).
- A line of CSV is a line of text: a field may be quoted, but no name of ours goes over two lines.
- A column that nobody knows is refused: misspelt, `location` would put all stock in the wrong place.
"""

import csv
import re
from typing import Final, Protocol

import msgspec

from protocol.codec import Malformed, malformed, refuse_duplicate_keys
from protocol.imports import ImportLine
from protocol.limits import IMPORT_LINE_BYTES_MAX, QUANTITY_MAX

_BOM: Final = b"\xef\xbb\xbf"
_COLUMNS: Final = ("sku", "location", "quantity")
_DELIMITERS: Final = ",;\t"
# Spreadsheets write whole numbers as `6.0`.
_WHOLE_NUMBER: Final = re.compile(r"\+?0*([0-9]{1,9})(?:\.0*)?")
_QUOTED_MAX: Final = 40

_decode_line = msgspec.json.Decoder(ImportLine).decode
_encode_line = msgspec.json.Encoder().encode


class Splitter:
    """Cuts a stream of bytes into numbered lines, from 1; what it holds back is bounded by the longest line."""

    def __init__(self) -> None:
        self._rest = b""
        self._number = 0

    def feed(self, more: bytes) -> list[tuple[int, bytes]]:
        """The lines that are whole now, without their endings; empty ones are counted and left out."""
        *whole, rest = (self._rest + more).split(b"\n")
        # A few bytes too many are kept of a line that is too long, and say so.
        self._rest = rest[: IMPORT_LINE_BYTES_MAX + 8]
        first = self._number + 1
        self._number += len(whole)
        return [found for number, line in enumerate(whole, first) if (found := self._clean(number, line))[1]]

    def end(self) -> list[tuple[int, bytes]]:
        """The last line, when nothing ended it."""
        return self.feed(b"\n") if self._rest else []

    def _clean(self, number: int, line: bytes) -> tuple[int, bytes]:
        line = line.removesuffix(b"\r")
        if number == 1:
            line = line.removeprefix(_BOM)
        return number, line if line.strip() else b""


class LineReader(Protocol):
    """Reads the lines of one format."""

    def read_header(self, line: bytes) -> bool:
        """Take the first line, if it is a header; False when it is a line like the others.

        Raises:
            Malformed: it is a header that cannot be read.
        """

    def read(self, line: bytes) -> ImportLine | str:
        """What a line says, or a sentence about why that cannot be known."""


class JsonLines:
    """`{"sku", "location"?, "quantity"}` on each line."""

    def read_header(self, line: bytes) -> bool:
        """There is none."""
        return False

    def read(self, line: bytes) -> ImportLine | str:
        """See LineReader."""
        if len(line) > IMPORT_LINE_BYTES_MAX:
            return _TOO_LONG
        try:
            read = _decode_line(line)
            refuse_duplicate_keys(line, _encode_line(read))
        except Malformed as error:
            return error.detail
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            return _reason(error)
        return read


class CsvLines:
    """`sku`, `quantity` and perhaps `location`, in the order that the header says, separated as it says."""

    def __init__(self) -> None:
        self._delimiter = ","
        self._columns: list[str] = []

    def read_header(self, line: bytes) -> bool:
        """See LineReader."""
        try:
            text = line[:IMPORT_LINE_BYTES_MAX].decode()
        except UnicodeDecodeError as error:
            raise Malformed("The header is not UTF-8.") from error
        self._delimiter = max(_DELIMITERS, key=text.count)
        fields = self._fields(text)
        names = [] if isinstance(fields, str) else [field.lower() for field in fields]
        strange = [name for name in names if name not in _COLUMNS]
        if strange or len(set(names)) < len(names) or not {"sku", "quantity"} <= set(names):
            wanted = "The first line names the columns sku, quantity and, if need be, location, each once"
            raise Malformed(f"{wanted}; this one is {text[:_QUOTED_MAX]!r}.")
        self._columns = names
        return True

    def read(self, line: bytes) -> ImportLine | str:
        """See LineReader."""
        if len(line) > IMPORT_LINE_BYTES_MAX:
            return _TOO_LONG
        try:
            fields = self._fields(line.decode())
        except UnicodeDecodeError:
            return "it is not UTF-8"
        if isinstance(fields, str):
            return fields
        if len(fields) != len(self._columns):
            return f"it has {len(fields)} fields, the header has {len(self._columns)}"
        return _line_of(dict(zip(self._columns, fields, strict=True)))

    def _fields(self, text: str) -> list[str] | str:
        if '"' not in text:
            return [field.strip() for field in text.split(self._delimiter)]
        try:
            [fields] = csv.reader([text], delimiter=self._delimiter, strict=True)
        except csv.Error as error:
            return f"its quotes do not fit: {error}"
        return [field.strip() for field in fields]


_TOO_LONG: Final = f"it is longer than {IMPORT_LINE_BYTES_MAX} bytes"


def _line_of(named: dict[str, str]) -> ImportLine | str:
    quantity = named["quantity"]
    whole = _WHOLE_NUMBER.fullmatch(quantity)
    if whole is None:
        return f"the quantity {quantity[:_QUOTED_MAX]!r} is not a whole number from 0 to {QUANTITY_MAX:,}"
    said = {"sku": named["sku"], "quantity": int(whole[1]), "location": named.get("location") or None}
    try:
        return msgspec.convert(said, ImportLine)
    except msgspec.ValidationError as error:
        return _reason(error)


def _reason(error: Exception) -> str:
    told = malformed(error)
    at = (told.path or "$").removeprefix("$").removeprefix(".")
    return f"{at}: {told.detail}" if at else told.detail
