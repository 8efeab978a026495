"""Ask the ledger what was booked long ago: the dedupe for ever behind Redis's seven days.

Group commit of reads: what is asked while one SELECT is in flight goes into the next, so that a till which sends a
month of sales at once costs a few SELECTs.
"""

import asyncio
from collections import deque
from collections.abc import Sequence

import asyncpg
import msgspec

from hub.domain.answer import Answer
from hub.domain.entry import PARTITION, Seq
from hub.faults import Fault, Unavailable
from hub.ledger.connection import Link
from hub.ledger.rows import decode_answer

IDS_PER_SELECT_MAX = 1_000
# Ids waiting; beyond it the hub says 503 at once instead of growing.
IDS_WAITING_MAX = 100_000
DEADLINE_SECONDS = 2.0

EventId = tuple[str, str]

# LIMIT keeps the planner at one step into the index per id, however old its statistics are.
_SELECT = """SELECT asked.source, asked.id, found.kind, found.hash, found.epoch, found.seq, found.answer,
           found.entry
    FROM unnest($2::text[], $3::text[]) AS asked(source, id)
    CROSS JOIN LATERAL (
        SELECT kind, hash, epoch, seq, answer, entry FROM hub.event
        WHERE event.source = asked.source AND event.id = asked.id AND partition = $1 AND kind = 'fact'
        LIMIT 1) AS found"""


class Recalled(msgspec.Struct, frozen=True):
    """A fact that was booked: what its first answer said."""

    kind: str
    # Of its content, so that the same id with another content is seen to be a conflict.
    hash: str
    seq: Seq
    # Its lines and alerts.
    answer: Answer
    # The journal entry, packed.
    entry: bytes


class _Question:
    __slots__ = ("answer", "ids")

    def __init__(self, ids: Sequence[EventId]) -> None:
        self.ids = ids
        self.answer: asyncio.Future[dict[EventId, Recalled]] = asyncio.get_running_loop().create_future()


class Lookup:
    """Which facts the ledger has. Any number of callers share its one connection; close it."""

    def __init__(self, link: Link, *, deadline_seconds: float = DEADLINE_SECONDS, partition: int = PARTITION) -> None:
        self._link = link
        self._deadline_seconds = deadline_seconds
        self._partition = partition
        self._waiting: deque[_Question] = deque()
        self._ids_waiting = 0
        # The questions of the SELECT in flight.
        self._asked: list[_Question] = []
        self._flight: asyncio.Task[None] | None = None
        # SELECTs sent, for metrics.
        self.selects = 0

    async def recall(self, ids: Sequence[EventId]) -> dict[EventId, Recalled]:
        """What the ledger has booked of these (source, id), at most 1,000 of them.

        Raises:
            Unavailable: Postgres did not answer in time; whether they were booked is unknown.
            ServerRefused: as `connect`.
        """
        if len(ids) > IDS_PER_SELECT_MAX:
            raise ValueError(f"more than {IDS_PER_SELECT_MAX} ids in one question")
        if not ids:
            return {}
        if self._ids_waiting + len(ids) > IDS_WAITING_MAX:
            raise Unavailable("Too many questions wait for the ledger.")
        question = _Question(ids)
        self._waiting.append(question)
        self._ids_waiting += len(ids)
        if self._flight is None:
            self._flight = asyncio.create_task(self._fly(), name="ledger lookup")
        try:
            async with asyncio.timeout(self._deadline_seconds):
                return await question.answer
        except TimeoutError as error:
            raise Unavailable("The ledger did not answer in time.") from error

    async def aclose(self) -> None:
        """End what is in flight, as unavailable, and close the connection."""
        if self._flight is not None:
            self._flight.cancel()
            await asyncio.gather(self._flight, return_exceptions=True)
            # A task that was cancelled before its first step never came to its own end.
            self._land()
        await self._link.aclose()

    async def _fly(self) -> None:
        """One SELECT after the other until nobody waits."""
        try:
            while self._take():
                await self._answer(self._asked)
        finally:
            self._land()

    def _land(self) -> None:
        """Nobody waits any more: whoever was not answered hears so."""
        self._flight = None
        self._fail([*self._asked, *self._waiting], Unavailable("The ledger's lookup was ended."))
        self._asked = []
        self._waiting.clear()
        self._ids_waiting = 0

    def _take(self) -> bool:
        """Put the questions of the next SELECT into `_asked`, without those whose callers went away."""
        self._asked = taken = []
        room = IDS_PER_SELECT_MAX
        while self._waiting and len(self._waiting[0].ids) <= room:
            question = self._waiting.popleft()
            self._ids_waiting -= len(question.ids)
            if not question.answer.done():
                taken.append(question)
                room -= len(question.ids)
        return bool(taken)

    async def _answer(self, questions: list[_Question]) -> None:
        wanted = list({event_id for question in questions for event_id in question.ids})
        try:
            recalled = await self._select(wanted)
        except Fault as fault:
            self._fail(questions, fault)
            return
        for question in questions:
            if not question.answer.done():
                found = {event_id: recalled[event_id] for event_id in question.ids if event_id in recalled}
                question.answer.set_result(found)

    async def _select(self, ids: list[EventId]) -> dict[EventId, Recalled]:
        self.selects += 1
        async with self._link.use("The ledger cannot be asked") as connection:
            rows = await connection.fetch(
                _SELECT, self._partition, [source for source, _ in ids], [id for _, id in ids]
            )
        return {(row["source"], row["id"]): self._recalled(row) for row in rows}

    def _recalled(self, row: asyncpg.Record) -> Recalled:
        seq = Seq(row["epoch"], row["seq"], self._partition)
        return Recalled(row["kind"], row["hash"], seq, decode_answer(row["answer"]), row["entry"])

    @staticmethod
    def _fail(questions: Sequence[_Question], fault: Fault) -> None:
        for question in questions:
            if not question.answer.done():
                question.answer.set_exception(fault)
