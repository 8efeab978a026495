"""Compare what Redis remembers beside positions and views with what the newest entries set.

The ledger's entries are read from the newest back, so the first one that names a record has its value; Redis is asked
for some hundreds of them at one moment. Where the two disagree, it may have been set since the check began: what was
set since is read then, and kept.
"""

from collections.abc import Callable, Mapping, Sequence

from hub.domain.entry import Seq
from hub.domain.verifying import Finding, RawSku, readable
from hub.domain.verifying_order import read_entry
from hub.domain.verifying_records import (
    EXPECTED,
    OF_THE_DAY,
    TABLES,
    VOIDED,
    VOIDS,
    Name,
    Remembered,
    check_expected,
    check_record,
    check_unknown,
    check_voided,
    records_in,
    value_of,
    voided_units,
)
from hub.faults import ServerRefused
from hub.ledger.recorded import Recorded
from hub.stock.inspecting import Inspection
from hub.stock.remembered import HASHES, Moment, Remembering, place_of
from hub.verify.following import Following
from hub.verify.report import Report

RECORDS_PER_BATCH = 500
# Records that are compared, about 60 bytes each; older ones are left.
RECORDS_MAX = 2_000_000
# Records that were set while the check went on.
NEWER_MAX = 200_000

_TOO_MANY = "more than {:,} things are remembered; those that were set last were compared"
_TOO_BUSY = "more than {:,} things were remembered anew meanwhile; not all were compared"


class Newer:
    """What entries set since the check began; for one verification."""

    def __init__(self, inspection: Inspection, recorded: Recorded, following: Following, report: Report) -> None:
        self._inspection = inspection
        self._recorded = recorded
        self._following = following
        self._report = report
        self._at: Seq | None = None
        self._known: dict[Name, Remembered] = {}
        # Whether all of it is known.
        self.is_whole = True

    def begin(self, at: Seq) -> None:
        """Know nothing that was set before a place."""
        self._at = at

    async def before(self, before: Seq) -> Mapping[Name, Remembered]:
        """The newest of each record set before a place; places must not go back from call to call.

        Raises:
            LedgerBehind, Unavailable, ServerRefused: as `Following.reaches`.
        """
        reached = await self._following.reaches(before)
        at, self._at = self._at or reached, before
        async for page in self._recorded.between(TABLES, at, reached):
            for seq, raw in page:
                self._take(seq, raw)
        # What a ledger that stands lacks.
        first = max(at, reached)
        number = first.number
        async for entries in self._inspection.entries(first, before):
            for raw in entries:
                self._take(Seq(first.epoch, number, first.partition), raw)
                number += 1
        return self._known

    def _take(self, seq: Seq, raw: bytes) -> None:
        entry = read_entry(raw)
        for record in records_in(seq, entry) if entry is not None else ():
            if record.name in self._known or len(self._known) < NEWER_MAX:
                self._known[record.name] = record
            else:
                self.is_whole = False
                self._report.leave_unchecked(_TOO_BUSY.format(NEWER_MAX))


class RecordCheck:
    """One check of all records of one hub; call `run` once, and first."""

    def __init__(
        self,
        inspection: Inspection,
        remembering: Remembering,
        recorded: Recorded,
        following: Following,
        report: Report,
        house_name: Callable[[str], str],
    ) -> None:
        self._remembering = remembering
        self._recorded = recorded
        self._following = following
        self._report = report
        # The house's own name of a SKU.
        self._house_name = house_name
        self._newer = Newer(inspection, recorded, following, report)
        # Hashes of the names of records that entries set.
        self._met: set[int] = set()
        self._met_all = False

    async def run(self) -> Seq:
        """Compare every record that an entry set, and look for those that none did.

        Answers a place that the ledger has everything before.

        Raises:
            LedgerBehind: the ledger lacks what cannot be had.
            Unavailable, ServerRefused: a store does not answer, or cannot be read.
        """
        begins = await self._following.reaches((await self._remembering.moment()).before)
        self._newer.begin(begins)
        self._met_all = await self._compare_newest(begins)
        for table in HASHES:
            try:
                async for page in self._remembering.table(table):
                    await self._check_fields(table, [field for field, _ in page])
            except ServerRefused as fault:
                self._report.add([Finding("malformed", str(fault))])
        await self._compare_newer()
        return begins

    async def check_expected(self, skus: Sequence[RawSku], before: Seq) -> None:
        """Compare what is expected of some SKUs, read before a place, with the receipts that came."""
        packed = {raw.name: raw.expected for raw in skus if raw.expected is not None}
        if not packed:
            return
        received = await self._recorded.received(packed, await self._following.reaches(before))
        for sku, expected in packed.items():
            # What only the journal has yet cannot be summed by purchase order.
            if sku not in self._following.rest:
                self._report.add(check_expected(sku, expected, received.get(sku, {})))
        await self._check_unknown([(EXPECTED, sku) for sku in packed])

    async def _compare_newest(self, before: Seq) -> bool:
        """Compare the newest value of each record; whether there were no more than can be."""
        batch: list[Remembered] = []
        async for page in self._recorded.newest_first(TABLES, before):
            for seq, raw in page:
                entry = read_entry(raw)
                for record in records_in(seq, entry) if entry is not None else ():
                    if (digest := hash(record.name)) not in self._met:
                        self._met.add(digest)
                        batch.append(record)
                if len(batch) >= RECORDS_PER_BATCH:
                    await self._compare(batch)
                    batch = []
                if len(self._met) >= RECORDS_MAX:
                    self._report.leave_unchecked(_TOO_MANY.format(RECORDS_MAX))
                    return False
        await self._compare(batch)
        return True

    async def _compare(self, records: Sequence[Remembered]) -> None:
        now = await self._remembering.records(records)
        suspects = [
            (record, packed)
            for record, packed in zip(records, now.values, strict=True)
            if _is_kept(record, now) and check_record(record, packed)
        ]
        newer = await self._newer.before(now.before) if suspects and self._newer.is_whole else {}
        for record, packed in suspects if self._newer.is_whole else ():
            wanted = newer.get(record.name, record)
            # Kept on a later day, it lies elsewhere; the one of before stays as it was.
            self._report.add(
                check_record(wanted if wanted.day == record.day or _is_of_no_day(record) else record, packed)
            )
        await self._check_voided(records, now)

    async def _compare_newer(self) -> None:
        """Compare what was set since the check began, or what the ledger lacks of it where it stands."""
        since = list((await self._newer.before((await self._remembering.moment()).before)).values())
        for start in range(0, len(since), RECORDS_PER_BATCH):
            batch = since[start : start + RECORDS_PER_BATCH]
            now = await self._remembering.records(batch)
            newer = await self._newer.before(now.before)
            for record, packed in zip(batch, now.values, strict=True) if self._newer.is_whole else ():
                wanted = newer[record.name]
                if (wanted.day == record.day or _is_of_no_day(record)) and _is_kept(record, now):
                    self._report.add(check_record(wanted, packed))

    async def _check_voided(self, records: Sequence[Remembered], now: Moment) -> None:
        voided = {
            _event_of(record.field): (record, packed)
            for record, packed in zip(records, now.values, strict=True)
            if record.table == VOIDED
        }
        sales = await self._recorded.sales(voided, now.before) if voided else {}
        for event, (record, packed) in voided.items():
            entry = read_entry(sales[event]) if event in sales else None
            if event in sales and entry is None:
                continue
            units = voided_units(_stored_value(packed) if packed is not None else record.value)
            self._report.add(check_voided(record.field, units, entry, self._house_name))

    async def _check_fields(self, table: str, fields: Sequence[bytes]) -> None:
        names: list[Name] = []
        for field in fields:
            try:
                names.append((table, field.decode()))
            except UnicodeDecodeError:
                self._report.add([Finding("malformed", f"a field of `{table}`, {readable(field)}, is no text")])
        await self._check_unknown(names)
        if table == VOIDS:
            await self._check_waiting([field for _, field in names])

    async def _check_unknown(self, names: Sequence[Name]) -> None:
        """What is there although no entry set it."""
        unknown = [name for name in names if self._met_all and hash(name) not in self._met]
        if not unknown:
            return
        now = await self._remembering.moment(place_of(*name) for name in unknown)
        newer = await self._newer.before(now.before)
        if self._newer.is_whole:
            for name, packed in zip(unknown, now.values, strict=True):
                self._report.add(check_record(newer[name], packed) if name in newer else check_unknown(name, packed))

    async def _check_waiting(self, fields: Sequence[str]) -> None:
        """A void waits only for a sale that was not booked."""
        now = await self._remembering.moment(place_of(VOIDS, field) for field in fields)
        waiting = [field for field, packed in zip(fields, now.values, strict=True) if packed is not None]
        before = await self._following.reaches(now.before)
        for source, id in await self._recorded.sales(map(_event_of, waiting), before):
            self._report.add([Finding("void_waits", f"a void waits for the sale {source} {id}, which was booked")])


def _is_of_no_day(record: Remembered) -> bool:
    return record.table not in OF_THE_DAY


def _is_kept(record: Remembered, now: Moment) -> bool:
    return _is_of_no_day(record) or record.day >= now.seen_from


def _event_of(field: str) -> tuple[str, str]:
    """Source and id; a source has no colon."""
    source, _, id = field.partition(":")
    return source, id


def _stored_value(packed: bytes) -> object:
    """The record that lies among dedupe records; nothing of one that cannot be read."""
    try:
        stored = value_of(packed)
    except ValueError:
        return None
    return stored[-1] if isinstance(stored, list) and stored else None
