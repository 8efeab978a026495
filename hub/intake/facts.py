"""Event → fact: who may say it, what its names mean in this house, and when it happened. Pure.

An event that names what this house does not know (yet) becomes a fact with the verb `park`: it is kept whole, because
a fact must not be lost to configuration.
"""

from typing import NamedTuple

from hub.access import Claims
from hub.domain.command import Fact
from hub.domain.rules import House
from hub.intake.asked import Asked, asked_of, corrected
from protocol import events
from protocol.answers import epoch_ms
from protocol.codec import DecodedEvent


class Names(NamedTuple):
    """The locations and the pool that an event names."""

    locations: tuple[str, ...]
    pool: str | None


_AT_ONE_PLACE = (events.Sale, events.Receipt, events.Return, events.Moved, events.Adjustment, events.RingFence)


def names_in(event: events.Event) -> Names:
    """What the event names."""
    pool = getattr(event, "pool", None)
    if isinstance(event, _AT_ONE_PLACE):
        return Names((event.location,), pool)
    locations = [getattr(event, field, None) for field in ("location", "from_", "to")]
    locations += getattr(event, "locations", None) or ()
    locations += getattr(event, "prefer", None) or ()
    locations += [getattr(line, "location", None) for line in getattr(event, "lines", None) or ()]
    return Names(tuple(location for location in locations if location is not None), pool)


def forbidden_name(names: Names, claims: Claims) -> str | None:
    """The location or pool outside the sender's claims, as a sentence; existing or not, the answer is the same."""
    for location in names.locations:
        if not claims.may_location(location):
            return f"the token does not allow the location {location}"
    if names.pool is not None and not claims.may_pool(names.pool):
        return f"the token does not allow the pool {names.pool}"
    return None


def _knows(names: Names, house: House) -> bool:
    return all(location in house.locations for location in names.locations) and (
        names.pool is None or names.pool in house.pool_index
    )


def to_fact(decoded: DecodedEvent, names: Names, source: str, house: House, clock_error_ms: int) -> Fact:
    """What the kernel is asked to book.

    `clock_error_ms` is how far the sender's clock is behind ours; it is added to the stated time.
    """
    event = decoded.event
    stated_ms = epoch_ms(event.time)
    asked = asked_of(event, house, clock_error_ms) if _knows(names, house) else None
    verb, lines, detail = asked or Asked("park")
    return Fact(
        verb=verb,
        type=event.__struct_config__.tag,  # type: ignore[arg-type]  # every event's tag is its type on the wire
        source=source,
        id=event.id,
        hash=decoded.hash,
        time_ms=corrected(stated_ms, clock_error_ms),
        stated_ms=stated_ms,
        payload=decoded.canonical.decode(),
        lines=lines,
        pool=names.pool or "",
        standing=int(getattr(event, "standing", False)),
        ledger_checked=False,
        detail=detail,
    )
