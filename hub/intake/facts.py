"""Event → fact: who may say it, what its names mean in this house, and when it happened. Pure.

An event that names what this house does not know (yet), or is of a type it cannot book (yet), becomes a fact with
the verb `park`: it is kept whole, because a fact must not be lost to configuration.
"""

from datetime import UTC, datetime

from hub.access import Claims
from hub.domain.command import Fact, Line
from hub.domain.rules import House
from protocol import events
from protocol.answers import epoch_ms
from protocol.codec import DecodedEvent

_EARLIEST_MS = epoch_ms(datetime.min.replace(tzinfo=UTC))

Bookable = events.Sale | events.Receipt | events.Return | events.Adjustment | events.RingFence


def named_places(event: events.Event) -> tuple[list[str], list[str]]:
    """The locations and the pools that an event names."""
    locations = [getattr(event, field, None) for field in ("location", "from_", "to")]
    locations += getattr(event, "locations", None) or ()
    locations += getattr(event, "prefer", None) or ()
    locations += [getattr(line, "location", None) for line in getattr(event, "lines", None) or ()]
    pool = getattr(event, "pool", None)
    return [location for location in locations if location is not None], [] if pool is None else [pool]


def forbidden_name(event: events.Event, claims: Claims) -> str | None:
    """The location or pool outside the sender's claims, as a sentence; existing or not, the answer is the same."""
    locations, pools = named_places(event)
    for location in locations:
        if not claims.may_location(location):
            return f"the token does not allow the location {location}"
    for pool in pools:
        if not claims.may_pool(pool):
            return f"the token does not allow the pool {pool}"
    return None


def _knows(event: events.Event, house: House) -> bool:
    locations, pools = named_places(event)
    return all(location in house.locations for location in locations) and all(
        pool in house.pool_index for pool in pools
    )


def _lines(event: Bookable, house: House) -> tuple[Line, ...] | None:
    """The fact's lines; None when one names a status that the house does not have."""
    lines = []
    for line in event.lines:
        bucket = getattr(line, "to", None) or getattr(line, "bucket", events.FREE)
        if bucket != events.FREE and bucket not in house.statuses:
            return None
        lines.append(Line(house.sku(line.sku), event.location, line.quantity, bucket))
    return tuple(lines)


_VERBS = {
    events.Sale: "sale",
    events.Receipt: "receipt",
    events.Return: "return",
    events.Adjustment: "adjustment",
    events.RingFence: "ring_fence",
}


def to_fact(decoded: DecodedEvent, source: str, house: House, clock_error_ms: int) -> Fact:
    """What the kernel is asked to book.

    `clock_error_ms` is how far the sender's clock is behind ours; it is added to the stated time.
    """
    event = decoded.event
    stated_ms = epoch_ms(event.time)
    lines: tuple[Line, ...] | None = None
    verb = _VERBS.get(type(event))
    if verb is not None and _knows(event, house):
        lines = _lines(event, house)  # type: ignore[arg-type]  # the verbs' keys are exactly Bookable
    return Fact(
        verb="park" if verb is None or lines is None else verb,  # type: ignore[arg-type]
        type=event.__struct_config__.tag,  # type: ignore[arg-type]  # every event's tag is its type on the wire
        source=source,
        id=event.id,
        hash=decoded.hash,
        # A wrong clock may not push it to where there is no date; too late a time the kernel cuts itself.
        time_ms=max(_EARLIEST_MS, stated_ms + clock_error_ms),
        stated_ms=stated_ms,
        payload=decoded.canonical.decode(),
        lines=lines or (),
        pool=getattr(event, "pool", ""),
        standing=int(getattr(event, "standing", False)),
        ledger_checked=False,
    )
