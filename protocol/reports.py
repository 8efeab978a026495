"""What is said back to people who ask why, where, when, how right, and what waits."""

from typing import Annotated

from msgspec import Meta, Raw, Struct, field

from protocol.supply import PromiseDate


class ExplainedPlace:
    """A location of an explanation, or the others in one sum; it has no tag, for its fields say which it is."""

    __slots__ = ()
    contribution: int


class ExplainedLocation(ExplainedPlace, Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One position, and what of it stands behind what a pool shows."""

    location: str
    # For every pool that sees the location.
    free: int
    # Of the free ones, held back here.
    buffer: int
    # Set aside for the pool that is explained.
    ring_fenced: int
    # max(0, free - buffer) + ring_fenced; of a location the pool does not see only what is set aside for it.
    contribution: int
    on_hand: int
    reserved: int
    # Status -> units on the shelf that are not for sale.
    aside: dict[str, int]
    deficit: int
    # False: the pool does not see the location.
    seen: bool = True


class OtherLocations(ExplainedPlace, Struct, frozen=True):
    """The locations that the caller may not see, in one sum."""

    contribution: int
    locations: str = "other"


class ExplainedGroup(Struct, frozen=True, kw_only=True):
    """The locations of a pool that share a rule."""

    # None: the locations in no group.
    id: str | None
    locations: tuple[ExplainedPlace, ...]
    # The sum of the contributions.
    part: int
    threshold: int
    safety: int
    # 0 below the threshold, else the part less the safety.
    part_after: int


class ShownValue(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a pool shows; the fields mean what they mean in an `AvailabilityItem`."""

    available: int | None = None
    capped: bool = False
    status: str
    eta: str | None = None
    rev: int


class ExplainedPromise(Struct, frozen=True, kw_only=True):
    """What a pool may promise of units that are still to come."""

    limit: int
    # Units that the pool has promised.
    promised: int
    # ATP by date, where it grows; none while the pool has anything in stock.
    dates: tuple[PromiseDate, ...]


class Explanation(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Why a pool shows of a SKU what it shows: the formula with its parts filled in."""

    pool: str
    sku: str
    groups: tuple[ExplainedGroup, ...]
    # The sum of the groups' `part_after`.
    supply: int
    threshold: int
    safety: int
    # Whether the pool sells the SKU at all.
    sell: bool
    # 0 below the threshold, else the supply less the safety.
    available: int
    # The most that is shown; None: no cap.
    cap: int | None
    # Only where the pool may promise the SKU.
    promise: ExplainedPromise | None = None
    shown: ShownValue
    # The same in one line, for a person.
    formula: str


class LocationItem(Struct, frozen=True, omit_defaults=True):
    """A location where a pool has units of a SKU."""

    location: str
    # None: the pool shows no numbers.
    available: int | None = None


class LocationsAnswer(Struct, frozen=True):
    """In which locations a pool has units of a SKU, by location."""

    pool: str
    sku: str
    items: tuple[LocationItem, ...]


class CausingEvent(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The journal entry by which a shown value came."""

    # Empty where the hub itself did it, as when its rules change.
    source: str
    id: str
    # The event's type; empty where the hub itself did it.
    type: str
    # `fact`, `refresh`, `closed`, …
    kind: str
    # When it happened, and when it was booked; RFC 3339.
    time: str
    booked_at: str
    # Only with scope `feed:read`.
    seq: str | None = None


class PastValue(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a pool showed of a SKU at one time."""

    pool: str
    sku: str
    at: str
    available: int | None = None
    capped: bool = False
    status: str
    eta: str | None = None
    rev: int
    # Shown from then on; None: nothing had ever been shown.
    since: str | None
    event: CausingEvent | None
    # The ledger lacks entries, so something newer may have been shown at that time.
    ledger_behind: bool = False


class LocationAccuracy(Struct, frozen=True, kw_only=True):
    """How right the counts of one location found the book."""

    location: str
    items_counted: int
    items_right: int
    # items_right / items_counted * 100; None when nothing was counted.
    accuracy: float | None
    # Units more and units fewer than the book said, never netted.
    overs: int
    shorts: int


class EventRef(Struct, frozen=True):
    """An event by its name."""

    source: str
    id: str


class Variance(Struct, frozen=True, kw_only=True):
    """A count that found another number than the book, and why as far as it is known."""

    sku: str
    location: str
    counted_at: str
    counted: int
    book: int
    # counted - book.
    variance: int
    # The part of it that late events explain: they had happened before the count and came after it.
    explained: int
    # `late_events`, `partly_late_events` or `unexplained`.
    cause: str
    # The count.
    event: EventRef
    # The late events, the first ten.
    late_events: tuple[EventRef, ...]


class AccuracyAnswer(Struct, frozen=True, kw_only=True):
    """Inventory record accuracy (IRA) by the physical counts that were taken from one time on, and before another."""

    from_: str = field(name="from")
    to: str
    items_counted: int
    items_right: int
    # Percent; None when nothing was counted.
    accuracy: float | None
    # Units that a count may differ from the book and still be right.
    tolerance: int
    overs: int
    shorts: int
    locations: tuple[LocationAccuracy, ...]
    # The largest ones, up to 100.
    variances: tuple[Variance, ...]
    # The ledger lacks entries, so the newest counts may be missing.
    ledger_behind: bool


class ParkedItem(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An event that is kept whole because it names what nobody knows, or there is no room for it."""

    source: str
    id: str
    type: str
    time: str
    booked_at: str
    # What nobody knows now; empty: it can be replayed, if there is room.
    unknown: tuple[str, ...]
    # What there was no room for when it came; left out where it named what nobody knew.
    reason: str | None = None
    # As it was sent, in canonical form.
    event: Annotated[Raw, Meta(extra_json_schema={"type": "object"})]


class ParkedAnswer(Struct, frozen=True):
    """One page of parked events, in the order they came; a page may be short and still have a `next`."""

    items: tuple[ParkedItem, ...]
    next: str | None


class DismissedAnswer(Struct, frozen=True):
    """`DELETE /v1/parked/{source}/{id}`: nobody waits for the event any more."""

    source: str
    id: str
    status: str = "dismissed"


class ReplayAnswer(Struct, frozen=True):
    """What became of the parked events."""

    replayed: int
    still_parked: int
