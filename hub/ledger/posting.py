"""Post journal entries to the ledger: rows and cursor in one transaction, so each entry lands once.

Rules: the cursor is moved first, and only from where the caller believes it is; that takes the row's lock and tells
a second writer to look again. What Postgres refuses for its content is narrowed down to single entries and set
aside, so that one bad entry never stops the ledger.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

import asyncpg

from hub.crashpoints import crash
from hub.domain.entry import Seq
from hub.faults import Fault
from hub.ledger.packing import PACKED, Packer
from hub.ledger.rows import (
    COUNT_COLUMNS,
    EVENT_COLUMNS,
    MOVEMENT_COLUMNS,
    POISON_COLUMNS,
    SHOWN_COLUMNS,
    Booking,
    columns,
    mark_doubled,
    set_aside,
    with_rows,
)

# Up to here one statement over arrays is faster (one round trip, 1.0 ms against 2.1 for a sale that four pools show),
# beyond it COPY is; for such sales they are equal at about 20, for entries that no pool shows at about 40.
SINGLE_STATEMENT_ENTRIES_MAX = 24

_ONCE = "event_once"

# What says that a value, not the server, is wrong: classes 22 and 23, and asyncpg's own refusals to encode.
_REFUSALS = (
    asyncpg.DataError,
    asyncpg.IntegrityConstraintViolationError,
    ValueError,
    TypeError,
    OverflowError,
)


class CursorMoved(Fault):
    """Another writer was here, or the epoch was raised: nothing was written, read the state again."""


class LedgerAhead(Fault):
    """The ledger has entries beyond its own cursor; somebody has written into it by hand."""


def _insert(table: str, types: dict[str, str], first: int) -> str:
    arrays = ", ".join(f"${first + index}::{kind}[]" for index, kind in enumerate(types.values()))
    return f"INSERT INTO hub.{table} ({', '.join(types)}) SELECT rows.* FROM moved, unnest({arrays}) AS rows"


_MOVE_CURSOR = """UPDATE hub.hub_state SET cursor_epoch = $2, cursor_seq = $3
    WHERE partition = $1 AND epoch = $2
      AND (cursor_epoch, cursor_seq) IS NOT DISTINCT FROM ($4::integer, $5::bigint)"""
_POST_FEW = f"""WITH moved AS ({_MOVE_CURSOR} RETURNING 1),
    events AS ({_insert("event", EVENT_COLUMNS, 6)}),
    movements AS ({_insert("movement", MOVEMENT_COLUMNS, 6 + len(EVENT_COLUMNS))}),
    shown AS ({_insert("shown", SHOWN_COLUMNS, 6 + len(EVENT_COLUMNS) + len(MOVEMENT_COLUMNS))})
    SELECT count(*) FROM moved"""
_BOOKED_BEFORE = """SELECT source, id FROM unnest($2::text[], $3::text[]) AS asked(source, id)
    WHERE EXISTS (SELECT FROM hub.event WHERE event.source = asked.source AND event.id = asked.id
                  AND partition = $1 AND kind = 'fact')"""


async def post(
    connection: asyncpg.Connection, after: Seq | None, bookings: Sequence[Booking], packer: Packer | None = None
) -> list[Booking]:
    """Post consecutive entries of one epoch behind the cursor `after`; answers what was posted in the end.

    A fact that was booked before comes back as `doubled`, one that Postgres does not take as a poison row. `packer`, if
    given, has taken just these entries.

    Raises:
        CursorMoved: the cursor is not at `after`, or the epoch is another; nothing was written.
        LedgerAhead: the ledger has entries behind its cursor.
        asyncpg's and the system's errors: the caller translates them.
    """
    if packer is not None and packer.is_whole:
        # What is refused is looked at more closely.
        with suppress(*_REFUSALS):
            await _write_packed(connection, _cursor(after, bookings), packer)
            return list(bookings)
    bookings = with_rows(bookings)
    try:
        await _write(connection, after, bookings)
        return bookings
    except asyncpg.UniqueViolationError as error:
        if error.constraint_name != _ONCE:
            raise LedgerAhead(f"The ledger has entries beyond its cursor {after}.") from error
        if not await _mark_doubled(connection, bookings):
            raise LedgerAhead(f"The ledger has a fact twice behind its cursor {after}.") from error
        return await post(connection, after, bookings)
    except _REFUSALS as error:
        return await _post_apart(connection, after, bookings, error)


async def entry_at(connection: asyncpg.Connection, seq: Seq) -> bytes | None:
    """The bytes of an entry as the ledger has them, poison or not."""
    raw: bytes | None = await connection.fetchval(
        """SELECT entry FROM hub.event WHERE (partition, epoch, seq) = ($1, $2, $3)
           UNION ALL SELECT entry FROM hub.poison WHERE (partition, epoch, seq) = ($1, $2, $3)""",
        seq.partition,
        seq.epoch,
        seq.number,
    )
    return raw


async def _post_apart(
    connection: asyncpg.Connection, after: Seq | None, bookings: Sequence[Booking], error: Exception
) -> list[Booking]:
    """Post the two halves, each in its own transaction; a single entry is set aside."""
    if len(bookings) == 1:
        (refused,) = bookings
        assert not refused.poison, "a poison row holds nothing that can be refused"
        # The server's text may quote values, so only the kind of error is kept.
        return await post(connection, after, [set_aside(refused.seq, refused.raw, type(error).__name__)])
    middle = len(bookings) // 2
    first = await post(connection, after, bookings[:middle])
    return first + await post(connection, bookings[middle - 1].seq, bookings[middle:])


# Partition, epoch and number of the last entry, then epoch and number of the one before the first.
_Cursor = tuple[int, int, int, int | None, int | None]


def _cursor(after: Seq | None, bookings: Sequence[Booking]) -> _Cursor:
    last = bookings[-1].seq
    before = (after.epoch, after.number) if after else (None, None)
    return (last.partition, last.epoch, last.number, *before)


def _moved(cursor: _Cursor) -> CursorMoved:
    return CursorMoved(f"The ledger's cursor is not at {cursor[3:]} any more.")


async def _write(connection: asyncpg.Connection, after: Seq | None, bookings: Sequence[Booking]) -> None:
    cursor = _cursor(after, bookings)
    events = [booking.event for booking in bookings if booking.event]
    movements = [row for booking in bookings for row in booking.movements]
    shown = [row for booking in bookings for row in booking.shown]
    counted = [row for booking in bookings for row in booking.counted]
    poison = [booking.poison for booking in bookings if booking.poison]
    # Counts and poison are rare, so the statement of every sale does not carry their arrays.
    if len(bookings) <= SINGLE_STATEMENT_ENTRIES_MAX and not counted and not poison:
        arrays = [
            *columns(events, len(EVENT_COLUMNS)),
            *columns(movements, len(MOVEMENT_COLUMNS)),
            *columns(shown, len(SHOWN_COLUMNS)),
        ]
        if not await connection.fetchval(_POST_FEW, *cursor, *arrays):
            raise _moved(cursor)
        return
    async with _moving(connection, cursor):
        await _copy(connection, "event", EVENT_COLUMNS, events)
        await _copy(connection, "movement", MOVEMENT_COLUMNS, movements)
        await _copy(connection, "shown", SHOWN_COLUMNS, shown)
        await _copy(connection, "count_line", COUNT_COLUMNS, counted)
        await _copy(connection, "poison", POISON_COLUMNS, poison)


async def _write_packed(connection: asyncpg.Connection, cursor: _Cursor, packer: Packer) -> None:
    async with _moving(connection, cursor):
        for table, types in PACKED.items():
            if data := packer.data(table):
                # asyncpg would take bytes for the path of a file.
                source = memoryview(data)
                await connection.copy_to_table(
                    table, schema_name="hub", columns=list(types), source=source, format="binary"
                )


@asynccontextmanager
async def _moving(connection: asyncpg.Connection, cursor: _Cursor) -> AsyncIterator[None]:
    """The transaction of many rows, the cursor first."""
    async with connection.transaction():
        if await connection.execute(_MOVE_CURSOR, *cursor) != "UPDATE 1":
            raise _moved(cursor)
        if crash.armed:
            await crash.at("cursor moved")
        yield
        if crash.armed:
            await crash.at("rows copied")


async def _copy(connection: asyncpg.Connection, table: str, types: dict[str, str], rows: list[tuple[Any, ...]]) -> None:
    if rows:
        await connection.copy_records_to_table(table, schema_name="hub", columns=list(types), records=rows)


async def _mark_doubled(connection: asyncpg.Connection, bookings: Sequence[Booking]) -> bool:
    """Mark the facts that are in the ledger already, or a second time in this batch; whether there was one."""
    facts = [booking.fact for booking in bookings if booking.fact]
    sources, ids = [fact[0] for fact in facts], [fact[1] for fact in facts]
    rows = await connection.fetch(_BOOKED_BEFORE, bookings[0].seq.partition, sources, ids)
    booked = {(row["source"], row["id"]) for row in rows}
    marked = False
    for booking in bookings:
        if booking.fact is None:
            continue
        if booking.fact in booked:
            mark_doubled(booking)
            marked = True
        else:
            booked.add(booking.fact)
    return marked
