"""What the kernel is asked to book, with every name resolved.

A command is an event after intake: aliases are house SKUs, the clock is corrected, and whether all its names
are known has been decided (`park` when one is not). `hash` and `payload` are of the event as it was sent.
"""

from typing import Literal

import msgspec

# `park` keeps a fact that names what nobody knows, `conflict` one whose id the ledger knows with another
# content; neither changes stock.
Verb = Literal["receipt", "sale", "return", "adjustment", "ring_fence", "park", "conflict"]

# The bucket of a line that names none: sellable units.
FREE = "free"


class Line(msgspec.Struct, frozen=True, array_like=True):
    """One line of a fact."""

    sku: str
    location: str
    # Units; negative only in an adjustment, 0 only as the target of a `ring_fence`.
    quantity: int
    # `free`, or a status: where a return's or adjustment's units go to or come from.
    bucket: str = FREE


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
