"""What must hold of the journal and the ledger as a whole, checked: whose they are, and that no number is missing."""

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from hub.domain.entry import Entry, Seq, decode_entry
from hub.domain.standing import BEHIND, HEALING
from hub.domain.verifying import TRANSIT, Finding

# Runs of missing numbers that are told one by one.
GAPS_TOLD_MAX = 20


class Gap(msgspec.Struct, frozen=True):
    """Numbers of one epoch that are missing, or with `more` rows than numbers."""

    first: Seq
    last: Seq


class Meta(msgspec.Struct, frozen=True):
    """What the partition says of itself in Redis."""

    hub: str
    epoch: int
    # The number of the next entry.
    next: int
    # Version of the rules, and digest of the house.
    rules: int
    house: str
    # Why it takes nothing; None where it does.
    halted: bytes | None


class Journal(msgspec.Struct, frozen=True):
    """The journal in Redis."""

    length: int
    # Both None when it is empty.
    first: Seq | None
    last: Seq | None
    # What is missing within; looked for where the length is not what first and last make.
    gaps: tuple[Gap, ...] = ()

    @property
    def is_dense(self) -> bool:
        """Whether first, last and length leave no room for a gap; of two epochs nobody knows without looking."""
        if self.first is None or self.last is None:
            return self.length == 0
        return self.first.epoch == self.last.epoch and self.last.number - self.first.number + 1 == self.length


class Ledger(msgspec.Struct, frozen=True):
    """The ledger in Postgres, at one moment."""

    hub: str
    epoch: int
    cursor: Seq | None
    # The newest entry it has, read or set aside.
    last: Seq | None


def check_closed(meta: Meta | None, *, was_begun_anew: bool, is_being_healed: bool) -> list[Finding]:
    """Why the partition holds nothing whole that could be compared; nothing where it does.

    `was_begun_anew`: an attempt to make it anew left its mark. `is_being_healed`: somebody holds the lock for it.
    """
    if was_begun_anew or (meta is not None and meta.halted == HEALING) or (meta is None and is_being_healed):
        detail = "is under way: wait until it is done, and verify again"
        if not is_being_healed:
            detail = "was broken off: start the hub, or run `hub rebuild`; then verify again"
        return [Finding("healing", f"making Redis anew {detail}")]
    if meta is None:
        detail = "Redis has no stock of this hub, but the ledger has some: start the hub, or run `hub rebuild`"
        return [Finding("redis_empty", detail)]
    if meta.halted == BEHIND:
        detail = "Redis lacks what was answered: start the hub, or run `hub rebuild`; then verify again"
        return [Finding("healing", detail)]
    if meta.halted is not None:
        detail = "the partition is halted, for a write failed half way: see to Redis's disk, and run `hub rebuild`"
        return [Finding("halted", detail)]
    return []


def check_partition(meta: Meta, journal: Journal, ledger: Ledger, later: Ledger) -> list[Finding]:
    """Compare what Redis says of the partition with what the ledger said before it and after it.

    The ledger may follow and the journal be trimmed meanwhile: it had what lies before the journal's end, and has
    what lies before its beginning.
    """
    found: list[Finding] = []
    if meta.hub != ledger.hub:
        found.append(Finding("other_hub", f"Redis is of the hub {meta.hub}, the ledger of {ledger.hub}"))
    if meta.epoch != ledger.epoch:
        found.append(Finding("other_epoch", f"Redis is in epoch {meta.epoch}, the ledger in {ledger.epoch}"))
    following = journal.last.number + 1 if journal.last is not None and journal.last.epoch == meta.epoch else None
    if meta.next != following and (following is not None or meta.next != 0):
        ends = f"ends at {journal.last}" if journal.last is not None else "is empty"
        found.append(Finding("journal_next", f"the next entry would be {meta.next}, but the journal {ends}"))
    return found + _check_journal(journal, ledger, later)


def _check_journal(journal: Journal, ledger: Ledger, later: Ledger) -> list[Finding]:
    found = [Finding("journal_gap", f"the journal lacks {_told(gap)}") for gap in journal.gaps[:GAPS_TOLD_MAX]]
    cursor = ledger.cursor
    if cursor != ledger.last:
        detail = f"the ledger says that it has everything up to {cursor}, but its newest entry is {ledger.last}"
        found.append(Finding("ledger_cursor", detail))
    if journal.last is None or journal.first is None:
        return found
    if cursor is not None and journal.last < cursor:
        detail = f"the journal ends at {journal.last}, but the ledger has {cursor}"
        found.append(Finding("journal_behind", detail))
    reached = later.cursor
    if reached is None or reached.epoch < journal.first.epoch:
        reached = Seq(journal.first.epoch, -1)
    if journal.first.epoch == reached.epoch and journal.first.number > reached.number + 1:
        lost = Gap(Seq(reached.epoch, reached.number + 1), Seq(reached.epoch, journal.first.number - 1))
        found.append(Finding("journal_gap", f"neither the journal nor the ledger has {_told(lost)}"))
    return found


def gaps_between(places: Iterable[Seq], before: Seq | None = None) -> list[Gap]:
    """What is missing between consecutive places; an epoch begins at 0."""
    found: list[Gap] = []
    for place in places:
        if before is not None and place.epoch == before.epoch:
            expected = before.number + 1
        else:
            expected = 0 if before is not None else place.number
        if place.number > expected:
            found.append(Gap(Seq(place.epoch, expected), Seq(place.epoch, place.number - 1)))
        before = place
    return found


def check_ledger(
    gaps: Sequence[Gap], doubled: Sequence[tuple[Seq, str, str]], poison: Sequence[tuple[Seq, str]]
) -> list[Finding]:
    """Name what the ledger lacks, which facts took effect twice (source, id) and what it could not book (problem)."""
    found = [Finding("ledger_gap", f"the ledger lacks {_told(gap)}") for gap in gaps]
    found += [
        Finding("doubled", f"the fact {source} {id} took effect a second time at {seq}") for seq, source, id in doubled
    ]
    found += [Finding("poison", f"the entry {seq} could not be booked: {problem}") for seq, problem in poison]
    return found


def check_entries(journal: Mapping[Seq, bytes], ledger: Mapping[Seq, bytes]) -> list[Finding]:
    """Compare byte for byte the entries that both have."""
    found: list[Finding] = []
    for seq, raw in journal.items():
        if read_entry(raw) is None:
            found.append(Finding("entry_malformed", f"the journal entry {seq} cannot be read"))
        if ledger.get(seq, raw) != raw:
            found.append(Finding("entry_differs", f"the journal has another entry at {seq} than the ledger"))
    return found


def read_entry(raw: bytes) -> Entry | None:
    """An entry, None where it is none as this version knows it."""
    try:
        return decode_entry(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def add_movements(balances: dict[str, dict[tuple[str, str], int]], entries: Iterable[bytes]) -> None:
    """Add what entries moved to balances by SKU and (location, bucket); what cannot be read moves nothing."""
    for entry in filter(None, map(read_entry, entries)):
        for moved in entry.movements:
            if 0 <= moved.sku < len(entry.skus):
                of_sku = balances.setdefault(entry.skus[moved.sku], {})
                for bucket, units in ((moved.from_bucket, -moved.quantity), (moved.to_bucket, moved.quantity)):
                    of_sku[moved.location, bucket] = of_sku.get((moved.location, bucket), 0) + units


class _Record(msgspec.Struct, array_like=True, frozen=True):
    """What is remembered of a transfer under way; what follows in it is of no concern here."""

    version: int
    to: str
    is_final: int
    # (SKU, sent, received).
    sums: tuple[tuple[str, int, int], ...] = ()


_decode_record = msgspec.msgpack.Decoder(_Record).decode


def check_transfer(transfer: str, packed: bytes | None, moved: Mapping[str, int]) -> list[Finding]:
    """Compare what a transfer's record says is in transit with the balances of its movements by SKU."""
    sums: tuple[tuple[str, int, int], ...] = ()
    is_final = 0
    if packed is not None:
        try:
            record = _decode_record(packed)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return [Finding("malformed", f"the record of the transfer {transfer} cannot be read")]
        sums, is_final = record.sums, record.is_final
    wanted = {sku: 0 if is_final else max(0, sent - received) for sku, sent, received in sums}
    found: list[Finding] = []
    for sku in sorted(wanted.keys() | moved.keys()):
        ours, theirs = wanted.get(sku, 0), moved.get(sku, 0)
        if ours != theirs:
            detail = f"the transfer {transfer} has {ours} in transit, but {TRANSIT}{transfer} holds {theirs}"
            found.append(Finding("transit_differs", detail, sku))
    return found


def skus_of_transfer(packed: bytes) -> list[str]:
    """The SKUs that a transfer's record names; none of one that cannot be read."""
    try:
        return [sku for sku, _, _ in _decode_record(packed).sums]
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return []


def _told(gap: Gap) -> str:
    return str(gap.first) if gap.first == gap.last else f"{gap.first} to {gap.last}"
