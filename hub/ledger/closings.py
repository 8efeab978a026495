"""Ask the ledger what the closing of a count told, for whoever counted and asks again."""

from collections.abc import Sequence

from hub.domain.answer import AnsweredAlert
from hub.domain.entry import PARTITION, Seq
from hub.ledger.asking import Asking
from hub.ledger.rows import decode_answer

COUNTS_PER_SELECT_MAX = 1_000

_SELECT = """SELECT about, answer FROM hub.event
    WHERE kind = 'closed' AND about = ANY($2::text[]) AND partition = $1"""


class Closings:
    """How counts ended."""

    def __init__(self, asking: Asking, *, partition: int = PARTITION) -> None:
        self._asking = asking
        self._partition = partition

    async def alerts_of(self, opened: Sequence[Seq]) -> dict[Seq, tuple[AnsweredAlert, ...]]:
        """What the closings raised, by the entries that opened the counts, at most 1,000; an open count is missing.

        Raises:
            Unavailable: Postgres did not answer in time.
        """
        if len(opened) > COUNTS_PER_SELECT_MAX:
            raise ValueError(f"more than {COUNTS_PER_SELECT_MAX} counts in one question")
        by_place = {seq.stream_id: seq for seq in opened}
        rows = await self._asking.fetch(_SELECT, self._partition, list(by_place))
        return {by_place[row["about"]]: decode_answer(row["answer"]).alerts for row in rows}
