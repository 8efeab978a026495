"""What Redis holds as of an entry, kept in the ledger, so that a rebuild does not start at the beginning of time.

Entries are folded in, in order; the place up to which they are is moved first, in the same transaction, so that two who
fold at once are harmless. The tables follow from the entries alone: emptied, they are made anew.
"""

from collections.abc import AsyncIterator, Iterable
from typing import NamedTuple

import asyncpg
import structlog

from hub.domain.entry import PARTITION, Seq
from hub.domain.folding import AHEAD, SEEN, EntryNotFolded, Setting, is_forgotten, settings_in
from hub.ledger.connection import Link

log = structlog.get_logger()

# A bulk upsert on a slow disk takes its time.
COMMAND_SECONDS = 60.0
ENTRIES_PER_FOLD_MAX = 1_000
# A fold takes no further entry once it has so many fields.
FIELDS_PER_FOLD = 50_000
FIELDS_PER_PAGE = 10_000
_DOING = "The ledger's checkpoint cannot be read"
_FOLDING = "The ledger's checkpoint cannot be moved on"

_AT = "SELECT epoch, seq FROM hub.checkpoint WHERE partition = $1"
_AFTER = "partition = $1 AND (epoch, seq) > ($2, $3) ORDER BY epoch, seq LIMIT $4"
# What was set aside the kernel wrote nevertheless.
_ENTRIES = f"""SELECT epoch, seq, entry FROM (
        (SELECT epoch, seq, entry FROM hub.event WHERE {_AFTER})
        UNION ALL (SELECT epoch, seq, entry FROM hub.poison WHERE {_AFTER})) AS entries
    ORDER BY epoch, seq LIMIT $4"""
# Entries of the cursor's epoch that are not folded in, and of those before it all but what is.
_LAG = """SELECT coalesce(cursor_seq + 1, 0) - CASE
        WHEN checkpoint.epoch = cursor_epoch THEN checkpoint.seq + 1 ELSE 0 END AS entries
    FROM hub.hub_state LEFT JOIN hub.checkpoint USING (partition) WHERE partition = $1"""
_PATIENTLY = f"SET LOCAL lock_timeout = '{int(COMMAND_SECONDS * 800)}ms'"
_BEGIN = "INSERT INTO hub.checkpoint (partition, epoch, seq) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING"
_MOVE = "UPDATE hub.checkpoint SET epoch = $2, seq = $3 WHERE partition = $1 AND (epoch, seq) = ($4, $5)"
_SET = """INSERT INTO hub.checkpoint_value (partition, place, field, value)
    SELECT $1, sets.* FROM unnest($2::bytea[], $3::bytea[], $4::bytea[]) AS sets
    ON CONFLICT (partition, place, field) DO UPDATE SET value = EXCLUDED.value"""
_DROP = """DELETE FROM hub.checkpoint_value USING unnest($2::bytea[], $3::bytea[]) AS dropped(place, field)
    WHERE partition = $1 AND checkpoint_value.place = dropped.place AND checkpoint_value.field = dropped.field"""
_FIELDS = "SELECT field, value FROM hub.checkpoint_value WHERE partition = $1 AND place = $2 LIMIT $3"
_PAGE = """SELECT place, array_agg(field) AS fields, array_agg(value) AS values FROM (
        SELECT place, field, value FROM hub.checkpoint_value
        WHERE partition = $1 AND (place, field) > ($2, $3) ORDER BY place, field LIMIT $4) AS page
    GROUP BY place ORDER BY place"""
_OF_DAYS = """SELECT place, field FROM hub.checkpoint_value
    WHERE partition = $1 AND (place = $2 OR place > $3 AND place < $4) AND (place, field) > ($5, $6)
    ORDER BY place, field LIMIT $7"""


class Place(NamedTuple):
    """Some fields of one place, and their values in the same order; None: nothing any more."""

    name: str
    fields: list[bytes]
    values: list[bytes | None]


class Checkpoints:
    """One partition's checkpoint. For one user at a time; its link is another's to close."""

    def __init__(self, link: Link, partition: int = PARTITION) -> None:
        self._link = link
        self._partition = partition

    async def at(self) -> Seq | None:
        """Up to where entries are folded in; None: nothing is.

        Raises:
            Unavailable, ServerRefused: as `Link.use`, here and below.
        """
        async with self._link.use(_DOING) as connection:
            row = await connection.fetchrow(_AT, self._partition)
        return None if row is None else Seq(row["epoch"], row["seq"], self._partition)

    async def lag_entries(self) -> int:
        """How many entries the ledger has that are not folded in; of epochs before the last one they do not count."""
        async with self._link.use(_DOING) as connection:
            return int(await connection.fetchval(_LAG, self._partition) or 0)

    async def entries(self, after: Seq | None, count: int = ENTRIES_PER_FOLD_MAX) -> list[tuple[Seq, bytes]]:
        """The ledger's next entries behind a place, in order."""
        place = (after.epoch, after.number) if after is not None else (0, -1)
        async with self._link.use(_DOING) as connection:
            rows = await connection.fetch(_ENTRIES, self._partition, *place, count)
        return [(Seq(row["epoch"], row["seq"], self._partition), row["entry"]) for row in rows]

    async def fold_on(self) -> int:
        """Fold the next entries in; answers how many, 0 where there are none or another was here meanwhile."""
        at = await self.at()
        fold = Fold()
        for seq, raw in await self.entries(at):
            fold.take(seq, raw)
            if len(fold.fields) >= FIELDS_PER_FOLD:
                break
        if fold.last is None:
            return 0
        async with self._link.use(_FOLDING) as connection, connection.transaction():
            # Another who folds just now is waited for: a rebuild must not end for it.
            await connection.execute(_PATIENTLY)
            return fold.taken if await self._move(connection, at, fold) else 0

    async def _move(self, connection: asyncpg.Connection, at: Seq | None, fold: "Fold") -> bool:
        assert fold.last is not None
        last = (self._partition, fold.last.epoch, fold.last.number)
        if at is None:
            moved = await connection.execute(_BEGIN, *last) == "INSERT 0 1"
        else:
            moved = await connection.execute(_MOVE, *last, at.epoch, at.number) == "UPDATE 1"
        if not moved:
            return False
        sets = [(place.encode(), field, value) for (place, field), value in fold.fields.items() if value is not None]
        drops = [(place.encode(), field) for (place, field), value in fold.fields.items() if value is None]
        if sets:
            await connection.execute(_SET, self._partition, *map(list, zip(*sets, strict=True)))
        if drops:
            await connection.execute(_DROP, self._partition, *map(list, zip(*drops, strict=True)))
        return True

    async def fields(self, place: str) -> dict[bytes, bytes]:
        """The fields of one place that has few."""
        async with self._link.use(_DOING) as connection:
            rows = await connection.fetch(_FIELDS, self._partition, place.encode(), FIELDS_PER_PAGE)
        return {row["field"]: row["value"] for row in rows}

    async def pages(self, seen_from: int) -> AsyncIterator[list[Place]]:
        """Everything folded in, by place, in pages, without what went with its day before `seen_from`."""
        after = (b"", b"")
        while True:
            async with self._link.use(_DOING) as connection:
                rows = await connection.fetch(_PAGE, self._partition, *after, FIELDS_PER_PAGE)
            if not rows:
                return
            after = rows[-1]["place"], max(rows[-1]["fields"])
            yield [place for row in rows if (place := _kept(row, seen_from)).fields]

    async def forget(self, seen_from: int) -> None:
        """Drop what went with its day before `seen_from`."""
        ends = (AHEAD.encode(), SEEN.encode(), SEEN[:-1].encode() + b";")
        after = (b"", b"")
        while True:
            async with self._link.use(_FOLDING) as connection:
                rows = await connection.fetch(_OF_DAYS, self._partition, *ends, *after, FIELDS_PER_PAGE)
                gone = [
                    (row["place"], row["field"])
                    for row in rows
                    if is_forgotten(row["place"].decode(), row["field"], seen_from)
                ]
                if gone:
                    await connection.execute(_DROP, self._partition, *map(list, zip(*gone, strict=True)))
            if not rows:
                return
            after = rows[-1]["place"], rows[-1]["field"]


class Fold:
    """The last value of each field that some entries set."""

    def __init__(self) -> None:
        self.fields: dict[tuple[str, bytes], bytes | None] = {}
        # Of the entries taken: the last place, and how many.
        self.last: Seq | None = None
        self.taken = 0

    def take(self, seq: Seq, raw: bytes) -> None:
        """Take the next entry."""
        self.last, self.taken = seq, self.taken + 1
        try:
            for place, field, value in settings_in(seq, raw):
                self.fields[place, field] = value
        except EntryNotFolded as error:
            log.warning("an entry is left out of the checkpoint", reason=str(error))

    def settings(self) -> list[Setting]:
        """Each of them."""
        return [(place, field, value) for (place, field), value in self.fields.items()]


def places_of(settings: Iterable[Setting]) -> list[Place]:
    """Fields by the place where they lie, the last value of each."""
    found: dict[str, dict[bytes, bytes | None]] = {}
    for name, field, value in settings:
        found.setdefault(name, {})[field] = value
    return [Place(name, list(fields), list(fields.values())) for name, fields in found.items()]


def _kept(row: asyncpg.Record, seen_from: int) -> Place:
    name = row["place"].decode()
    if name != AHEAD and not name.startswith(SEEN):
        return Place(name, row["fields"], row["values"])
    pairs = zip(row["fields"], row["values"], strict=True)
    kept = [pair for pair in pairs if not is_forgotten(name, pair[0], seen_from)]
    return Place(name, [field for field, _ in kept], [value for _, value in kept])
