"""One row of a history: its fields checked and read, or a sentence about why it cannot be. Pure."""

import re
import unicodedata
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from functools import lru_cache
from hashlib import sha256

from hub.replay.layout import Layout
from protocol.limits import NAME_CHARS_MAX, SKU_CHARS_MAX

# An event id also holds the file's name and a row number, in 200 characters.
_INVOICE_CHARS_MAX = 100

# Spreadsheets and data frames write whole numbers as `6.0`.
_WHOLE_NUMBER = re.compile(r"([+-]?)0*([0-9]+?)(?:\.0*)?")
_NOT_IN_A_NAME = re.compile(r"[^A-Za-z0-9._-]+")


class RowUnreadable(ValueError):
    """A row is not what its layout says; the text names the field."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the history. `quantity` keeps the file's sign and may be 0 or beyond what the hub takes."""

    number: int
    invoice: str
    sku: str
    quantity: int
    time: datetime
    location: str


def read_row(number: int, fields: list[str], layout: Layout, *, zone: tzinfo, location: str | None) -> Row:
    """Read one row; `location` overrides the row's own.

    Raises:
        RowUnreadable: a field is missing, or is not text the hub takes, a whole number or a time.
    """
    if len(fields) != layout.width:
        raise RowUnreadable(f"it has {len(fields)} fields, the header has {layout.width}")
    if location is None:
        assert layout.location is not None
        location = location_name(fields[layout.location], layout.location_prefix)
    invoice = "" if layout.id is None else fields[layout.id]
    if invoice:
        _check_text("invoice", invoice, _INVOICE_CHARS_MAX)
    sku = fields[layout.sku]
    _check_text("SKU", sku, SKU_CHARS_MAX)
    quantity = read_quantity(fields[layout.quantity])
    return Row(number, invoice, sku, quantity, read_time(fields[layout.time], zone), location)


def read_quantity(text: str) -> int:
    """Read a whole number with or without a sign; anything beyond 18 digits reads as 10^18.

    Raises:
        RowUnreadable: it is not a whole number.
    """
    match = _WHOLE_NUMBER.fullmatch(text.strip())
    if match is None:
        raise RowUnreadable(f"quantity {text[:40]!r} is not a whole number")
    sign, digits = match.groups()
    magnitude = int(digits) if len(digits) <= 18 else 10**18
    return -magnitude if sign == "-" else magnitude


@lru_cache(maxsize=4_096)
def read_time(text: str, zone: tzinfo) -> datetime:
    """Read an ISO 8601 time (or a date: its midnight), in `zone` when it names no offset, as UTC.

    Raises:
        RowUnreadable: it is not one.
    """
    try:
        time = datetime.fromisoformat(text.strip())
        return (time if time.tzinfo else time.replace(tzinfo=zone)).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise RowUnreadable(f"time {text[:40]!r} is not ISO 8601, such as 2010-12-01T08:26:00") from error


@lru_cache(maxsize=4_096)
def location_name(text: str, prefix: str = "") -> str:
    """Make a location id of the file's name for it: itself where it is one, else its legal part and a digest.

    The digest keeps two places apart whose names differ only in what an id cannot hold.

    Raises:
        RowUnreadable: the row names no location.
    """
    if not text.strip():
        raise RowUnreadable("it names no location")
    name = prefix + text
    if len(name) <= NAME_CHARS_MAX and not _NOT_IN_A_NAME.search(name):
        return name
    digest = sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:8]
    return f"{legal(name)[: NAME_CHARS_MAX - 9]}-{digest}"


def legal(text: str) -> str:
    """Replace every run of characters that no id of the house may hold by one `-`."""
    return _NOT_IN_A_NAME.sub("-", text).strip("-") or "x"


def _check_text(what: str, text: str, chars_max: int) -> None:
    """Check length and characters. Raises RowUnreadable."""
    if not 1 <= len(text) <= chars_max:
        raise RowUnreadable(f"{what} {text[:40]!r} is not 1-{chars_max} characters long")
    if text.isprintable():
        return
    categories = {unicodedata.category(character) for character in text}
    if "Cs" in categories:
        raise RowUnreadable(f"{what} {text[:40]!a} is not UTF-8")
    if "Cc" in categories:
        raise RowUnreadable(f"{what} {text[:40]!r} holds a control character")
