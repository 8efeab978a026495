"""Verify a hub: read both stores in stretches, let the ledger come as far as Redis was, and compare.

Sales go on meanwhile. Each stretch is read from Redis at one moment, together with the place of the journal's end; the
ledger is asked for the sums up to that place, once it has everything before it. Nothing is written.
"""

from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from time import monotonic

from hub.domain.entry import Seq
from hub.domain.verifying import TRANSIT, Balances, Finding, RawSku, readable
from hub.domain.verifying_order import (
    Ledger,
    Meta,
    check_closed,
    check_entries,
    check_ledger,
    check_partition,
    check_transfer,
    skus_of_transfer,
)
from hub.faults import ServerRefused
from hub.ledger.sums import Sums
from hub.stock import keys
from hub.stock.described import Described
from hub.stock.held_moments import HeldMoments
from hub.stock.inspecting import Inspection
from hub.stock.remembered import Remembering
from hub.verify.following import PATIENCE_SECONDS, Following, LedgerBehind
from hub.verify.held_house import HeldHouse
from hub.verify.holds import HoldCheck
from hub.verify.names import NameCheck
from hub.verify.open_counts import OpenCountCheck
from hub.verify.records import RecordCheck
from hub.verify.report import Report
from hub.verify.seen import SeenCheck
from hub.verify.skus import SkuCheck
from hub.verify.travelling import TravelCheck

SKUS_PER_BATCH = 500
# Redis answers nobody else while it reads a batch, so where SKUs have many positions a batch has fewer of them.
POSITIONS_PER_BATCH = 5_000
TRANSFERS_PER_BATCH = 50
# Entries that are compared byte for byte.
NEWEST_ENTRIES = 1_000
# Of entries that were set aside.
ASIDE_NAMED_MAX = 10
_TOLD_ASIDE = "{:,} entries could not be booked and were set aside, each told by its alert `entry_set_aside`: {}"
# (transfer, SKU) with units between two locations; beyond it, what no record names is not looked for.
IN_TRANSIT_MAX = 100_000


class Verification:
    """One verification of one hub; call `run` once."""

    def __init__(
        self,
        inspection: Inspection,
        sums: Sums,
        described: Described,
        *,
        is_live: bool = True,
        on_progress: Callable[[int], None] = lambda positions: None,
        patience_seconds: float = PATIENCE_SECONDS,
    ) -> None:
        self._inspection = inspection
        self._sums = sums
        self._on_progress = on_progress
        self._report = report = Report()
        self._house = HeldHouse(inspection, described, report)
        self._following = Following(inspection, sums, report, is_live=is_live, patience_seconds=patience_seconds)
        remembering = Remembering(inspection.client)
        parts = (remembering, sums.recorded, self._following, report)
        self._records = RecordCheck(inspection, *parts, self._house.sku)
        self._seen = SeenCheck(*parts)
        self._names_of_skus = NameCheck(remembering, report)
        moments = HeldMoments(inspection.client)
        self._holds = HoldCheck(remembering, moments, report)
        self._skus = SkuCheck(inspection, sums, self._house, self._following, self._holds, report)
        self._travelling = TravelCheck(remembering, moments, report)
        # Nobody closes the counts of a hub that is stopped.
        self._counts = OpenCountCheck(remembering, report, patience_seconds=patience_seconds) if is_live else None
        # The newest entries of the journal.
        self._newest: dict[Seq, bytes] = {}
        # Positions that were met at each location and that its set names.
        self._met: Counter[str] = Counter()
        # Hashes of the SKUs' names, about 60 bytes each.
        self._met_skus: set[int] = set()
        # By transfer: SKUs of which movements left units in transit.
        self._in_transit: dict[str, set[str]] = {}
        self._in_transit_count = 0

    async def run(self, skus: Sequence[str] = ()) -> Report:
        """Check the whole hub, or of positions only those of some SKUs.

        Raises:
            Unavailable: a store does not answer.
            ServerRefused: there is no hub to check, or a store cannot be read.
        """
        began = monotonic()
        if await self._check_partition():
            try:
                await self._house.load()
                await (self._check_some([self._house.sku(sku) for sku in skus]) if skus else self._check_all())
            except LedgerBehind as fault:
                self._report.leave_unchecked(str(fault))
        self._report.seconds = monotonic() - began
        return self._report

    async def _check_partition(self) -> bool:
        """The journal, the ledger and who they belong to; whether there are positions to be compared."""
        ledger = await self._following.state()
        meta, journal = await self._inspection.partition()
        if meta is None and ledger.last is None and not journal.length:
            raise ServerRefused("there is nothing to verify: neither Redis nor the ledger has any stock")
        if closed := await self._closed(meta):
            # Whatever else differs follows from it.
            self._report.add(closed)
            return False
        assert meta is not None
        later = await self._following.state()
        self._following.journal_from = journal.first
        self._report.add(check_partition(meta, journal, ledger, later))
        doubled, poison = await self._sums.set_aside()
        gaps = await self._sums.gaps(later.last) if later.last is not None else []
        self._report.add(check_ledger(gaps, doubled, poison))
        told = dict(await self._sums.told_aside())
        if told:
            named = ", ".join(map(str, list(told)[:ASIDE_NAMED_MAX])) + ", …" * (len(told) > ASIDE_NAMED_MAX)
            self._report.note(_TOLD_ASIDE.format(len(told), named))
        await self._check_newest(later, told)
        return True

    async def _closed(self, meta: Meta | None) -> list[Finding]:
        was_begun_anew = await self._inspection.was_begun_anew()
        is_being_healed = await self._sums.is_being_healed()
        return check_closed(meta, was_begun_anew=was_begun_anew, is_being_healed=is_being_healed)

    async def _check_newest(self, ledger: Ledger, told: Mapping[Seq, bytes]) -> None:
        self._newest = newest = await self._inspection.newest(NEWEST_ENTRIES)
        cursor, known = ledger.cursor, {}
        if cursor is not None:
            first = Seq(cursor.epoch, max(0, cursor.number - NEWEST_ENTRIES + 1), cursor.partition)
            known = await self._sums.entries(first, cursor)
        # One that was set aside may be no entry at all, which is told.
        self._report.add(check_entries({seq: raw for seq, raw in newest.items() if told.get(seq) != raw}, known))

    async def _check_all(self) -> None:
        begins = await self._records.run()
        await self._names_of_skus.run()
        await self._seen.run(self._newest)
        await self._holds.run()
        await self._travelling.run()
        if self._counts is not None:
            await self._counts.begin(begins)
        async for page in self._names():
            await self._check_page(page)
        async for page in self._names_only_in_ledger():
            await self._check_page(page)
        await self._check_places()
        await self._check_transfers()
        if self._counts is not None:
            await self._counts.end()

    async def _check_some(self, skus: Sequence[str]) -> None:
        await self._check_page(list(dict.fromkeys(skus)))
        known = {finding.sku for finding in self._report.findings}
        for sku in await self._inspection.unknown(skus):
            if sku not in known:
                self._report.leave_unchecked(f"neither Redis nor the ledger knows the SKU {sku}")

    async def _names(self) -> AsyncIterator[list[str]]:
        """The SKUs that Redis has; a key whose name is no text is a finding."""
        async for page in self._inspection.sku_names():
            names: list[str] = []
            for key in page:
                try:
                    names.append(keys.sku_name(key))
                except UnicodeDecodeError:
                    self._report.add([Finding("malformed", f"the key {readable(key)} is no text")])
            yield names

    async def _names_only_in_ledger(self) -> AsyncIterator[list[str]]:
        """The SKUs that the ledger has movements of, and Redis nothing."""
        last = ""
        while names := await self._sums.skus_after(last, SKUS_PER_BATCH):
            last = names[-1]
            yield await self._inspection.unknown(names)

    async def _check_page(self, names: Sequence[str]) -> None:
        """Check some SKUs in batches; a batch of many positions makes the next one smaller."""
        at, size = 0, SKUS_PER_BATCH
        while at < len(names):
            batch = names[at : at + size]
            positions = await self._check_batch(batch)
            at += len(batch)
            size = max(1, min(SKUS_PER_BATCH, POSITIONS_PER_BATCH * len(batch) // max(1, positions)))
            self._on_progress(self._report.positions)

    async def _check_batch(self, names: Sequence[str]) -> int:
        batch, balances = await self._skus.check(names)
        by_location: dict[str, list[str]] = {}
        for raw in batch.skus:
            self._note(raw, balances.get(raw.name, {}))
            # A scan may give a name twice, and then its positions would count twice.
            if (digest := hash(raw.name)) not in self._met_skus:
                self._met_skus.add(digest)
                for packed in raw.positions:
                    by_location.setdefault(readable(packed), []).append(raw.name)
        self._met.update({location: len(skus) for location, skus in by_location.items()})
        self._met.subtract(await self._skus.check_members(by_location))
        await self._skus.check_reserved(batch.skus)
        await self._records.check_expected(batch.skus, batch.before)
        return sum(len(raw.positions) for raw in batch.skus)

    def _note(self, raw: RawSku, balances: Balances) -> None:
        """Count a SKU that was compared, and remember its units in transit."""
        # A name of another SKU, or one that is only described, is no stock.
        self._report.skus += bool(raw.positions or raw.views or balances)
        self._report.positions += len(raw.positions)
        for (_, bucket), units in balances.items():
            if units and bucket.startswith(TRANSIT) and self._in_transit_count < IN_TRANSIT_MAX:
                self._in_transit.setdefault(bucket.removeprefix(TRANSIT), set()).add(raw.name)
                self._in_transit_count += 1

    async def _check_places(self) -> None:
        """Each SKU that a location's set names must have a position there."""
        async for page in self._inspection.place_keys():
            for key in page:
                try:
                    location = keys.location_name(key)
                    await self._check_place(location)
                except UnicodeDecodeError:
                    self._report.add([Finding("malformed", f"the key {readable(key)} is no text")])
                except ServerRefused as fault:
                    self._report.add([Finding("malformed", str(fault), location=location)])

    async def _check_place(self, location: str) -> None:
        if await self._inspection.member_count(location) == self._met[location]:
            return  # as many as were met here, and each of those it names
        detail = "the location's set names the SKU, but it has no position here"
        async for members in self._inspection.members(location):
            without = await self._inspection.without_position(location, members)
            self._report.add(Finding("place_names_sku", detail, readable(sku), location) for sku in without)

    async def _check_transfers(self) -> None:
        async for page in self._inspection.transfer_names():
            for start in range(0, len(page), TRANSFERS_PER_BATCH):
                await self._compare_transfers(page[start : start + TRANSFERS_PER_BATCH])
        # Movements left units in transit, and no record was met; it may have been closed meanwhile.
        left = sorted(self._in_transit)
        for start in range(0, len(left), TRANSFERS_PER_BATCH):
            await self._compare_transfers(left[start : start + TRANSFERS_PER_BATCH])

    async def _compare_transfers(self, transfers: Sequence[str]) -> None:
        before, records = await self._inspection.transfers(transfers)
        skus = {sku for packed in records if packed is not None for sku in skus_of_transfer(packed)}
        for transfer in transfers:
            skus |= self._in_transit.pop(transfer, set())
        moved = await self._sums.in_transit(transfers, sorted(skus), await self._following.reaches(before))
        for sku in skus & self._following.rest.keys():
            for (_, bucket), units in self._following.rest[sku].items():
                if bucket.startswith(TRANSIT) and (transfer := bucket.removeprefix(TRANSIT)) in transfers:
                    of_transfer = moved.setdefault(transfer, {})
                    of_transfer[sku] = of_transfer.get(sku, 0) + units
        for transfer, packed in zip(transfers, records, strict=True):
            self._report.add(check_transfer(transfer, packed, moved.get(transfer, {})))
