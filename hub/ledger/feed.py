"""Stretches of the ledger's entries, for the feed: in the order of the journal, from any place on."""

import asyncio

from hub.domain.entry import PARTITION, Seq
from hub.domain.findings import EntriesWanted, EntryStretch
from hub.ledger.asking import Asking

DEADLINE_SECONDS = 2.0
# Bytes of one stretch, but for one entry that is larger: an entry may have as much as its event and all it set.
BYTES_MAX = 2 * 1024 * 1024

# What was set aside stands between the others: Redis has what it did. Of what is not wanted only the last row comes:
# the next stretch begins behind it.
_SELECT = """SELECT epoch, seq, entry, number = examined AS is_end, examined FROM (
    SELECT found.*, count(*) OVER () AS examined, row_number() OVER place AS number,
           sum(coalesce(octet_length(entry), 0)) OVER place AS bytes
    FROM (
        (SELECT epoch, seq, CASE WHEN {wanted} THEN entry END AS entry FROM hub.event
         WHERE partition = $1 AND (epoch, seq) >= ($2, $3) ORDER BY epoch, seq LIMIT $4)
        UNION ALL
        (SELECT epoch, seq, entry FROM hub.poison WHERE partition = $1 AND (epoch, seq) >= ($2, $3)
         ORDER BY epoch, seq LIMIT $4)
        ORDER BY epoch, seq LIMIT $4) AS found
    WINDOW place AS (ORDER BY epoch, seq)) AS measured
    WHERE (bytes <= $5 OR bytes = octet_length(entry)) AND (entry IS NOT NULL OR number = examined)
    ORDER BY epoch, seq"""
_SELECT_ALL = _SELECT.format(wanted="true")
# A row has the alerts in its answer, as the version that wrote it told them.
_SELECT_WANTED = _SELECT.format(
    wanted="type = ANY($6::text[]) OR $7 AND answer -> 'alerts' <> '[]' OR $8 AND kind = 'rules'"
)

# From which epoch and number on, at most how many are looked at, and which are wanted of them; None: all.
_Question = tuple[int, int, int, EntriesWanted | None]


class FeedEntries:
    """The entries of one partition; those who ask the same at the same time share one answer."""

    def __init__(self, asking: Asking, *, partition: int = PARTITION) -> None:
        self._asking = asking
        self._partition = partition
        self._asked: dict[_Question, asyncio.Task[EntryStretch]] = {}

    async def stretch(
        self, first: tuple[int, int], entries_max: int, wanted: EntriesWanted | None = None
    ) -> EntryStretch:
        """What is wanted of the next entries, from an epoch and number on; fewer than asked for where they are large.

        Raises:
            Unavailable: Postgres did not answer in time.
        """
        question = (*first, entries_max, wanted)
        task = self._asked.get(question)
        if task is None:
            task = asyncio.create_task(self._stretch(*question), name="feed entries")
            self._asked[question] = task
            task.add_done_callback(lambda done: self._forget(question, done))
        # Who gives up takes nothing from the others; nobody waits for longer than the question may take.
        return await asyncio.shield(task)

    async def _stretch(self, epoch: int, number: int, entries_max: int, wanted: EntriesWanted | None) -> EntryStretch:
        asked = (self._partition, epoch, number, entries_max, BYTES_MAX)
        if wanted is None:
            rows = await self._asking.fetch(_SELECT_ALL, *asked)
        else:
            only = (list(wanted.types), wanted.alerting, wanted.ruling)
            rows = await self._asking.fetch(_SELECT_WANTED, *asked, *only)
        places = [Seq(row["epoch"], row["seq"], self._partition) for row in rows]
        entries = tuple((seq, row["entry"]) for seq, row in zip(places, rows, strict=True) if row["entry"] is not None)
        is_last = not rows or (rows[-1]["is_end"] and rows[-1]["examined"] < entries_max)
        return EntryStretch(entries, is_last, places[-1] if places else None)

    def _forget(self, question: _Question, done: asyncio.Task[EntryStretch]) -> None:
        del self._asked[question]
        # A fault that nobody waits for any more is nobody's.
        if not done.cancelled():
            done.exception()
