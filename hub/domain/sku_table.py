"""SKUs as a table of text: a CSV with the columns `sku`, `category`, `brand`, `aliases`, and any others as attributes.

Several aliases of one SKU stand in one cell with `;` between them. An empty cell says nothing.
"""

import csv
from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from hub.domain.catalogue import ATTRIBUTES_MAX, SkuSettings

_OWN = ("sku", "category", "brand", "aliases")


class Row(NamedTuple):
    """One row: the line it ends on, and the SKU, or what is wrong with it."""

    line: int
    # As written; empty where the row has none.
    name: str
    sku: SkuSettings | None
    problem: str


class TableUnreadable(Exception):
    """The text is no such table at all; its text is one sentence."""


def read_sku_table(text: str) -> Iterator[Row]:
    """Read the rows one after the other; a bad one spoils only itself.

    Raises:
        TableUnreadable: there is no header with a column `sku`, or the text stops being CSV.
    """
    lines = (line + "\n" for line in text.removeprefix("\ufeff").split("\n"))
    reader = csv.reader(lines, strict=True)
    try:
        header = [cell.strip() for cell in next(reader, [])]
        _check_header(header)
        for cells in reader:
            if any(cell.strip() for cell in cells):
                yield _row(reader.line_num, header, [cell.strip() for cell in cells])
    except csv.Error as error:
        raise TableUnreadable(f"line {reader.line_num}: {error}") from error


def _check_header(header: list[str]) -> None:
    if "sku" not in header:
        raise TableUnreadable("line 1: the header must name a column `sku`; it may name category, brand and aliases")
    if "" in header or len(set(header)) < len(header):
        raise TableUnreadable("line 1: every column needs a name of its own")
    if len(header) > ATTRIBUTES_MAX + len(_OWN):
        raise TableUnreadable(f"line 1: at most {ATTRIBUTES_MAX} attributes are kept of a SKU")


def _row(line: int, header: list[str], cells: list[str]) -> Row:
    if len(cells) > len(header):
        return Row(line, cells[header.index("sku")], None, f"has {len(cells)} cells, the header {len(header)}")
    said = {name: cell for name, cell in zip(header, cells, strict=False) if cell}
    name = said.get("sku", "")
    if not name:
        return Row(line, "", None, "names no `sku`")
    table = {
        "id": name,
        "category": said.get("category"),
        "brand": said.get("brand"),
        "aliases": [alias.strip() for alias in said.get("aliases", "").split(";") if alias.strip()],
        "attributes": {column: cell for column, cell in said.items() if column not in _OWN},
    }
    try:
        return Row(line, name, msgspec.convert(table, SkuSettings), "")
    except msgspec.ValidationError as error:
        return Row(line, name, None, str(error).replace(" - at `$.", " in `"))
