"""What is said back over HTTP: answers to events, what pools show, positions."""

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final, Literal

from msgspec import Struct

from protocol.problems import Problem

EventStatus = Literal["applied", "accepted", "duplicate", "parked", "refused"]

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)


class AnswerLine(Struct, frozen=True):
    """One line of an event, under the house's own name of the SKU."""

    sku: str
    # Negative only in an adjustment.
    quantity: int


class Alert(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Something a person should know: `discrepancy`, `fence_broken`, `sold_out`, …; docs/protocol.md has them all."""

    type: str
    # Both are left out where it is about the event as a whole, the location where it is about what a pool shows.
    sku: str = ""
    location: str = ""
    # Units; in a `clock_skew` the seconds.
    quantity: int
    # The pool whose fence or reservation was broken, that promised the units, or that shows something else now.
    pool: str | None = None
    # Whose units it is about, for callers with the scope `reservations:any` or `feed:read`.
    reservation: str | None = None
    order: str | None = None


class AvailabilityItem(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a pool shows of a SKU now."""

    sku: str
    # Left out where the answer as a whole names it.
    pool: str | None = None
    # None: the pool shows only a status.
    available: int | None = None
    # There is more than `available` says.
    capped: bool = False
    # `in_stock`, `low_stock`, `preorder`, `backorder`, `out_of_stock`.
    status: str
    # When more is expected, RFC 3339.
    eta: str | None = None
    # Rises when, and only when, what is shown changes; never shown: 0, or the first of the last epoch that was begun
    # because Redis had lost something.
    rev: int
    # When it last changed, RFC 3339; for a SKU the pool never showed, the time of the answer.
    at: str


class EventAnswer(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The answer to one event, alone or as an item of an array's answer."""

    # None where not even the id of the event could be read; it is then null on the wire.
    id: str | None
    status: EventStatus
    # Place in the journal, `partition-epoch-number`; shown only with scope `feed:read`.
    seq: str | None = None
    # These three are there, perhaps empty, whenever the event was booked.
    lines: tuple[AnswerLine, ...] | None = None
    alerts: tuple[Alert, ...] | None = None
    # Only of pools the caller may see; left out of a `duplicate`.
    availability: tuple[AvailabilityItem, ...] | None = None
    # Only of a count: `open` while what it found is still to be booked, then `closed`, and `alerts` has the
    # differences; left out of a `duplicate` where that could not be told.
    counting: Literal["open", "closed"] | None = None
    # What nobody knows (yet), of a `parked` one: `location LON-NEW`, `pool spring`, `status repair`, `type count`.
    unknown: tuple[str, ...] = ()
    # What there is no room for (yet), of a `parked` one whose names are all known.
    reason: str | None = None
    # Why it was refused.
    problem: Problem | None = None


class RefusedAlone(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A refusal that is the whole answer: an answer for those who read answers, a problem for those who read problems.

    RFC 9457 lets a reader pass over a `status` that is no number, and the number stands in `problem`.
    """

    type: str
    title: str
    detail: str
    status: Literal["refused"]
    problem: Problem
    path: str | None = None
    id: str | None = None


class AvailabilityAnswer(Struct, frozen=True):
    """What a pool shows of the SKUs asked for, in the order of the question."""

    pool: str
    items: tuple[AvailabilityItem, ...]


class PositionItem(Struct, frozen=True, kw_only=True):
    """The buckets of one SKU at one location."""

    sku: str
    location: str
    on_hand: int
    free: int
    # Pool -> units set aside for it.
    ring_fenced: dict[str, int]
    reserved: int
    # Status -> units on the shelf that are not for sale.
    aside: dict[str, int]
    # Units that facts took although the book did not have them.
    deficit: int


class PositionsAnswer(Struct, frozen=True, kw_only=True):
    """One page of positions."""

    items: tuple[PositionItem, ...]
    # The cursor of the next page; null at the end.
    next: str | None
    # Where the feed stood before the first page: what follows it is not yet in these positions for sure.
    feed_cursor: str | None


# What changes together is written together: the items of one batch share their time.
@lru_cache(maxsize=1024)
def rfc3339(ms: int) -> str:
    """Write UTC milliseconds since 1970 as `2026-11-22T10:00:00.123Z`."""
    seconds = (_EPOCH + timedelta(seconds=ms // 1000)).replace(tzinfo=None).isoformat()
    return f"{seconds}.{ms % 1000:03d}Z"


def epoch_ms(time: datetime) -> int:
    """Read an instant as UTC milliseconds since 1970, the rest of the millisecond dropped."""
    return (time - _EPOCH) // _MILLISECOND


# Before it there is no date.
EARLIEST_MS: Final = epoch_ms(datetime.min.replace(tzinfo=UTC))
