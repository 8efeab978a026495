"""Compare positions and views of some SKUs with the ledger and the rules, all of one moment."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

from hub.domain.entry import Seq
from hub.domain.verifying import Finding, RawSku, check_positions, read_sku
from hub.domain.verifying_views import Rules, check_views
from hub.ledger.sums import Sums
from hub.stock.inspecting import Batch, Inspection
from hub.verify.held_house import HeldHouse
from hub.verify.holds import HoldCheck
from hub.verify.report import Report

# Reads of one batch, while the house is exchanged or SKUs are described.
TRIES_MAX = 3
# SKUs that are compared without a pause, about 2 ms.
SKUS_PER_BREATH = 20
# By SKU: what movements made of (location, bucket).
OfSkus = dict[str, dict[tuple[str, str], int]]


class Progress(Protocol):
    """How far the ledger is; `hub.verify.following.Following` is one."""

    rest: dict[str, dict[tuple[str, str], int]]

    async def reaches(self, before: Seq) -> Seq:
        """Wait until it has every entry before a place, and say before which one it is to be asked; `rest` follows."""
        ...


class Compared(NamedTuple):
    """Some SKUs as they were compared."""

    batch: Batch
    balances: OfSkus


class SkuCheck:
    """Checks of SKUs, into one report."""

    def __init__(
        self, inspection: Inspection, sums: Sums, house: HeldHouse, progress: Progress, holds: HoldCheck, report: Report
    ) -> None:
        self._inspection = inspection
        self._sums = sums
        self._house = house
        self._progress = progress
        self._holds = holds
        self._report = report

    async def check(self, names: Sequence[str]) -> Compared:
        """Compare positions, views and what is reserved; at most as many SKUs as `Sums` takes at once.

        Raises:
            LedgerBehind: what the ledger lacks cannot be had.
            Unavailable, ServerRefused: a store does not answer, or the partition is not there any more.
        """
        batch = await self._read(names)
        balances = await self._balances(names, batch.before)
        changes = await self._sums.changes(names, batch.before)
        rules = self._house.rules(batch.meta)
        others = {raw.name for raw in self._house.not_as_described(batch.skus)}
        detail = "it is described otherwise than what its views were computed by"
        self._report.add(Finding("description_differs", detail, name) for name in others)
        for number, raw in enumerate(batch.skus):
            if number % SKUS_PER_BREATH == 0:
                # Whoever else works in this process has a turn.
                await asyncio.sleep(0)
            known_rules = rules if raw.name not in others else Rules(rules.version, None)
            sku, found = read_sku(raw)
            if not raw.unreadable:
                found += check_positions(sku, balances.get(raw.name, {}))
                found += check_views(sku, known_rules, changes.get(raw.name, {}))
            self._report.add(found)
        return Compared(batch, balances)

    async def check_reserved(self, skus: Sequence[RawSku]) -> None:
        """What is reserved at positions is what holds keep there; as `HoldCheck.check_reserved`."""
        await self._holds.check_reserved(skus)

    async def check_members(self, by_location: Mapping[str, Sequence[str]]) -> list[str]:
        """Each location's set names these SKUs; answers the locations of those it does not, one for each.

        Raises:
            Unavailable: Redis did not answer.
        """
        detail = "the SKU has a position here, but the location's set does not name it"
        lacking = await self._inspection.not_members(by_location)
        self._report.add(Finding("place_lacks_sku", detail, sku, location) for sku, location in lacking)
        return [location for _, location in lacking]

    async def _read(self, names: Sequence[str]) -> Batch:
        """Read a batch by the house of that moment; where it was just exchanged, once more."""
        for _ in range(TRIES_MAX):
            batch = await self._inspection.skus(names)
            if await self._house.fits(batch.meta, batch.skus):
                break
        return batch

    async def _balances(self, names: Sequence[str], before: Seq) -> OfSkus:
        """By SKU: the sums of the ledger, and of what the journal has beyond a ledger that stands."""
        balances = await self._sums.balances(names, await self._progress.reaches(before))
        for name in names:
            for place, units in self._progress.rest.get(name, {}).items():
                of_sku = balances.setdefault(name, {})
                of_sku[place] = of_sku.get(place, 0) + units
        return balances
