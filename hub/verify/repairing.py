"""Set right what a verification found in Redis: positions by the ledger's sums, views by the rules, lists of SKUs.

One visible entry for each SKU: kind `repair`, reason `verify`, what was found, and the alert `repaired` by location.
The hub may go on selling: a position that changed since it was read is read again.
"""

from collections.abc import Collection, Mapping, Sequence

import msgspec

from hub.domain.entry import Seq, decode_entry
from hub.domain.repairing import REPAIRABLE, advice, lost_places, mended_places, payload_of, unreadable_views
from hub.domain.verifying import Finding, read_sku
from hub.faults import Unavailable
from hub.ledger.sums import Sums
from hub.stock.current_house import CurrentHouse
from hub.stock.inspecting import Inspection
from hub.stock.kernel import Kernel, RulesChanged
from hub.stock.message import Repair
from hub.stock.outcome import Applied, LookAgain, Stale
from hub.verify.following import Following
from hub.verify.set_last import SetLast

TRIES_MAX = 10
# Kinds of finding about how many units there are.
_OF_UNITS = frozenset(
    {
        "position_differs",
        "position_not_in_redis",
        "position_not_in_ledger",
        "negative",
        "conservation",
        "reserved_differs",
        "free_beside_deficit",
        "malformed",
    }
)

STALE = f"it was described anew each time, or what is described of it is damaged; {advice('description_differs')}"


class Repairing:
    """Repairs of one partition, whose house and epoch its kernel is bound to."""

    def __init__(
        self, inspection: Inspection, sums: Sums, following: Following, kernel: Kernel, current: CurrentHouse
    ) -> None:
        self._inspection = inspection
        self._sums = sums
        self._following = following
        self._kernel = kernel
        self._current = current
        self._remembering = SetLast(inspection, sums)

    async def run(self, findings: Sequence[Finding]) -> list[str]:
        """Repair every SKU that has something repairable among the findings; answers a line for each.

        Raises:
            LedgerBehind: what the ledger lacks cannot be had.
            Unavailable, ServerRefused: a store does not answer, or takes nothing.
        """
        by_sku: dict[str, list[Finding]] = {}
        for finding in findings:
            if finding.sku and finding.kind in REPAIRABLE:
                by_sku.setdefault(finding.sku, []).append(finding)
        left = await self._touched(by_sku)
        told = [f"{sku}: not repaired: {why}; {advice('')}" for sku, why in left.items()]
        return told + [await self._repair(sku, found) for sku, found in by_sku.items() if sku not in left]

    async def _touched(self, by_sku: Mapping[str, Sequence[Finding]]) -> dict[str, str]:
        """The SKUs that Redis may have by an entry that the ledger set aside, and which that is.

        One of an earlier epoch is in no position any more, for healing makes them of what the ledger booked. Which SKUs
        one that cannot be read is about nobody knows, so whatever differs in its units may be.
        """
        touched: dict[str, str] = {}
        for seq, raw in await self._sums.told_aside():
            if seq.epoch != self._kernel.epoch:
                continue
            try:
                names: Collection[str] = decode_entry(raw).skus
            except (msgspec.MsgspecError, RecursionError):
                names = [sku for sku, found in by_sku.items() if any(each.kind in _OF_UNITS for each in found)]
            touched |= {sku: f"the entry {seq} was set aside, which may be about it" for sku in names if sku in by_sku}
        return touched

    async def _repair(self, sku: str, found: Sequence[Finding]) -> str:
        why = "it changed each time that it was looked at; try again"
        for _ in range(TRIES_MAX):
            try:
                [outcome] = await self._kernel.call([await self._command(sku, found)], self._current.house)
            except RulesChanged:
                await self._current.catch_up()
                continue
            if isinstance(outcome, Applied):
                alerts = [f"{alert.quantity} at {alert.location}" for alert in outcome.alerts if alert.location]
                return f"{sku}: repaired by {outcome.seq}" + (f", units: {', '.join(alerts)}" if alerts else "")
            if isinstance(outcome, Stale):
                why = STALE
            elif not isinstance(outcome, LookAgain):
                why = f"{getattr(outcome, 'why', '') or type(outcome).__name__}; {advice('')}"
                break
        return f"{sku}: not repaired: {why}"

    async def _command(self, sku: str, found: Sequence[Finding]) -> Repair:
        batch = await self._inspection.skus([sku])
        balances = (await self._sums.balances([sku], await self._following.reaches(batch.before))).get(sku, {})
        for place, units in self._following.rest.get(sku, {}).items():
            balances[place] = balances.get(place, 0) + units
        if batch.meta.epoch != self._kernel.epoch:
            raise Unavailable("the partition was healed meanwhile")
        [raw] = batch.skus
        known, _ = read_sku(raw)
        listed = [finding.location for finding in found if finding.kind == "place_lacks_sku"]
        lost = lost_places(raw, known, balances)
        remembered = await self._remembering.positions(sku, batch.before) if lost and not raw.unreadable else {}
        changes = (await self._sums.changes([sku], batch.before)).get(sku, {})
        id = f"repaired:{_place(batch.before)}:{sku}"
        places = tuple(mended_places(raw, known, balances, listed, remembered))
        unreadable = tuple(unreadable_views(raw, known))
        return Repair(sku, id, payload_of(found, batch.before), places, tuple(changes.items()), unreadable)


def _place(before: Seq) -> str:
    return before.stream_id
