"""Compare dedupe records with the entries of their events: some of each live day, and all of the newest events."""

from collections.abc import Mapping, Sequence

from hub.domain.entry import Seq
from hub.domain.remembering import DAY_MS
from hub.domain.verifying import Finding
from hub.domain.verifying_order import read_entry
from hub.domain.verifying_records import REMEMBERED_KINDS, check_forgotten, check_seen, read_seen, seen_field
from hub.faults import ServerRefused
from hub.ledger.recorded import Recorded
from hub.stock import keys
from hub.stock.remembered import Remembering
from hub.verify.following import Following
from hub.verify.report import Report

# Dedupe records of each live day that are looked at.
SEEN_PER_DAY = 500
# Numbers above it are none that an entry can have.
_NUMBER_MAX = 2**53


class SeenCheck:
    """One check of what is remembered of ids."""

    def __init__(self, remembering: Remembering, recorded: Recorded, following: Following, report: Report) -> None:
        self._remembering = remembering
        self._recorded = recorded
        self._following = following
        self._report = report

    async def run(self, newest: Mapping[Seq, bytes]) -> None:
        """Check some of what is remembered, and that of the newest entries all is.

        Raises:
            LedgerBehind: the ledger lacks what cannot be had.
            Unavailable: a store does not answer.
        """
        await self._check_newest(newest)
        try:
            now, some = await self._remembering.some_seen(SEEN_PER_DAY)
        except ServerRefused as fault:
            self._report.add([Finding("malformed", str(fault))])
            return
        await self._following.reaches(now.before)
        records = [read_seen(each.packed) for each in some]
        entries = await self._entries(list({each.seq for each in records if each is not None and _is_place(each.seq)}))
        for each, record in zip(some, records, strict=True):
            self._report.add(check_seen(each, entries.get(record.seq) if record is not None else None))

    async def _entries(self, places: Sequence[Seq]) -> dict[Seq, bytes]:
        """From the ledger, and from the journal what that lacks."""
        found = await self._recorded.at(places) if places else {}
        lacking = [place for place in places if place not in found]
        return found | (await self._remembering.journalled(lacking) if lacking else {})

    async def _check_newest(self, newest: Mapping[Seq, bytes]) -> None:
        entries = [(seq, entry) for seq, raw in newest.items() if (entry := read_entry(raw)) is not None]
        remembered = [(seq, entry) for seq, entry in entries if entry.kind in REMEMBERED_KINDS]
        days = [entry.booked_at_ms // DAY_MS for _, entry in remembered]
        fields = [seen_field(entry) for _, entry in remembered]
        now = await self._remembering.moment(zip(map(keys.seen, days), fields, strict=True))
        for (seq, entry), day, packed in zip(remembered, days, now.values, strict=True):
            if day >= now.seen_from:
                self._report.add(check_forgotten(entry, seq, packed))


def _is_place(seq: Seq) -> bool:
    return 0 <= seq.epoch < 2**31 and 0 <= seq.number < _NUMBER_MAX
