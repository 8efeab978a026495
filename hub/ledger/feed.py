"""Stretches of the ledger's entries, for the feed: in the order of the journal, from any place on."""

import asyncio

from hub.domain.entry import PARTITION, Seq
from hub.domain.findings import EntryStretch
from hub.ledger.asking import Asking

DEADLINE_SECONDS = 2.0
# Bytes of one stretch, but for one entry that is larger: an entry may have as much as its event and all it set.
BYTES_MAX = 2 * 1024 * 1024

# What was set aside stands between the others: Redis has what it did.
_SELECT = """SELECT epoch, seq, examined, entry FROM (
    SELECT found.*, count(*) OVER () AS examined, row_number() OVER place AS number,
           sum(octet_length(entry)) OVER place AS bytes
    FROM (
        (SELECT epoch, seq, entry FROM hub.event WHERE partition = $1 AND (epoch, seq) >= ($2, $3)
         ORDER BY epoch, seq LIMIT $4)
        UNION ALL
        (SELECT epoch, seq, entry FROM hub.poison WHERE partition = $1 AND (epoch, seq) >= ($2, $3)
         ORDER BY epoch, seq LIMIT $4)
        ORDER BY epoch, seq LIMIT $4) AS found
    WINDOW place AS (ORDER BY epoch, seq)) AS measured
    WHERE bytes <= $5 OR number = 1 ORDER BY epoch, seq"""

# From which epoch and number on, and at most how many.
_Question = tuple[int, int, int]


class FeedEntries:
    """The entries of one partition; those who ask the same at the same time share one answer."""

    def __init__(self, asking: Asking, *, partition: int = PARTITION) -> None:
        self._asking = asking
        self._partition = partition
        self._asked: dict[_Question, asyncio.Task[EntryStretch]] = {}

    async def stretch(self, first: tuple[int, int], entries_max: int) -> EntryStretch:
        """The next entries, from an epoch and number on; fewer than asked for where they are large.

        Raises:
            Unavailable: Postgres did not answer in time.
        """
        question = (*first, entries_max)
        task = self._asked.get(question)
        if task is None:
            task = asyncio.create_task(self._stretch(*question), name="feed entries")
            self._asked[question] = task
            task.add_done_callback(lambda done: self._forget(question, done))
        # Who gives up takes nothing from the others; nobody waits for longer than the question may take.
        return await asyncio.shield(task)

    async def _stretch(self, epoch: int, number: int, entries_max: int) -> EntryStretch:
        rows = await self._asking.fetch(_SELECT, self._partition, epoch, number, entries_max, BYTES_MAX)
        entries = tuple((Seq(row["epoch"], row["seq"], self._partition), row["entry"]) for row in rows)
        return EntryStretch(entries, is_last=not rows or len(rows) == rows[0]["examined"] < entries_max)

    def _forget(self, question: _Question, done: asyncio.Task[EntryStretch]) -> None:
        del self._asked[question]
        # A fault that nobody waits for any more is nobody's.
        if not done.cancelled():
            done.exception()
