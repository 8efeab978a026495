"""Heal a partition alone: a lock that all processes of a hub share, the epoch, and which ids the ledger knows.

The epoch is raised before Redis is made anew; every post checks it, so what an older Redis books after that is refused.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from time import monotonic
from uuid import UUID

import asyncpg
import msgspec

from hub.domain.entry import PARTITION, Seq
from hub.domain.folding import (
    EntryNotFolded,
    Setting,
    is_forgotten,
    remembered,
    remembered_in,
    settings_in,
)
from hub.domain.remembering import DAY_MS
from hub.faults import ServerRefused, Unavailable
from hub.ledger.connection import close, connect, translated
from hub.ledger.opening import cursor_of
from hub.ledger.rest import at_rest_since_ms, begin_rest
from hub.ledger.rows import instant, ms_of
from hub.ledger.senders import senders_since

# Of all advisory locks of the hub's this one is for healing; "hub" in ASCII, then its number.
_LOCK = 0x687562_02
# As long as another may take to heal the largest partition.
WAIT_SECONDS = 600.0
COMMAND_SECONDS = 60.0
IDS_PER_PAGE = 10_000
_LOOK_AGAIN_SECONDS = 0.2
_DOING = "The ledger cannot be asked about the partition"

_STATE = "SELECT hub, epoch, cursor_epoch, cursor_seq FROM hub.hub_state WHERE partition = $1"
_RAISE = "UPDATE hub.hub_state SET epoch = $3 WHERE partition = $1 AND epoch = $2"
_NEWEST = "SELECT booked_at FROM hub.event WHERE partition = $1 ORDER BY epoch DESC, seq DESC LIMIT 1"
_LAST_OF = "SELECT max(seq) FROM hub.event WHERE partition = $1 AND epoch = $2"
_BOOKED_AT = """SELECT booked_at FROM hub.event WHERE partition = $1 AND epoch = $2 AND seq >= $3
    ORDER BY epoch, seq LIMIT 1"""
_IDS = """SELECT epoch, seq, kind, source, id, hash, booked_at FROM hub.event
    WHERE partition = $1 AND (epoch, seq) > ($2, $3) ORDER BY epoch, seq LIMIT $4"""
_POISON = "SELECT epoch, seq, entry FROM hub.poison WHERE partition = $1 ORDER BY epoch, seq"
_BETWEEN = """SELECT epoch, seq, entry FROM hub.event
    WHERE partition = $1 AND (epoch, seq) BETWEEN ($2, $3) AND ($4, $5)
    UNION ALL SELECT epoch, seq, entry FROM hub.poison
    WHERE partition = $1 AND (epoch, seq) BETWEEN ($2, $3) AND ($4, $5)"""
_IS_HELD = """SELECT EXISTS (SELECT FROM pg_locks JOIN pg_database ON pg_database.oid = pg_locks.database
    WHERE datname = current_database() AND locktype = 'advisory' AND granted
      AND (classid::bigint, objid::bigint) = ($1::bigint, $2::bigint) AND objsubid = 2)"""
_AFTER_ALL = datetime.max.replace(tzinfo=UTC)


class LedgerStanding(msgspec.Struct, frozen=True):
    """What the ledger says of the partition."""

    hub: UUID
    epoch: int
    cursor: Seq | None


class HealingLock:
    """The lock while it is held, and what only its holder does; made by `healing`."""

    def __init__(self, connection: asyncpg.Connection, partition: int) -> None:
        self._connection = connection
        self._partition = partition

    async def standing(self) -> LedgerStanding:
        """What the ledger says now; also whether the lock's connection lives.

        Raises:
            ServerRefused: the ledger never belonged to a hub.
            Unavailable: Postgres does not answer, here and below.
        """
        with translated(_DOING):
            row = await self._connection.fetchrow(_STATE, self._partition)
        if row is None:
            raise ServerRefused("there is nothing to rebuild: the ledger never belonged to a hub")
        return LedgerStanding(UUID(str(row["hub"])), row["epoch"], cursor_of(row, self._partition))

    async def raise_epoch(self, epoch: int, seen: int) -> int:
        """Raise the epoch above this one, if it is still this one, and above one that was seen; answers the new one.

        Raises:
            Unavailable: another raised it.
        """
        with translated("The epoch cannot be raised"):
            new = max(epoch, seen) + 1
            if await self._connection.execute(_RAISE, self._partition, epoch, new) != "UPDATE 1":
                raise Unavailable("another process raised the epoch")
        return new

    async def newest_booked_at_ms(self) -> int:
        """When the newest entry was booked; 0 where there is none."""
        with translated(_DOING):
            booked_at = await self._connection.fetchval(_NEWEST, self._partition)
        return 0 if booked_at is None else ms_of(booked_at)

    async def senders_since(self, heard_at_ms: int) -> tuple[str, ...]:
        """The sources that were heard then or later, as far as the ledger knows; at most 10,000, sorted."""
        with translated(_DOING):
            return await senders_since(self._connection, heard_at_ms, self._partition)

    async def entries_between(self, first: Seq, last: Seq) -> dict[Seq, bytes]:
        """The ledger's entries from one place to another, both included."""
        ends = (first.epoch, first.number, last.epoch, last.number)
        with translated(_DOING):
            rows = await self._connection.fetch(_BETWEEN, self._partition, *ends)
        return {_place(row): row["entry"] for row in rows}

    async def at_rest_since_ms(self) -> int | None:
        """Since when nobody works with the hub, all that was answered being in the ledger; None where somebody may."""
        with translated(_DOING):
            return await at_rest_since_ms(self._connection, self._partition)

    async def begin_rest(self, answered: Seq) -> bool:
        """Say that nobody works with the hub, if the ledger has all up to this entry; nobody must be at work."""
        with translated(_DOING):
            return await begin_rest(self._connection, answered)

    async def remembered_since(self, booked_at_ms: int) -> AsyncIterator[list[Setting]]:
        """The dedupe records of entries booked then or later, in pages, the oldest first."""
        at = await self._first_since(instant(booked_at_ms))
        while True:
            with translated(_DOING):
                rows = await self._connection.fetch(_IDS, self._partition, at.epoch, at.number, IDS_PER_PAGE)
            if not rows:
                break
            at = _place(rows[-1])
            yield [setting for row in rows if (setting := _remembered(row)) is not None]
        # Seldom any, and of an id that was booked as well the newer record may lose: it is the same id either way.
        with translated(_DOING):
            set_aside = await self._connection.fetch(_POISON, self._partition)
        seen_from = booked_at_ms // DAY_MS
        settings = [setting for row in set_aside if (setting := _of_poison(row)) is not None]
        yield [setting for setting in settings if not is_forgotten(setting[0], setting[1], seen_from)]

    async def unread(self) -> int:
        """How many entries this version cannot read, so that nobody knows what they set."""
        with translated(_DOING):
            set_aside = await self._connection.fetch(_POISON, self._partition)
        return sum(not _is_read(row) for row in set_aside)

    async def _first_since(self, booked_at: datetime) -> Seq:
        """A place before all entries booked then or later; booking times never go back."""
        epoch = (await self.standing()).epoch
        while epoch > 1 and await self._booked_at(epoch, 0) >= booked_at:
            epoch -= 1
        low, high = 0, await self._beyond(epoch)
        while low < high:
            middle = (low + high) // 2
            if await self._booked_at(epoch, middle) < booked_at:
                low = middle + 1
            else:
                high = middle
        return Seq(epoch, low - 1, self._partition)

    async def _beyond(self, epoch: int) -> int:
        with translated(_DOING):
            last = await self._connection.fetchval(_LAST_OF, self._partition, epoch)
        return 0 if last is None else int(last) + 1

    async def _booked_at(self, epoch: int, number: int) -> datetime:
        """When the first entry from a place on was booked; of an epoch without any, after all others."""
        with translated(_DOING):
            found: datetime | None = await self._connection.fetchval(_BOOKED_AT, self._partition, epoch, number)
        return found or _AFTER_ALL


@asynccontextmanager
async def healing(
    dsn: str, *, wait_seconds: float = WAIT_SECONDS, partition: int = PARTITION
) -> AsyncIterator[HealingLock]:
    """Hold the lock inside the block; it goes with its connection, however the process ends.

    Raises:
        Unavailable: another heals for longer than `wait_seconds`, or Postgres does not answer.
        SettingsInvalid, ServerRefused: as `connect`.
    """
    connection = await connect(dsn, "healing", command_seconds=COMMAND_SECONDS)
    try:
        until = monotonic() + wait_seconds
        while not await _try_lock(connection, partition):
            if monotonic() >= until:
                raise Unavailable("another process of this hub heals Redis for too long", 5)
            await asyncio.sleep(_LOOK_AGAIN_SECONDS)
        yield HealingLock(connection, partition)
    finally:
        await close(connection)


async def is_healing(connection: asyncpg.Connection, partition: int = PARTITION) -> bool:
    """Whether somebody holds the lock now."""
    return bool(await connection.fetchval(_IS_HELD, _LOCK, partition))


async def _try_lock(connection: asyncpg.Connection, partition: int) -> bool:
    with translated("The lock for healing cannot be taken"):
        return bool(await connection.fetchval("SELECT pg_try_advisory_lock($1, $2)", _LOCK, partition))


def _place(row: asyncpg.Record) -> Seq:
    return Seq(row["epoch"], row["seq"])


def _remembered(row: asyncpg.Record) -> Setting | None:
    booked_at_ms = ms_of(row["booked_at"])
    return remembered(_place(row), row["kind"], row["source"], row["id"], row["hash"], booked_at_ms)


def _is_read(row: asyncpg.Record) -> bool:
    try:
        settings_in(_place(row), row["entry"])
    except EntryNotFolded:
        return False
    return True


def _of_poison(row: asyncpg.Record) -> Setting | None:
    try:
        return remembered_in(_place(row), row["entry"])
    except EntryNotFolded:
        return None
