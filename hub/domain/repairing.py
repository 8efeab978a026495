"""What a position must be that differs from the ledger's movements: the sums of them, and else as it is. Pure.

The kernel wrote both, and the ledger only grows, so what it says was moved is the truth of what lies where. The entry
that sets a position to it has no movements: the ledger has them already, and would be wrong with more. But for one: a
damaged position that was sold from may have made a deficit beside units that were there; those repay it.
"""

from collections.abc import Iterable, Mapping

import msgspec

from hub.domain.buckets import DEFICIT, FREE, RESERVED, aside_bucket, fence_bucket, is_shelf
from hub.domain.entry import Seq
from hub.domain.position import Fence, Position
from hub.domain.verifying import Balances, Finding, RawSku, Sku, buckets_of, readable

# Kinds of finding that an entry may set right.
REPAIRABLE = frozenset(
    (
        *("position_differs", "position_not_in_ledger", "negative", "conservation", "fence_over_target"),
        *("reserved_differs", "view_parts", "privacy", "view_shown", "view_missing", "rev_back", "changes_missing"),
        *("rules_ahead", "place_lacks_sku", "malformed", "position_not_in_redis"),
        *("description_differs", "free_beside_deficit"),
    )
)
# Kinds of finding about what follows from other fields, which is made anew of them without an entry.
INDEXES = frozenset(("hold_index", "place_names_sku"))
# Where any of these is found the ledger's sums may not be the truth, or the partition takes nothing: nothing is set.
BLOCKING = frozenset(
    (
        *("journal_gap", "journal_next", "journal_behind", "entry_malformed", "entry_differs", "ledger_gap"),
        *("ledger_cursor", "ledger_behind", "poison", "healing", "halted", "redis_empty", "other_hub", "other_epoch"),
    )
)
# These two stores do not belong together, or the ledger itself is damaged: no command mends that.
_BY_A_PERSON = frozenset(("other_hub", "ledger_gap", "ledger_cursor", "doubled", "poison"))
_BY_WAITING = frozenset(("ledger_behind", "count_open"))
# A rebuild sets what entries set, and entries hold what the kernel made of a damaged position.
_BY_REPAIR = frozenset(
    (
        *("position_differs", "position_not_in_ledger", "position_not_in_redis", "negative", "conservation"),
        *("fence_over_target", "free_beside_deficit", "reserved_differs"),
    )
)


def advice(kind: str) -> str:
    """What to do about a kind of finding that no repair sets right."""
    if kind in _BY_A_PERSON:
        return "keep a copy of both stores and look at it; bring back a backup, or count and adjust what it concerns"
    if kind in _BY_WAITING:
        return "let the ledger catch up, and verify again"
    if kind in _BY_REPAIR:
        return "it changes all the time, or its movements make no position that can be; no rebuild mends that: count it"
    return "`hub rebuild --whole` makes it anew from the ledger"


class MendedPlace(msgspec.Struct, frozen=True):
    """A position as it must be."""

    location: str
    # As it was read, empty where it is lost; where there are other bytes by now it is left alone.
    before: bytes
    after: Position
    # By how much all its buckets differed.
    units: int
    # Free units of the movements that repay the deficit beside them, which is a movement more.
    netted: int = 0


def mended(position: Position, moved: Mapping[str, int]) -> Position | None:
    """The position with the units that movements make, by bucket; None where they make fewer than none."""
    left = {bucket: units for bucket, units in moved.items() if is_shelf(bucket) and units}
    free, reserved, deficit = left.pop(FREE, 0), left.pop(RESERVED, 0), -left.pop(DEFICIT, 0)
    fences: list[Fence] = []
    for fence in position.fences:
        quantity = left.pop(fence_bucket(fence.pool), 0)
        fences.append(msgspec.structs.replace(fence, quantity=quantity, target=max(fence.target, quantity)))
    first_aside, first_fence = aside_bucket(""), fence_bucket("")
    order = [aside_bucket(status) for status, _ in position.aside]
    aside: list[tuple[str, int]] = []
    for bucket in sorted(left, key=lambda name: (order.index(name) if name in order else len(order), name)):
        if bucket.startswith(first_aside):
            aside.append((bucket.removeprefix(first_aside), left[bucket]))
        else:
            fences.append(Fence(bucket.removeprefix(first_fence), left[bucket], left[bucket], 0, 0))
    made = msgspec.structs.replace(
        position, free=free, reserved=reserved, deficit=deficit, fences=tuple(fences), aside=tuple(aside)
    )
    units = [free, reserved, deficit, *(fence.quantity for fence in fences), *(units for _, units in aside)]
    return made if min(units) >= 0 else None


def mended_places(
    raw: RawSku, sku: Sku, balances: Balances, listed: Iterable[str], remembered: Mapping[str, Position]
) -> list[MendedPlace]:
    """The positions of a SKU that differ from its movements, and those `listed`, whatever they are.

    One that is lost or cannot be read is made of what entries set last, `remembered`, and of the movements.
    """
    found: list[MendedPlace] = []
    lost = lost_places(raw, sku, balances)
    for location, position in [*sku.positions.items(), *((each, remembered.get(each, Position())) for each in lost)]:
        moved = {bucket: units for (where, bucket), units in balances.items() if where == location}
        after = mended(position, moved)
        if after is None:
            continue
        netted = min(after.free, after.deficit)
        after = msgspec.structs.replace(after, free=after.free - netted, deficit=after.deficit - netted)
        if after == position and location not in listed and location not in lost:
            continue
        has, wanted = buckets_of(position) if location not in lost else {}, buckets_of(after)
        units = sum(abs(has.get(bucket, 0) - wanted.get(bucket, 0)) for bucket in has.keys() | wanted.keys())
        found.append(MendedPlace(location, raw.positions.get(location.encode(), b""), after, units, netted))
    return found


def lost_places(raw: RawSku, sku: Sku, balances: Balances) -> list[str]:
    """Where the SKU has movements, or bytes that cannot be read, but no position."""
    moved = {location for location, bucket in balances if is_shelf(bucket)}
    stored = {name for packed in raw.positions if (name := readable(packed)).encode() == packed}
    return sorted((moved | stored) - sku.positions.keys())


def unreadable_views(raw: RawSku, sku: Sku) -> list[str]:
    """The pools whose views are there and cannot be read."""
    names = {name for packed in raw.views if (name := readable(packed)).encode() == packed}
    return sorted(names - sku.views.keys())


def payload_of(findings: Iterable[Finding], before: Seq) -> str:
    """What the entry tells of itself: why, what was found, and up to where the ledger was asked, as canonical JSON."""
    told = [
        {"kind": each.kind, "detail": each.detail, "location": each.location, "pool": each.pool} for each in findings
    ]
    return msgspec.json.encode({"before": str(before), "found": told, "reason": "verify"}, order="sorted").decode()
