"""What must hold of one SKU, checked: its positions against the ledger's movements, and the sum of all of them.

Stored bytes come in as they are, because a hub that somebody damaged by hand is what this is for: whatever cannot
be read is a finding, never an exception. What pools show is checked by `hub.domain.verifying_views`, the order of the
journal and the ledger by `hub.domain.verifying_order`.
"""

from collections.abc import Callable, Mapping
from typing import TypeVar

import msgspec

from hub.domain.buckets import DEFICIT, FREE, RESERVED, aside_bucket, fence_bucket, is_shelf
from hub.domain.expected import ExpectedLine
from hub.domain.pools import View
from hub.domain.position import Position

TRANSIT = "in_transit:"
_FENCE = fence_bucket("")

# Kind of finding → what it says.
KINDS = {
    "negative": "a bucket holds fewer than no units",
    "malformed": "bytes, a name or a key that cannot be read as what they must be",
    "position_differs": "a bucket is not the sum of the ledger's movements",
    "position_not_in_ledger": "a position has units, but no movement",
    "position_not_in_redis": "movements, but no position",
    "conservation": "units in + deficit is not on hand + in transit + units out",
    "fence_over_target": "a fence holds more than its target",
    "free_beside_deficit": "free units stand beside a deficit, although they repay it before anything else",
    "reserved_differs": "`reserved` is not what live reservations hold",
    "promise_differs": "what is promised of a purchase order is not what live reservations and orders keep of it",
    "promised_beyond": "more of a purchase order is promised than is still to come",
    "hold_index": "a hold is not listed as it is: by the SKUs that it keeps, or by when its first units are given back",
    "transfer_held_differs": "a transfer and a hold disagree about the units that the one brings for the other",
    "transit_differs": "a transfer's record and its movements disagree about what is on the way",
    "view_parts": "what stands behind a pool's number is not what its positions and rules make",
    "privacy": "the same, and units fenced for another pool may be shown",
    "view_shown": "the shown value is not what its parts and the rules make",
    "view_missing": "a pool sees the SKU, or has shown it, and keeps nothing of it",
    "view_foreign": "a pool keeps something of a SKU that never concerned it",
    "rev_back": "a `rev` is lower than the ledger's last one: screens would ignore what they are sent",
    "changes_missing": "something is shown that never changed from nothing",
    "rules_ahead": "computed by rules that the partition does not have yet",
    "description_differs": "a SKU was not computed by what the catalogue says of it",
    "record_differs": "what is remembered is not what the newest entry about it set",
    "record_not_in_redis": "an entry set what is not remembered",
    "record_not_in_ledger": "something is remembered that no entry set",
    "alias_differs": "a name and the description of the SKU that it means disagree",
    "void_waits": "a void waits for a sale that was booked",
    "voided_over_sale": "more units of a sale were given back than it took",
    "count_open": "a count stays open, although the ledger has everything before it",
    "expected_over_receipts": "more of a purchase order is said to have arrived than receipts brought",
    "seen_differs": "a dedupe record does not point to the entry of its event",
    "seen_missing": "one of the newest events is not remembered, so it may take effect again",
    "place_lacks_sku": "a location's list of SKUs lacks one that has a position there",
    "place_names_sku": "a location's list of SKUs names one that has no position there",
    "journal_gap": "numbers are missing in the journal, or between the ledger and the journal",
    "journal_next": "the next entry's number is not the one after the journal's last",
    "journal_behind": "the journal ends before what the ledger already has",
    "entry_malformed": "a journal entry cannot be read",
    "entry_differs": "a journal entry is not byte for byte the ledger's",
    "ledger_gap": "numbers are missing in the ledger",
    "ledger_cursor": "the ledger's cursor is not at its newest entry",
    "ledger_behind": "the ledger of a running hub does not follow the journal",
    "doubled": "a fact took effect twice, that was not taken back, and nobody settled its alert",
    "poison": "an entry could not be booked in the ledger and was set aside, and no alert tells of it yet",
    "healing": "Redis is being made anew, or that was broken off; nothing else is compared",
    "halted": "the partition takes nothing: a write failed half way; nothing else is compared",
    "redis_empty": "Redis has no stock of this hub, but the ledger has; nothing else is compared",
    "other_hub": "Redis and the ledger are of different hubs",
    "other_epoch": "Redis and the ledger are in different epochs",
}

# Units by (location, bucket): what the ledger's movements brought less what they took.
Balances = Mapping[tuple[str, str], int]

_Value = TypeVar("_Value")


class Finding(msgspec.Struct, frozen=True):
    """Something that is not as it must be."""

    # One of KINDS.
    kind: str
    detail: str
    # Empty where it is not about one.
    sku: str = ""
    location: str = ""
    pool: str = ""

    @property
    def place(self) -> tuple[str, str, str, str]:
        """What findings are listed by."""
        return self.sku, self.location, self.pool, self.kind


class RawSku(msgspec.Struct, frozen=True):
    """What Redis has of one SKU, byte for byte, read at one moment."""

    name: str
    # The version of the rules its views were computed by.
    rules: bytes | None = None
    # How often it was described by then.
    revision: bytes | None = None
    # What of it is expected.
    expected: bytes | None = None
    # By location, and by pool.
    positions: Mapping[bytes, bytes] = {}
    views: Mapping[bytes, bytes] = {}
    # Why nothing of it could be read; empty when it could.
    unreadable: str = ""
    # A hash of all that is stored of it, in this process only.
    fingerprint: int = 0


class Sku(msgspec.Struct, frozen=True):
    """The same, read."""

    name: str
    rules: int | None
    positions: dict[str, Position]
    views: dict[str, View]
    # Locations and pools whose bytes cannot be read.
    unreadable: frozenset[str] = frozenset()
    # Lines of purchase orders; None where they cannot be read, which is told where records are compared.
    expected: tuple[ExpectedLine, ...] | None = ()


_decode_position = msgspec.msgpack.Decoder(Position).decode
_decode_view = msgspec.msgpack.Decoder(View).decode
_decode_expected = msgspec.msgpack.Decoder(tuple[ExpectedLine, ...]).decode


def read_sku(raw: RawSku) -> tuple[Sku, list[Finding]]:
    """Read what is stored; each value that cannot be read is named and left out."""
    found: list[Finding] = []
    if raw.unreadable:
        found.append(Finding("malformed", raw.unreadable, raw.name))
    positions: dict[str, Position] = {}
    views: dict[str, View] = {}
    unreadable: set[str] = set()
    for name, packed in raw.positions.items():
        location, position = readable(name), _read(_decode_position, packed)
        if position is None or (twice := _named_twice(position)):
            why = "the position cannot be read" if position is None else f"the position names {twice} twice"
            found.append(Finding("malformed", why, raw.name, location))
            unreadable.add(location)
        else:
            positions[location] = position
    for name, packed in raw.views.items():
        pool, view = readable(name), _read(_decode_view, packed)
        if view is None:
            found.append(Finding("malformed", "what the pool shows cannot be read", raw.name, pool=pool))
            unreadable.add(pool)
        else:
            views[pool] = view
    rules = _number(raw.rules)
    if rules is None and (raw.rules is not None or raw.positions or raw.views):
        found.append(Finding("malformed", "the version of its rules is missing or no number", raw.name))
    expected = _read(_decode_expected, raw.expected) if raw.expected is not None else ()
    return Sku(raw.name, rules, positions, views, frozenset(unreadable), expected), found


def check_positions(sku: Sku, balances: Balances) -> list[Finding]:
    """Compare the positions of a SKU with the balances of its movements."""
    found: list[Finding] = []
    moved: dict[str, dict[str, int]] = {}
    for (location, bucket), units in balances.items():
        if is_shelf(bucket):
            of_location = moved.setdefault(location, {})
            if units:
                of_location[bucket] = units
    for location, position in sku.positions.items():
        has = buckets_of(position)
        found += _impossible(sku.name, location, position, has)
        if has != moved.get(location):
            found += _differences(sku.name, location, has, moved.get(location))
    for location, buckets in moved.items():
        if location not in sku.positions and location not in sku.unreadable:
            told = ", ".join(f"{bucket} {units}" for bucket, units in sorted(buckets.items()))
            detail = f"Redis has no such position; the ledger's movements make {told}"
            found.append(Finding("position_not_in_redis", detail, sku.name, location))
    return found + _conservation(sku, balances)


def buckets_of(position: Position) -> dict[str, int]:
    """Units by bucket as movements name them, empty ones left out; the deficit is the negative account it is."""
    buckets = {FREE: position.free, RESERVED: position.reserved, DEFICIT: -position.deficit}
    if position.fences:
        buckets |= {fence_bucket(fence.pool): fence.quantity for fence in position.fences}
    if position.aside:
        buckets |= {aside_bucket(status): units for status, units in position.aside}
    return {bucket: units for bucket, units in buckets.items() if units}


def readable(name: bytes) -> str:
    """A name as text; bytes that are none are shown as `\\xff`."""
    return name.decode("utf-8", "backslashreplace")


def _impossible(sku: str, location: str, position: Position, has: Mapping[str, int]) -> list[Finding]:
    found: list[Finding] = []
    held = {**has, DEFICIT: position.deficit}
    held |= {f"the target of {fence_bucket(fence.pool)}": fence.target for fence in position.fences}
    for bucket, units in held.items():
        if units < 0:
            found.append(Finding("negative", f"{bucket} is {units}", sku, location, _pool_of(bucket)))
    if position.free > 0 and position.deficit > 0:
        detail = f"{position.free} units are free beside a deficit of {position.deficit}"
        found.append(Finding("free_beside_deficit", detail, sku, location))
    for fence in position.fences:
        if fence.quantity > fence.target:
            detail = f"{fence.quantity} units are fenced, but the target is {fence.target}"
            found.append(Finding("fence_over_target", detail, sku, location, fence.pool))
    return found


def _differences(sku: str, location: str, has: dict[str, int], moved: dict[str, int] | None) -> list[Finding]:
    if moved is None:
        if not has:
            return []  # a fence's target or an empty count, which move nothing
        told = ", ".join(f"{bucket} {units}" for bucket, units in sorted(has.items()))
        detail = f"the ledger has no movement of this position; Redis has {told}"
        return [Finding("position_not_in_ledger", detail, sku, location)]
    found: list[Finding] = []
    for bucket in sorted(has.keys() | moved.keys()):
        ours, theirs = has.get(bucket, 0), moved.get(bucket, 0)
        if ours != theirs:
            sign = -1 if bucket == DEFICIT else 1
            detail = f"{bucket} is {sign * ours}, but the ledger's movements make {sign * theirs}"
            found.append(Finding("position_differs", detail, sku, location, _pool_of(bucket)))
    return found


def _conservation(sku: Sku, balances: Balances) -> list[Finding]:
    """Units in + deficit = on hand + in transit + units out; outside accounts hold what came in as a debt."""
    if sku.unreadable & {location for location, _ in balances}:
        return []
    outside = transit = 0
    for (_, bucket), units in balances.items():
        if bucket.startswith(TRANSIT):
            transit += units
        elif not is_shelf(bucket):
            outside += units
    on_hand = sum(position.on_hand for position in sku.positions.values())
    deficit = sum(position.deficit for position in sku.positions.values())
    if on_hand - deficit + transit == -outside:
        return []
    detail = (
        f"units in less units out make {-outside}, "
        f"but {on_hand} on hand + {transit} in transit - {deficit} deficit make {on_hand - deficit + transit}"
    )
    return [Finding("conservation", detail, sku.name)]


def _pool_of(bucket: str) -> str:
    return bucket.partition(_FENCE)[2]


def _named_twice(position: Position) -> str:
    if len(position.fences) + len(position.aside) < 2:
        return ""
    names = [fence_bucket(fence.pool) for fence in position.fences] + [aside_bucket(name) for name, _ in position.aside]
    return next((name for name in names if names.count(name) > 1), "")


def _read(decode: Callable[[bytes], _Value], packed: bytes) -> _Value | None:
    try:
        return decode(packed)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def _number(text: bytes | None) -> int | None:
    return int(text) if text is not None and text.isdigit() else None
