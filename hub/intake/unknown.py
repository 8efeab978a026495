"""What an event names that nobody in this house knows (yet). Pure."""

from hub.domain.rules import House
from hub.intake.facts import names_in
from protocol.codec import DecodedEvent, Malformed, decode_event
from protocol.events import FREE, WRITTEN_OFF

# Fields of a line that name a bucket.
_BUCKET_FIELDS = ("to", "bucket", "from_")


def unknown_in(decoded: DecodedEvent, house: House) -> tuple[str, ...]:
    """What keeps the event from being booked, each in words a person can search the configuration for; in its order."""
    event = decoded.event
    names = names_in(event)
    found = [f"location {name}" for name in names.locations if name not in house.locations]
    if names.pool is not None and names.pool not in house.pool_index:
        found.append(f"pool {names.pool}")
    for line in getattr(event, "lines", None) or ():
        buckets = [getattr(line, field, None) for field in _BUCKET_FIELDS]
        found += [f"status {name}" for name in buckets if name and name not in (FREE, WRITTEN_OFF, *house.statuses)]
    return tuple(dict.fromkeys(found))


def unknown_in_payload(payload: str, house: House) -> tuple[str, ...]:
    """The same of an event in its canonical form; nothing when this version cannot read it."""
    try:
        return unknown_in(decode_event(payload.encode()), house)
    except Malformed:
        return ()
