"""Post what a closed partition's journal has beyond the ledger, so far as it continues it: it is not lost."""

from hub.domain.entry import Seq
from hub.journal.reader import JournalGap, Tail
from hub.ledger.connection import Link
from hub.ledger.months import Months
from hub.ledger.posting import entry_at, post
from hub.ledger.rows import booking_of, instant

ENTRIES_PER_BATCH = 1_000
_DOING = "The journal cannot be posted"


async def continues(link: Link, tail: Tail, cursor: Seq) -> bool | None:
    """Whether the journal has the ledger's entry at the cursor byte for byte; None where it has none there (any more).

    Raises:
        Unavailable, ServerRefused: a store does not answer, or does not let us in.
    """
    here = await tail.raw_at(cursor)
    if here is None:
        return None
    async with link.use("The ledger cannot be read") as connection:
        return await entry_at(connection, cursor) == here


async def drain(link: Link, tail: Tail, epoch: int) -> int:
    """Post entries of the ledger's epoch behind the tail, which stands at the cursor; answers how many.

    Raises:
        CursorMoved: another writer posts too; begin anew from where the cursor is.
        Unavailable, ServerRefused, LedgerAhead: as `post` and `Link.use`.
    """
    drained = 0
    months = Months()
    while True:
        after = tail.at
        try:
            found = await tail.read_raw(ENTRIES_PER_BATCH, 0)
        except JournalGap:
            return drained
        bookings = [booking_of(seq, raw) for seq, raw in found if seq.epoch == epoch]
        if not bookings:
            return drained
        newest_ms = max(booking.booked_at_ms for booking in bookings)
        async with link.use(_DOING) as connection:
            if newest_ms:
                await months.prepare(connection, instant(newest_ms))
            await post(connection, after, bookings)
        drained += len(bookings)
