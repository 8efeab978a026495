"""What is parked: kept whole, and not booked since."""

import asyncpg

from hub.domain.entry import PARTITION, Seq, decode_entry
from hub.domain.findings import Fate, ParkedEvent, ParkedPlace, ParkedStretch
from hub.ledger.asking import Asking
from hub.ledger.rows import instant, ms_of

# Entries looked at in one question, and the size of their events: one may have a megabyte, its entry as much again.
EXAMINED_MAX = 1_000
BYTES_MAX = 8 * 1024 * 1024

# An id that was parked again after Redis had forgotten it stands where it came first.
_SELECT = """SELECT epoch, seq, source, id, type, hash, time, booked_at, payload, is_over, examined,
           CASE WHEN NOT is_over THEN entry END AS entry FROM (
    SELECT examined.*, count(*) OVER () AS examined, row_number() OVER place AS number,
           sum(CASE WHEN is_over THEN 0 ELSE octet_length(payload) END) OVER place AS bytes
    FROM (
        SELECT epoch, seq, source, id, type, hash, time, booked_at, payload, entry,
               EXISTS (SELECT FROM hub.event AS fact WHERE fact.source = parked.source AND fact.id = parked.id
                       AND fact.partition = parked.partition AND fact.kind = 'fact')
               OR EXISTS (SELECT FROM hub.event AS gone WHERE gone.source = parked.source AND gone.id = parked.id
                          AND gone.partition = parked.partition AND gone.kind = 'dismissed')
               OR EXISTS (SELECT FROM hub.event AS first WHERE first.source = parked.source AND first.id = parked.id
                          AND first.partition = parked.partition AND first.kind = 'parked'
                          AND (first.epoch, first.seq) < (parked.epoch, parked.seq)) AS is_over
        FROM hub.event AS parked
        WHERE partition = $1 AND kind = 'parked' AND (epoch, seq) > ($2, $3) {of_source}
        ORDER BY epoch, seq LIMIT $4) AS examined
    WINDOW place AS (ORDER BY epoch, seq)) AS measured
    WHERE bytes <= $5 OR number = 1 ORDER BY epoch, seq"""
_FATE = """SELECT kind, type, hash FROM (
        (SELECT 1 AS number, kind, type, hash FROM hub.event
         WHERE source = $1 AND id = $2 AND partition = $3 AND kind = 'fact' LIMIT 1)
        UNION ALL (SELECT 2, kind, type, hash FROM hub.event
         WHERE source = $1 AND id = $2 AND partition = $3 AND kind = 'dismissed' LIMIT 1)
        UNION ALL (SELECT 3, kind, type, hash FROM hub.event
         WHERE source = $1 AND id = $2 AND partition = $3 AND kind = 'parked' LIMIT 1)) AS fates
    ORDER BY number LIMIT 1"""
_PLACE = """SELECT epoch, seq FROM hub.event
    WHERE source = $1 AND id = $2 AND partition = $3 AND booked_at = $4 AND kind = 'parked' LIMIT 1"""


class Parked:
    """The parked events of one partition."""

    def __init__(self, asking: Asking, *, partition: int = PARTITION) -> None:
        self._asking = asking
        self._partition = partition

    async def stretch(self, behind: Seq | None, source: str | None = None) -> ParkedStretch:
        """The next parked events, of one source or of all, in the order they came; perhaps none of a stretch.

        Raises:
            Unavailable: Postgres did not answer in time.
        """
        begin = (behind.epoch, behind.number) if behind else (0, 0)
        of_source = "" if source is None else "AND source = $6"
        values = () if source is None else (source,)
        rows = await self._asking.fetch(
            _SELECT.format(of_source=of_source), self._partition, *begin, EXAMINED_MAX, BYTES_MAX, *values
        )
        is_last = not rows or len(rows) == rows[0]["examined"] < EXAMINED_MAX
        events = tuple(self._event(row) for row in rows if not row["is_over"])
        return ParkedStretch(events, None if is_last else self._place(rows[-1]))

    async def place_of(self, source: str, id: str, booked_at_ms: int) -> Seq | None:
        """Where an event was parked at that time; None when none was.

        Raises:
            Unavailable: Postgres did not answer in time.
        """
        rows = await self._asking.fetch(_PLACE, source, id, self._partition, instant(booked_at_ms))
        return self._seq(rows[0]) if rows else None

    async def fate(self, source: str, id: str) -> Fate | None:
        """What became of an event; None when it was neither booked nor parked.

        Raises:
            Unavailable: Postgres did not answer in time.
        """
        rows = await self._asking.fetch(_FATE, source, id, self._partition)
        return Fate(rows[0]["kind"], rows[0]["type"], rows[0]["hash"]) if rows else None

    def _event(self, row: asyncpg.Record) -> ParkedEvent:
        entry = decode_entry(row["entry"])
        place, time_ms = self._place(row), ms_of(row["time"])
        return ParkedEvent(place, row["type"], row["hash"], time_ms, row["payload"], entry.why, entry.reach)

    def _place(self, row: asyncpg.Record) -> ParkedPlace:
        return ParkedPlace(self._seq(row), row["source"], row["id"], ms_of(row["booked_at"]))

    def _seq(self, row: asyncpg.Record) -> Seq:
        return Seq(row["epoch"], row["seq"], self._partition)
