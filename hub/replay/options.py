"""What a replay is asked to do, and how its words on the command line are read."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from hub.faults import SettingsInvalid
from protocol.limits import EVENTS_PER_ARRAY_MAX

# The things a column can be; `id` and `location` may be missing.
COLUMN_ROLES = ("id", "sku", "quantity", "time", "location")

_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayOptions:
    """Everything `replay` and `house_toml` need. Raises `SettingsInvalid` for a name the hub would refuse."""

    # A CSV, plain or gzip, with a header row.
    file: Path
    url: str = "http://127.0.0.1:8080"
    # A bearer token with scope `events:write`.
    token: str = field(default="", repr=False)
    # Role to column name, as `parse_columns` gives it; None: known by its header.
    columns: Mapping[str, str] | None = None
    # For times without an offset, an IANA name.
    timezone: str = "UTC"
    # Every row happened here, whatever its own location says; None: the file's location column.
    location: str | None = None
    # The pool that sold; None: `store` when the rows name their locations, `online` when `location` does.
    pool: str | None = None
    # How many times faster than it happened; None: as fast as the hub takes it.
    speed: float | None = None
    # How long the hub may give no answer at all before the replay gives up.
    patience_seconds: float = 60.0
    # The most events in one request.
    array_events_max: int = EVENTS_PER_ARRAY_MAX
    # Requests under way at once.
    in_flight_max: int = 4

    def __post_init__(self) -> None:
        for option, name in (("--location", self.location), ("--pool", self.pool)):
            if name is not None and not _NAME.fullmatch(name):
                raise SettingsInvalid(f"{option} {name!r} is not an id: 1-64 of A-Z a-z 0-9 . _ -")


def parse_columns(text: str) -> dict[str, str]:
    """Read `id=InvoiceNo,sku=StockCode,…` into role to column name.

    Raises:
        SettingsInvalid: a role is unknown, named twice, or one that is needed is missing.
    """
    columns: dict[str, str] = {}
    for part in text.split(","):
        role, equals, name = (piece.strip() for piece in part.partition("="))
        if not equals or not name or role not in COLUMN_ROLES:
            raise SettingsInvalid(f"--columns: {part!r} is not ROLE=COLUMN with a role of {', '.join(COLUMN_ROLES)}")
        if role in columns:
            raise SettingsInvalid(f"--columns: {role} is named twice")
        columns[role] = name
    missing = [role for role in ("sku", "quantity", "time") if role not in columns]
    if missing:
        raise SettingsInvalid(f"--columns: no column is named for {', '.join(missing)}")
    return columns


def parse_speed(text: str) -> float | None:
    """Read `1000x`, `0.5x`, `60` or `max` (None).

    Raises:
        SettingsInvalid: it is none of them, or not a positive number.
    """
    if text.strip().lower() == "max":
        return None
    try:
        speed = float(text.strip().lower().removesuffix("x"))
    except ValueError:
        speed = math.nan
    if not (math.isfinite(speed) and speed > 0):
        raise SettingsInvalid(f"--speed {text!r} is neither max nor a number above 0 such as 1000x")
    return speed


def parse_timezone(name: str) -> tzinfo:
    """Find the time zone of an IANA name; `UTC` needs no time zone database.

    Raises:
        SettingsInvalid: this machine knows no such zone.
    """
    if name.upper() == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise SettingsInvalid(f"--timezone {name!r} is not a time zone this machine knows") from error
