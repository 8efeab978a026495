"""The feed: everything that happened, as CloudEvents 1.0 with a cursor, and the types that there are."""

from collections.abc import Iterable
from typing import Final, Literal

from msgspec import Raw, Struct, field

from protocol.answers import AvailabilityItem, PositionItem
from protocol.reservations import Reservation, ToldAllocation

MOVEMENT: Final = "movement."
RESERVATION: Final = "reservation."
ORDER: Final = "order."
ALERT: Final = "alert."
AVAILABILITY_CHANGED: Final = "availability.changed"
RULE_CHANGED: Final = "rule.changed"
ORDER_CHANGED: Final = "order.changed"

# Event type -> what moved the units, for the table of types.
_MOVING: Final = {
    "sale": "units were sold",
    "sale.voided": "a sale did not stand: its units came back",
    "return": "units came back",
    "receipt": "units arrived",
    "adjustment": "units were found or are missing",
    "moved": "units changed their status, or were written off",
    "transfer.dispatched": "units left for another location",
    "transfer.received": "units arrived from another location",
    "ring_fence": "units were set aside for a pool, or given back",
    "expected": "a purchase order changed, and what was promised of it is kept elsewhere",
    "count": "a count differs from the book",
    "order.placed": "an order keeps units",
    "order.changed": "an order keeps other units",
    "order.cancelled": "an order gives units back",
    "order.fulfilled": "units left for an order",
    "reservation.reserved": "units are held",
    "reservation.extended": "a reservation was extended; units of it that were over are given back",
    "reservation.confirmed": "units were taken again, too late to be held still",
    "reservation.released": "held units were given back",
    "reservation.fulfilled": "held units left the house",
    "reservation.reallocated": "other units are held in place of those that were not found",
    "reservation.expired": "the time of held units is over",
    "reversal": "what was applied twice is taken back",
}
_ALERTS: Final = (
    *("discrepancy", "fence_broken", "reservation_broken", "oversold", "promise_arrived", "promise_late"),
    *("promise_short", "counterfeit_suspect", "out_of_reach", "not_found", "never_explained", "clock_skew", "conflict"),
    *("sold_out", "back_in_stock", "low_stock", "stale_source", "answers_lost", "reversed", "applied_twice"),
    *("entry_set_aside", "stock_differs", "repaired"),
    *("source_drift", "source_drift_over"),
)
# Every type -> when it is told.
FEED_TYPES: Final = {
    **{MOVEMENT + cause: meaning for cause, meaning in _MOVING.items()},
    AVAILABILITY_CHANGED: "what a pool shows of a SKU changed",
    "reservation.held": "it was made, extended or moved elsewhere, and units of it are held",
    "reservation.confirmed": "it does not end by itself any more, or an order took it over",
    "reservation.fulfilled": "its units left the house",
    "reservation.released": "its units were given back",
    "reservation.expired": "its time is over",
    "reservation.broken": "its units were taken, and none could be held instead",
    "order.placed": "an order was taken elsewhere",
    ORDER_CHANGED: "it has other lines, a till sold for it, or units are kept for it elsewhere than before",
    "order.cancelled": "it, or some lines of it, will not be sent",
    "order.fulfilled": "it, or some lines of it, left the house",
    **{ALERT + name: "the alert of this name was raised" for name in _ALERTS},
    RULE_CHANGED: "the house has other rules",
}
# Names in one question.
TYPES_ASKED_MAX: Final = 100


class FeedEvent(Struct, frozen=True, kw_only=True):
    """What made it happen: an event as its source sent it, a request, or the hub by itself (`~hub`, or no source)."""

    source: str
    id: str
    # Empty where the rules changed or a SKU was described.
    type: str


class FeedMovement(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Units that went from one bucket to another."""

    # Null where the reader may not see everything that it names or touched; so in the other items.
    event: FeedEvent | None
    sku: str
    location: str
    from_: str = field(name="from")
    to: str
    quantity: int
    # As far as the event says which of its units these are.
    serials: tuple[str, ...] = ()
    reservation: str | None = None
    order: str | None = None
    reason: str | None = None
    # When it happened, and when it was booked; RFC 3339.
    time: str
    booked_at: str
    # What lies there after everything that happened in this step, as `GET /v1/positions` tells it; left out where no
    # shelf was touched, as by what is lost on its way.
    position: PositionItem | None = None


class FeedAvailability(AvailabilityItem, frozen=True, kw_only=True, omit_defaults=True):
    """What a pool shows since."""

    event: FeedEvent | None


class FeedReservation(Reservation, frozen=True, kw_only=True, omit_defaults=True):
    """A reservation as it was then."""

    event: FeedEvent | None
    booked_at: str


class FeedOrderLine(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One SKU of an order; what is left out did not change."""

    sku: str
    ordered: int | None = None
    cancelled: int | None = None
    fulfilled: int | None = None
    allocations: tuple[ToldAllocation, ...] | None = None
    shortfall: int | None = None


class FeedOrder(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An order as it was then, or what changed of it."""

    event: FeedEvent | None
    order: str
    pool: str
    # Left out where only what is kept for it changed.
    state: str | None = None
    lines: tuple[FeedOrderLine, ...]
    booked_at: str


class FeedAlert(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Something a person should know; the fields of an answer's alert, and what the hub says of its own."""

    event: FeedEvent | None
    sku: str = ""
    location: str = ""
    quantity: int
    pool: str | None = None
    reservation: str | None = None
    order: str | None = None
    # Of the hub's own: which source, entry or window it is about, and more of it.
    about: str = ""
    detail: Raw | None = None
    booked_at: str


class FeedRules(Struct, frozen=True, kw_only=True):
    """The house's rules changed; every number after it is by these."""

    rules_version: int
    # Tells whether two versions are alike.
    digest: str
    booked_at: str


FeedData = FeedMovement | FeedAvailability | FeedReservation | FeedOrder | FeedAlert | FeedRules


class FeedItem(Struct, frozen=True, kw_only=True):
    """One thing that happened, as a CloudEvent."""

    specversion: Literal["1.0"]
    # For ever the same, and unique with `source`, which is this hub.
    id: str
    source: str
    type: str
    # When it happened, RFC 3339.
    time: str
    data: Raw
    # What follows it is asked for by it.
    cursor: str


class FeedAnswer(Struct, frozen=True):
    """A page of the feed; it may be short, even empty, and still not be the last."""

    items: tuple[Raw, ...]
    # Never null: asked again with it, the reader goes on, also behind the newest item of today.
    next: str


def types_asked(names: Iterable[str]) -> tuple[frozenset[str], tuple[str, ...]]:
    """Sort the names asked for into exact types and prefixes (`movement.*` is `movement.`).

    Raises:
        ValueError: there is no such type, or there are too many names; its text says which.
    """
    exact: set[str] = set()
    prefixes: set[str] = set()
    for name in names:
        prefix = name.removesuffix("*")
        if prefix.endswith(".") and prefix != name and any(type.startswith(prefix) for type in FEED_TYPES):
            prefixes.add(prefix)
        elif name in FEED_TYPES:
            exact.add(name)
        else:
            raise ValueError(f"there is no type `{name[:100]}` in the feed; `movement.*` is all of a kind")
        if len(exact) + len(prefixes) > TYPES_ASKED_MAX:
            raise ValueError(f"at most {TYPES_ASKED_MAX} types are named")
    return frozenset(exact), tuple(sorted(prefixes))


def feed_rows() -> list[tuple[str, str]]:
    """List (type, when) of every type, for the documentation."""
    return list(FEED_TYPES.items())
