"""What was told to each channel's vendor, and which process tells it.

Who tells a channel holds a lock of its name in Postgres, and writes over the same connection, as for hooks: when that
ends, so do the lock and the right to write, and another process goes on within seconds. An operator has things tried
again without the lock; the `version` tells the sender.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from hashlib import blake2b

import asyncpg
import msgspec

from hub.domain.channels import ChannelNote, ChannelTally
from hub.domain.entry import PARTITION
from hub.domain.offers import Remembered
from hub.faults import ServerRefused, Unavailable
from hub.ledger.connection import Link
from hub.ledger.rows import instant, ms_of

# Channels that are known, those of earlier files among them.
CHANNELS_MAX = 1_000
# SKUs that are read or written in one step.
ROWS_MAX = 2_000

_COLUMNS = "sku, listing, has, tried, taken_at, state, outcome, attempts, conflicts, next_at, why"
_LOCK, _UNLOCK = "SELECT pg_try_advisory_lock($1)", "SELECT pg_advisory_unlock($1)"
_MAKE = """INSERT INTO hub.channel (partition, id) SELECT $1, $2
    WHERE (SELECT count(*) FROM hub.channel WHERE partition = $1) < $3 ON CONFLICT DO NOTHING"""
_TURN = "UPDATE hub.channel SET target = $3 WHERE partition = $1 AND id = $2 AND target <> $3 RETURNING id"
_FORGET = "DELETE FROM hub.offered WHERE partition = $1 AND channel = $2"
_VERSION = "SELECT version FROM hub.channel WHERE partition = $1 AND id = $2"
_NOTE = """UPDATE hub.channel SET waiting = $3, oldest_at = $4, drifting = $5, circuit = $6, why = $7, noted_at = $8
    WHERE partition = $1 AND id = $2 RETURNING version"""
_ROWS = f"""SELECT {_COLUMNS} FROM hub.offered
    WHERE partition = $1 AND channel = $2 AND sku > $3 ORDER BY sku LIMIT $4"""
_ALIVE = f"""SELECT {_COLUMNS} FROM hub.offered
    WHERE partition = $1 AND channel = $2 AND sku = ANY($3) AND state = 'live'"""
_WRITE = f"""INSERT INTO hub.offered (partition, channel, {_COLUMNS})
    SELECT $1, $2, * FROM unnest($3::text[], $4::text[], $5::int[], $6::int[], $7::timestamptz[], $8::text[],
        $9::text[], $10::int[], $11::int[], $12::timestamptz[], $13::text[])
    ON CONFLICT (partition, channel, sku) DO UPDATE SET listing = excluded.listing, has = excluded.has,
        tried = excluded.tried, taken_at = excluded.taken_at, state = excluded.state, outcome = excluded.outcome,
        attempts = excluded.attempts, conflicts = excluded.conflicts, next_at = excluded.next_at, why = excluded.why"""
_TALLIES = """SELECT channel.*, told.* FROM hub.channel, LATERAL (
        SELECT count(*) FILTER (WHERE has IS NOT NULL AND state = 'live') AS told,
            count(*) FILTER (WHERE state = 'dead') AS dead, count(*) FILTER (WHERE state = 'absent') AS absent
        FROM hub.offered WHERE offered.partition = channel.partition AND offered.channel = channel.id) AS told
    WHERE channel.partition = $1 ORDER BY id"""
_DEAD = f"""SELECT {_COLUMNS} FROM hub.offered
    WHERE partition = $1 AND channel = $2 AND sku > $3 AND state = 'dead' ORDER BY sku LIMIT $4"""
_RETRY = """UPDATE hub.offered SET state = 'live', attempts = 0, conflicts = 0, next_at = NULL
    WHERE partition = $1 AND channel = $2 AND ($3::text IS NULL OR sku = $3) AND state IN ('dead', 'absent')"""
_AGAIN = "UPDATE hub.channel SET version = version + 1 WHERE partition = $1 AND id = $2"
_KNOWN = "SELECT FROM hub.channel WHERE partition = $1 AND id = $2"
_TOLD = """SELECT sku, has, tried, taken_at, outcome FROM hub.offered
    WHERE partition = $1 AND channel = $2 AND sku = ANY($3)"""


class Offered:
    """The memory of all channels of one ledger, for any number of callers in turn, over one connection; close it."""

    def __init__(self, link: Link, *, partition: int = PARTITION) -> None:
        self._link = link
        self._partition = partition
        self._turn = asyncio.Lock()
        # The connection that holds locks, and for which channels.
        self._locked_on: asyncpg.Connection | None = None
        self._locked: set[str] = set()

    async def hold(self, id: str) -> bool:
        """Be the process that tells a channel, unless another one is.

        Raises:
            Unavailable, ServerRefused: as `Link.use`, here and below.
        """
        async with self._use() as connection:
            if self._locked_on is not connection:
                # What is lost with the power of its machine is asked for, or told again.
                await connection.execute("SET synchronous_commit = off")
                self._locked_on, self._locked = connection, set()
            if id not in self._locked and await connection.fetchval(_LOCK, _name_of(id)):
                self._locked.add(id)
            return id in self._locked

    async def release(self, id: str) -> None:
        """Let another process tell a channel."""
        if self._holds(id):
            async with self._use() as connection:
                self._locked.discard(id)
                await connection.execute(_UNLOCK, _name_of(id))

    async def opened(self, id: str, target: str) -> int:
        """Begin to tell a channel; its version. What it told to another target is forgotten.

        Raises:
            ServerRefused: there are too many of earlier files.
        """
        async with self._held(id) as connection:
            await connection.execute(_MAKE, self._partition, id, CHANNELS_MAX)
            async with connection.transaction():
                if await connection.fetchrow(_TURN, self._partition, id, target) is not None:
                    await connection.execute(_FORGET, self._partition, id)
            version = await connection.fetchval(_VERSION, self._partition, id)
        if version is None:
            raise ServerRefused(f"more than {CHANNELS_MAX} channels have been set up in this ledger")
        return int(version)

    async def rows(self, id: str, behind: str) -> list[Remembered]:
        """What is remembered of the next SKUs of a channel, in their order; none: that was all."""
        async with self._held(id) as connection:
            rows = await connection.fetch(_ROWS, self._partition, id, behind, ROWS_MAX)
        return list(map(_remembered, rows))

    async def alive(self, id: str, skus: Sequence[str]) -> list[Remembered]:
        """Those of these SKUs that shall be tried."""
        async with self._held(id) as connection:
            rows = await connection.fetch(_ALIVE, self._partition, id, list(skus))
        return list(map(_remembered, rows))

    async def write(self, id: str, rows: Sequence[Remembered]) -> None:
        """Remember these. Raises Unavailable: another process may tell this channel now."""
        async with self._held(id) as connection:
            for start in range(0, len(rows), ROWS_MAX):
                columns = zip(*map(_values, rows[start : start + ROWS_MAX]), strict=True)
                await connection.execute(_WRITE, self._partition, id, *map(list, columns))

    async def note(self, id: str, note: ChannelNote, now: float) -> int:
        """Write how a channel is; its version."""
        values = (note.waiting, _at(note.oldest), note.drifting, note.circuit, note.why, _at(now))
        async with self._held(id) as connection:
            version = await connection.fetchval(_NOTE, self._partition, id, *values)
        if version is None:
            raise Unavailable("the ledger knows nothing of this channel any more")
        return int(version)

    async def tallies(self) -> list[ChannelTally]:
        """Every channel that is known, by name."""
        async with self._use() as connection:
            rows = await connection.fetch(_TALLIES, self._partition)
        return list(map(_tally, rows))

    async def dead(self, id: str, behind: str, most: int) -> list[Remembered]:
        """What was given up, behind a SKU, by SKU."""
        async with self._use() as connection:
            rows = await connection.fetch(_DEAD, self._partition, id, behind, most)
        return list(map(_remembered, rows))

    async def retry(self, id: str, sku: str | None) -> int | None:
        """Have what was given up or not sold tried again, one SKU or all; how many, None: there is no such channel."""
        async with self._use() as connection, connection.transaction():
            if await connection.fetchrow(_KNOWN, self._partition, id) is None:
                return None
            done = await connection.execute(_RETRY, self._partition, id, sku)
            await connection.execute(_AGAIN, self._partition, id)
        return int(str(done).rpartition(" ")[2])

    async def told(self, id: str, skus: Sequence[str]) -> list[Remembered]:
        """What was told of these SKUs, as far as `has`, `tried`, `taken_at` and `outcome` go."""
        async with self._use() as connection:
            rows = await connection.fetch(_TOLD, self._partition, id, list(skus))
        return [Remembered(**dict(row) | {"taken_at": _seconds(row["taken_at"])}) for row in rows]

    async def aclose(self) -> None:
        """Close the connection, and let other processes tell."""
        self._locked_on, self._locked = None, set()
        await self._link.aclose()

    @asynccontextmanager
    async def _use(self) -> AsyncIterator[asyncpg.Connection]:
        async with self._turn, self._link.use("The ledger's channels cannot be read or written") as connection:
            yield connection

    @asynccontextmanager
    async def _held(self, id: str) -> AsyncIterator[asyncpg.Connection]:
        """The connection, while this process may tell the channel."""
        if not self._holds(id):
            raise Unavailable("another process may tell this channel now")
        async with self._use() as connection:
            if connection is not self._locked_on:
                raise Unavailable("another process may tell this channel now")
            yield connection

    def _holds(self, id: str) -> bool:
        connection = self._locked_on
        return connection is not None and not connection.is_closed() and id in self._locked


def _name_of(id: str) -> int:
    """What the lock of a channel is called."""
    return int.from_bytes(blake2b(id.encode(), digest_size=8, person=b"hub channel").digest(), signed=True)


def _at(seconds: float) -> object:
    return instant(int(seconds * 1000)) if seconds else None


def _seconds(at: object) -> float:
    return ms_of(at) / 1000 if at else 0.0  # type: ignore[arg-type]  # a column of times


def _remembered(row: asyncpg.Record) -> Remembered:
    said = dict(row)
    return Remembered(**said | {"taken_at": _seconds(row["taken_at"]), "next_at": _seconds(row["next_at"])})


def _values(row: Remembered) -> tuple[object, ...]:
    said = msgspec.structs.replace(row, listing=_kept(row.listing), why=_kept(row.why))
    return (
        *(said.sku, said.listing, said.has, said.tried, _at(said.taken_at), said.state, said.outcome),
        *(said.attempts, said.conflicts, _at(said.next_at), said.why),
    )


def _kept(text: str) -> str:
    # Postgres keeps no NUL and no half of a letter, and an adapter may quote anything.
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode()


def _tally(row: asyncpg.Record) -> ChannelTally:
    note = ChannelNote(
        waiting=row["waiting"],
        oldest=_seconds(row["oldest_at"]),
        drifting=row["drifting"],
        circuit=row["circuit"],
        why=row["why"],
    )
    return ChannelTally(row["id"], note, _seconds(row["noted_at"]), row["told"], row["dead"], row["absent"])
