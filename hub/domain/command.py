"""What the kernel is asked to book, with every name resolved.

A command is an event after intake: aliases are house SKUs, the clock is corrected, and whether all its names
are known has been decided (`park` when one is not). `hash` and `payload` are of the event as it was sent.
"""

from typing import Literal

import msgspec

# `park` keeps a fact that names what nobody knows, `conflict` one whose id the ledger knows with another
# content; neither changes stock. `close` ends a count, `alert` tells what the hub noticed and
# `reverse` takes back what was applied twice: all are its own.
Verb = Literal[
    "receipt",
    "sale",
    "void",
    "return",
    "moved",
    "adjustment",
    "ring_fence",
    "dispatch",
    "receive",
    "expected",
    "count",
    "close",
    "order_place",
    "order_change",
    "order_cancel",
    "order_fulfil",
    "reserve",
    "extend",
    "confirm",
    "release",
    "fulfil",
    "reallocate",
    "expire",
    "alert",
    "reverse",
    "park",
    "conflict",
]

# Who sends what is the hub's own; a source that no token can have.
OWN_SOURCE = "~hub"

# The bucket of a line that names none: sellable units.
FREE = "free"
WRITTEN_OFF = "written_off"


class Line(msgspec.Struct, frozen=True, array_like=True):
    """One line of a fact."""

    sku: str
    location: str
    # Units; negative only in an adjustment; 0 only as a target, as what was counted or is expected.
    quantity: int
    # `free`, or a status: where a return's, move's or adjustment's units go to or come from. Of a void: the bucket that
    # the sale took them from.
    bucket: str = FREE
    # Where a move's units go: `free`, a status or `written_off`.
    to: str = ""
    # Serial numbers of some or all of the units.
    serials: tuple[str, ...] = ()
    # When it happened, UTC milliseconds, where that is not the fact's time.
    time_ms: int | None = None


# The locations that a sender may touch, of what waits and takes effect later; empty: all.
Reach = tuple[str, ...]
REACH_MAX = 100


def reaches(reach: Reach, location: str) -> bool:
    """Whether what waited may take effect there."""
    return not reach or location in reach


# SKU and units, perhaps with the serials of some or all of them.
Asked = tuple[str, int] | tuple[str, int, tuple[str, ...]]


class Voiding(msgspec.Struct, frozen=True, array_like=True):
    """What a `void` takes back; the lines of the fact are what the sale took, from which buckets, in its order."""

    # The event id of the sale.
    sale: str
    # 1 when the sale was found; else the void waits for it.
    is_found: int
    # What to give back; empty: all that was not given back yet.
    asked: tuple[Asked, ...] = ()
    # (SKU, units) that earlier voids gave back, as far as the ledger says.
    given_back: tuple[tuple[str, int], ...] = ()
    # Of a void that waits: at most REACH_MAX names.
    reach: Reach = ()
    # The order that the sale was for; empty when it named none.
    order: str = ""
    # The lines of the sale that named pieces, with these.
    sold: tuple[Asked, ...] = ()


class Transfer(msgspec.Struct, frozen=True, array_like=True):
    """What a `dispatch` or `receive` is part of.

    What was received before anything was dispatched waits, for nobody knows yet where it is: the fact has no lines
    then, and its units stand in `early`. The dispatch has them as lines after its own, at `to`.
    """

    id: str
    # Where it goes; empty while nobody knows.
    to: str
    # Of the record it was made from; with another in place the kernel answers `look_again`.
    version: int
    # 1 when nothing more will arrive; what lacks is a discrepancy.
    is_final: int = 0
    # How many of the lines are its own. In a `dispatch` the others were received early; in a `receive` they have no
    # units and name what is lost by it and was kept for somebody.
    own_lines: int = 0
    # Of a `receive` nobody knows the place of.
    early: tuple[Asked, ...] = ()
    # Of a `receive` that waits: at most REACH_MAX names.
    reach: Reach = ()
    # Of a `dispatch`: the order whose units stay its own on the way; empty when it names none.
    order: str = ""


class Supply(msgspec.Struct, frozen=True, array_like=True):
    """Which purchase order a receipt or expected supply belongs to."""

    purchase_order: str
    # When it is expected, UTC milliseconds; 0 in a receipt.
    eta_ms: int = 0


# What a count says of the SKUs that it does not list: nothing, or that there are none. The rest of a complete count is
# counted by the hub itself, in further counts.
LISTED, COMPLETE, REST = 0, 1, 2


class Counting(msgspec.Struct, frozen=True, array_like=True):
    """As of when a `count` was taken."""

    counted_at_ms: int
    # `physical` or `system`.
    kind: str
    # LISTED, COMPLETE or REST.
    scope: int = 0
    # Where a complete one without lines was taken; else empty, the lines say it.
    location: str = ""
    # Of a REST: the source and id of the event that was sent, in whose name it is told; else empty.
    source: str = ""
    id: str = ""


class Closing(msgspec.Struct, frozen=True, array_like=True):
    """What the ledger says about the time of a count, so that it can be closed."""

    # The journal entry that opened it, as `epoch-number`.
    opened: str
    # For each line of the count, in its order: the units that came onto the shelf, less those that left it, by facts
    # journalled before the count was opened that happened after it was taken.
    since: tuple[int, ...] = ()
    # For each line likewise: the units that went by the shelf because another count was taken to have seen them, which
    # no count that was booked has; empty: none.
    passed: tuple[int, ...] = ()


class Raising(msgspec.Struct, frozen=True, array_like=True):
    """What an `alert` is about; its type is the fact's."""

    # The source that is silent.
    about: str
    # Seconds of silence.
    quantity: int


class Selling(msgspec.Struct, frozen=True, array_like=True):
    """What a `sale` was held as: a reservation, an order, or both."""

    # The name of the reservation's record; empty when it names none.
    name: str = ""
    # The order's id; empty when it names none.
    order: str = ""


class Ordering(msgspec.Struct, frozen=True, array_like=True):
    """What a fact about an order says.

    The lines of the fact are the SKUs that it may touch, at the location where units leave, if any is named; they have
    no units.
    """

    order: str
    # (SKU, location, units); the location may be empty, and is where the units had better come from. None at all: what
    # is cancelled or fulfilled is everything.
    asked: tuple[tuple[str, str, int], ...] = ()
    # Of a fulfilment: where the units leave; empty: from where they are kept.
    location: str = ""
    # Of a placed order: the name of the record of the reservation that it takes over.
    reservation: str = ""
    # Of a placed order: whose reservations in the pool it takes over unless it names one.
    owner: str = ""
    only: tuple[str, ...] = ()
    prefer: tuple[str, ...] = ()


class Asking(msgspec.Struct, frozen=True, array_like=True):
    """What a request about a reservation asks for.

    The lines of the fact are the SKUs that it may touch: those it asks for, those the reservation has and those of the
    one whose place it takes. They name no location and have no units.
    """

    # The name of the reservation's record.
    name: str
    # (SKU, location, units); the location may be empty. None at all: everything that the reservation has.
    asked: tuple[tuple[str, str, int], ...] = ()
    # How long from now, milliseconds.
    ttl_ms: int = 0
    # Hash of a request about some of the units, so that a repeat changes nothing; else empty.
    step: str = ""
    # Of a `reserve`.
    owner: str = ""
    kind: str = ""
    split: int = 0
    only: tuple[str, ...] = ()
    prefer: tuple[str, ...] = ()
    order: str = ""
    # 1: it takes the place of the owner's unconfirmed reservation of this kind in the pool.
    is_named: int = 0


class Reversing(msgspec.Struct, frozen=True, array_like=True):
    """What a `reverse` takes back; a line is a movement of it, from its bucket to its `to`."""

    # The journal entry that applied a fact a second time, as `epoch-number`.
    entry: str


# Verbs that ask, and can be denied.
REQUESTS = frozenset({"reserve", "extend", "confirm", "release", "fulfil", "reallocate", "expire"})

# Verb -> the kind of its entry, of what the hub says by itself and no sender can.
OWN_KINDS = {"alert": "alert", "reverse": "reversal"}

# Verbs of facts about orders.
ORDER_VERBS = frozenset({"order_place", "order_change", "order_cancel", "order_fulfil"})

Detail = Selling | Ordering | Asking | Voiding | Transfer | Supply | Counting | Closing | Raising | Reversing


class Fact(msgspec.Struct, frozen=True):
    """One fact to book: it already happened, so it is never refused for lack of stock."""

    verb: Verb
    # The event's type on the wire.
    type: str
    # The system that sent it: event ids are unique within a source.
    source: str
    id: str
    # Hash of the event as sent, in canonical form: another hash under the same id is a conflict.
    hash: str
    # When it happened, UTC milliseconds, by the source's clock after correction.
    time_ms: int
    # The same as stated, before correction: alike in every retry, so it decides whether to ask the ledger.
    stated_ms: int
    # True once the ledger was asked for this id and does not know it.
    ledger_checked: bool
    # The event as sent, canonical JSON.
    payload: str
    # The selling pool of a sale, the pool of a fence, else empty.
    pool: str = ""
    # 1 when a fence keeps its target as its own pool buys from it.
    standing: int = 0
    lines: tuple[Line, ...] = ()
    # What only some verbs say.
    detail: Detail | None = None
