"""Which column of a history is what: known by its header, or named by the user."""

import csv
from collections.abc import Mapping
from dataclasses import dataclass

from hub.faults import SettingsInvalid

_DELIMITERS = (",", ";")


@dataclass(frozen=True, slots=True)
class KnownHistory:
    """A published data set that is recognised by its header."""

    columns: Mapping[str, str]
    # Stands before the set's bare store numbers, so that they read as locations.
    location_prefix: str = ""


KNOWN_HISTORIES = (
    # UCI "Online Retail": a web shop, no stores.
    KnownHistory({"id": "InvoiceNo", "sku": "StockCode", "quantity": "Quantity", "time": "InvoiceDate"}),
    # "Complete Journey": till lines of grocery stores.
    KnownHistory(
        {
            "id": "basket_id",
            "sku": "product_id",
            "quantity": "quantity",
            "time": "transaction_timestamp",
            "location": "store_id",
        },
        location_prefix="store-",
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Where a row's fields stand. `id` and `location` are None when the file has no such column."""

    delimiter: str
    width: int
    sku: int
    quantity: int
    time: int
    id: int | None
    location: int | None
    location_prefix: str = ""


def layout_of(header: str, columns: Mapping[str, str] | None) -> Layout:
    """Find the columns in a header line, separated by `,` or `;`.

    Raises:
        SettingsInvalid: a named column is missing or stands there twice, or, with no columns named,
            the header is none of the known ones.
    """
    readings = [(delimiter, _names(header, delimiter)) for delimiter in _DELIMITERS]
    wanted = KNOWN_HISTORIES if columns is None else (KnownHistory(columns),)
    for known in wanted:
        for delimiter, names in readings:
            if all(names.count(name) == 1 for name in known.columns.values()):
                return _layout(delimiter, names, known)
    _, names = max(readings, key=lambda reading: len(reading[1]))
    has = ", ".join(names)[:500]
    if columns is None:
        raise SettingsInvalid(f"the header ({has}) is no known history: name its columns with --columns")
    missing = [name for name in columns.values() if names.count(name) != 1]
    raise SettingsInvalid(f"--columns: not exactly one column is called {', '.join(missing)}; the file has {has}")


def _names(header: str, delimiter: str) -> list[str]:
    try:
        return [name.strip() for name in next(csv.reader([header], delimiter=delimiter), [])]
    except csv.Error:
        return []


def _layout(delimiter: str, names: list[str], known: KnownHistory) -> Layout:
    at = {role: names.index(name) for role, name in known.columns.items()}
    return Layout(
        delimiter=delimiter,
        width=len(names),
        sku=at["sku"],
        quantity=at["quantity"],
        time=at["time"],
        id=at.get("id"),
        location=at.get("location"),
        location_prefix=known.location_prefix,
    )
