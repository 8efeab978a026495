"""Compare what transfers bring for holds with what the holds have on the way."""

from collections.abc import Sequence

from hub.domain.verifying import Finding, readable
from hub.domain.verifying_records import HOLDS, TRANSFERS
from hub.domain.verifying_travel import check_travelling, holds_of_transfer, transfers_of_hold
from hub.faults import ServerRefused
from hub.stock.held_moments import HeldMoments
from hub.stock.remembered import Remembering
from hub.verify.report import Report

# Transfers that are read at one moment, each with at most 500 holds.
TRANSFERS_PER_LOOK = 10
# Holds that are read at one moment.
HOLDS_PER_LOOK = 500


class TravelCheck:
    """One check of what travels for somebody."""

    def __init__(self, remembering: Remembering, moments: HeldMoments, report: Report) -> None:
        self._remembering = remembering
        self._moments = moments
        self._report = report
        # What was told already: a difference may be seen from either side.
        self._told: set[Finding] = set()

    async def run(self) -> None:
        """Each transfer and each hold say the same of what the one brings for the other.

        Raises:
            Unavailable: Redis did not answer.
        """
        try:
            async for page in self._remembering.table(TRANSFERS):
                brings = {readable(id): holds_of_transfer(packed) for id, packed in page}
                ids = [id for id, names in brings.items() if names]
                for start in range(0, len(ids), TRANSFERS_PER_LOOK):
                    some = ids[start : start + TRANSFERS_PER_LOOK]
                    await self._look(some, [name for id in some for name in brings[id]])
            async for page in self._remembering.table(HOLDS):
                comes_by = {readable(name): transfers_of_hold(packed) for name, packed in page}
                names = [name for name, ids in comes_by.items() if ids]
                for start in range(0, len(names), HOLDS_PER_LOOK):
                    some = names[start : start + HOLDS_PER_LOOK]
                    await self._look([id for name in some for id in comes_by[name]], some)
        except ServerRefused as fault:
            self._report.add([Finding("malformed", str(fault))])

    async def _look(self, ids: Sequence[str], names: Sequence[str]) -> None:
        transfers, holds = await self._moments.travelling(list(dict.fromkeys(ids)), list(dict.fromkeys(names)))
        found = [each for each in check_travelling(transfers, holds) if each not in self._told]
        self._told.update(found)
        self._report.add(found)
