"""Find every index entry that does not follow from the holds and positions, and have it set right."""

from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress

from hub.domain.verifying import readable
from hub.faults import ServerRefused
from hub.ledger.sums import Sums
from hub.stock import keys
from hub.stock.held_moments import HeldMoments, Indexed
from hub.stock.inspecting import Inspection
from hub.stock.reindexing import Reindexing
from hub.stock.remembered import Remembering
from hub.verify.following import Following
from hub.verify.holds import HoldCheck
from hub.verify.report import Report

# Holds that are indexed anew in one step; Redis answers nobody else meanwhile.
HOLDS_PER_STEP = 100
# SKUs of which the ledger is asked in one step whether a position is lost.
SKUS_PER_STEP = 50


async def reindex(inspection: Inspection, sums: Sums, following: Following, kinds: Collection[str]) -> list[str]:
    """Set right the indexes that findings of these kinds are about, all that is wrong in them; a line for each index.

    Raises:
        LedgerBehind: whether a position is lost cannot be known.
        Unavailable, ServerRefused: a store does not answer, or Redis is too busy.
    """
    reindexing = Reindexing(inspection.client)
    told = [await _holds(inspection, reindexing)] if "hold_index" in kinds else []
    if "place_names_sku" in kinds:
        places = _Places(inspection, sums, following, reindexing)
        told += [await places.mend(location) for location in await _locations(inspection)]
    return [sentence for sentence in told if sentence]


async def _locations(inspection: Inspection) -> list[str]:
    """All that have a list, but for those whose name is no text."""
    found: set[str] = set()
    async for page in inspection.place_keys():
        for key in page:
            with suppress(UnicodeDecodeError):
                found.add(keys.location_name(key))
    return sorted(found)


async def _holds(inspection: Inspection, reindexing: Reindexing) -> str:
    wrong: dict[str, list[bytes]] = {}
    changed = 0

    def note(found: Indexed) -> None:
        wrong.setdefault(found.name, []).extend(found.entries)

    check = HoldCheck(Remembering(inspection.client), HeldMoments(inspection.client), Report(), on_wrong_index=note)
    async for _ in check.pages():
        names = list(wrong)
        for start in range(0, len(names), HOLDS_PER_STEP):
            changed += await reindexing.holds({name: wrong[name] for name in names[start : start + HOLDS_PER_STEP]})
        wrong.clear()
    return f"holds: {changed:,} entries of their indexes set right" if changed else ""


class _Places:
    """The lists of SKUs by location."""

    def __init__(self, inspection: Inspection, sums: Sums, following: Following, reindexing: Reindexing) -> None:
        self._inspection = inspection
        self._sums = sums
        self._following = following
        self._reindexing = reindexing

    async def mend(self, location: str) -> str:
        changed = 0
        try:
            async for members in self._inspection.members(location):
                without = await self._inspection.without_position(location, members)
                for some in _in_steps(without):
                    lost = await self._lost(location, some)
                    for sku in some:
                        if readable(sku) not in lost:
                            changed += await self._reindexing.without_position(location, sku)
        except ServerRefused:
            return ""  # it is no set, which is named as it is
        return f"{location}: {changed:,} SKUs without a position taken off its list" if changed else ""

    async def _lost(self, location: str, skus: Sequence[bytes]) -> set[str]:
        """Those of which the ledger knows units here: the position itself is lost, and the list is right."""
        names = list(map(readable, skus))
        before = (await self._inspection.skus([])).before
        balances = await self._sums.balances(names, await self._following.reaches(before))
        found = {name: {*balances.get(name, {}), *self._following.rest.get(name, {})} for name in names}
        return {name for name, buckets in found.items() if any(where == location for where, _ in buckets)}


def _in_steps(skus: Sequence[bytes]) -> Iterator[Sequence[bytes]]:
    for start in range(0, len(skus), SKUS_PER_STEP):
        yield skus[start : start + SKUS_PER_STEP]
