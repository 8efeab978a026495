"""A table for each month of movements, and of what pools showed, made ahead of need.

Booking never waits for it: what no month's table takes lies in `movement_default` or `shown_default`. A month that
could not be made in time stays there, which costs some speed and nothing else.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from time import monotonic

import asyncpg
import structlog

from hub.ledger.rights import REFUSED

log = structlog.get_logger()

# Year and month.
Month = tuple[int, int]

# What lies in tables of a month each, by `booked_at`.
PARENTS = ("movement", "shown")

# After a failure, so that a month that cannot be made does not cost every batch its lock wait.
_RETRY_SECONDS = 60.0
_LAST_YEAR = 9_998
_LOCK = 0x687562_01


def month_of(instant: datetime) -> Month:
    """The UTC month an instant lies in."""
    utc = instant.astimezone(UTC)
    return utc.year, utc.month


def month_after(month: Month) -> Month:
    """The next month."""
    year, number = month
    return (year + 1, 1) if number == 12 else (year, number + 1)


def table_of(parent: str, month: Month) -> str:
    """The table that holds the parent's rows booked in the month."""
    year, number = month
    return f"{parent}_{year:04}_{number:02}"


class Months:
    """Which months have their table; for one connection."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._made: set[Month] = set()
        self._not_before = 0.0

    async def prepare(self, connection: asyncpg.Connection, booked_at: datetime) -> None:
        """Make the tables of the month of `booked_at` and of the next one, where they are missing.

        A refusal by Postgres is logged and tried again a minute later; a lost connection is raised as asyncpg does.
        """
        month = month_of(booked_at)
        following = month_after(month)
        if following in self._made and month in self._made:
            return
        if self._clock() < self._not_before or month[0] > _LAST_YEAR:
            return
        # Only the two months of now matter, so the set does not grow over the years.
        self._made &= {month, following}
        for wanted in (month, following):
            if wanted not in self._made and all([await self._make(connection, parent, wanted) for parent in PARENTS]):
                self._made.add(wanted)

    async def _make(self, connection: asyncpg.Connection, parent: str, month: Month) -> bool:
        """Make one table; whether it need not be tried again."""
        try:
            async with connection.transaction():
                # A table belongs to who owns its parent; the writer's role may only add rows.
                await connection.execute("SET LOCAL ROLE NONE; SET LOCAL lock_timeout = '1s'")
                await _make_table(connection, parent, month)
        except asyncpg.CheckViolationError:
            # Rows of this month are in the default table already, so the month stays there.
            log.warning("a month stays in the default table", month=table_of(parent, month))
        except asyncpg.PostgresConnectionError:
            raise
        except asyncpg.PostgresError as error:
            self._not_before = self._clock() + _RETRY_SECONDS
            log.warning("a month's table could not be made", month=table_of(parent, month), error=type(error).__name__)
            return False
        return True


async def _make_table(connection: asyncpg.Connection, parent: str, month: Month) -> None:
    """Make the month's table and attach it.

    `CREATE TABLE … PARTITION OF` would lock every reader of the parent out; attaching an empty table that says by a
    check what it holds does not.
    """
    await connection.execute("SELECT pg_advisory_xact_lock($1)", _LOCK)
    table = table_of(parent, month)
    if await connection.fetchval("SELECT to_regclass($1) IS NOT NULL", f"hub.{table}"):
        return
    start, end = (f"'{year:04}-{number:02}-01 00:00:00+00'" for year, number in (month, month_after(month)))
    await connection.execute(
        f"CREATE TABLE hub.{table} (LIKE hub.{parent} INCLUDING DEFAULTS INCLUDING CONSTRAINTS,"
        f" CONSTRAINT month CHECK (booked_at >= {start} AND booked_at < {end}))"
    )
    await connection.execute(
        f"ALTER TABLE hub.{parent} ATTACH PARTITION hub.{table} FOR VALUES FROM ({start}) TO ({end})"
    )
    await connection.execute(f"ALTER TABLE hub.{table} DROP CONSTRAINT month")
    await connection.execute(f"REVOKE {REFUSED} ON hub.{table} FROM CURRENT_USER")
