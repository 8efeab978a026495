"""What the ledger set aside and nobody was told of yet: facts applied twice, and entries that cannot be booked."""

import asyncpg

from hub.domain.entry import PARTITION, Seq
from hub.domain.findings import SetAside
from hub.ledger.asking import Asking

# Of each kind in one question.
TOLD_AT_ONCE_MAX = 100
DEADLINE_SECONDS = 5.0

# An index over these alone serves it, which is empty as a rule.
_SELECT = """SELECT epoch, seq, entry, is_doubled FROM (
        (SELECT partition, epoch, seq, entry, true AS is_doubled FROM hub.event
         WHERE partition = $1 AND kind = 'doubled' AND NOT {told_of_event} ORDER BY epoch, seq LIMIT $2)
        UNION ALL (SELECT partition, epoch, seq, entry, false FROM hub.poison
         WHERE partition = $1 AND NOT {told_of_poison} ORDER BY epoch, seq LIMIT $2)) AS aside
    ORDER BY epoch, seq"""
_TOLD = """EXISTS (SELECT FROM hub.event AS told WHERE told.source = '~hub' AND told.about IS NOT NULL
    AND told.about = {table}.epoch || '-' || {table}.seq AND told.type = ANY({types}::text[])
    AND told.partition = {table}.partition)"""
_QUESTION = _SELECT.format(
    told_of_event=_TOLD.format(table="event", types="$3"), told_of_poison=_TOLD.format(table="poison", types="$4")
)


class SetAsideMemory:
    """What one partition's ledger set aside."""

    def __init__(self, asking: Asking, *, partition: int = PARTITION) -> None:
        self._asking = asking
        self._partition = partition

    async def untold(self, about_doubled: list[str], about_poison: list[str]) -> list[SetAside]:
        """What no entry of these types is about, oldest first; the next when they are told.

        Raises:
            Unavailable: Postgres did not answer in time.
        """
        rows = await self._asking.fetch(_QUESTION, self._partition, TOLD_AT_ONCE_MAX, about_doubled, about_poison)
        return [self._set_aside(row) for row in rows]

    def _set_aside(self, row: asyncpg.Record) -> SetAside:
        return SetAside(Seq(row["epoch"], row["seq"], self._partition), row["entry"], row["is_doubled"])
