"""Find every index entry that does not follow from the holds and positions, and have it set right."""

from collections.abc import Sequence

from hub.domain.verifying import Finding
from hub.faults import ServerRefused
from hub.stock.held_moments import HeldMoments, Indexed
from hub.stock.inspecting import Inspection
from hub.stock.reindexing import Reindexing
from hub.stock.remembered import Remembering
from hub.verify.holds import HoldCheck
from hub.verify.report import Report

# Holds that are indexed anew in one step; Redis answers nobody else meanwhile.
HOLDS_PER_STEP = 100


async def reindex(inspection: Inspection, findings: Sequence[Finding]) -> list[str]:
    """Set right what these findings say of indexes, all of it and not only what was listed; a line for each index.

    Raises:
        Unavailable: Redis did not answer, or is too busy.
    """
    reindexing, kinds = Reindexing(inspection.client), {finding.kind for finding in findings}
    told = [await _holds(inspection, reindexing)] if "hold_index" in kinds else []
    for location in sorted({finding.location for finding in findings if finding.kind == "place_names_sku"}):
        # Where the position itself is lost the list is right.
        lost = {each.sku for each in findings if each.kind == "position_not_in_redis" and each.location == location}
        told.append(await _place(inspection, reindexing, location, lost))
    return [sentence for sentence in told if sentence]


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


async def _place(inspection: Inspection, reindexing: Reindexing, location: str, lost: set[str]) -> str:
    changed = 0
    try:
        async for members in inspection.members(location):
            for sku in await inspection.without_position(location, members):
                if sku.decode("utf-8", "replace") not in lost:
                    changed += await reindexing.without_position(location, sku)
    except ServerRefused:
        return ""  # it is no set, which is named as it is
    return f"{location}: {changed:,} SKUs without a position taken off its list" if changed else ""
