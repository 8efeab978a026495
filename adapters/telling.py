"""What the dialects share: exact quantities and times, SKUs by a vendor's ids, and events that fit the limits.

What cannot be mapped is raised as `Unmapped` in here and leaves an adapter as `Reading.unmapped`, by `told`.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from hashlib import sha256

import msgspec

from adapters.contract import (
    DESCRIPTIONS_PER_DELIVERY_MAX,
    EVENTS_PER_DELIVERY_MAX,
    LEVELS_PER_DELIVERY_MAX,
    Account,
    Description,
    Level,
    Reading,
)
from protocol.codec import Malformed, decode_event, encode_canonical, malformed
from protocol.events import (
    Event,
    Line,
    OrderCancelled,
    OrderChanged,
    OrderFulfilled,
    OrderLine,
    OrderPlaced,
    Return,
    ReturnLine,
    Sale,
)
from protocol.identifiers import Name
from protocol.limits import DETAIL_CHARS_MAX, LINES_PER_EVENT_MAX, QUANTITY_MAX

# A number as vendors write it: 1, 1.0, "1", "1.00000".
Number = int | float | str
# An id: exact also beyond 2^53, since no float is made of it.
Id = int | str
# Units by SKU, in the order of the first of each.
Units = dict[str, int]
_NUMBER_CHARS_MAX = 40
_DECIMAL = re.compile(r"[+-]?[0-9]{1,20}(\.[0-9]{1,20})?")
_SEGMENT = re.compile(r"[A-Za-z0-9_-]{1,64}")
_WORD = re.compile(r"[A-Za-z0-9_./*-]{1,100}")

_check_level = msgspec.json.Decoder(Level).decode
_check_description = msgspec.json.Decoder(Description).decode
_encode = msgspec.json.Encoder().encode


class Unmapped(Exception):
    """What was delivered has no meaning in this house yet; its text is one sentence for whoever mends that."""


def told(say: Callable[[], Reading], aliases: Iterable[str] = ()) -> Reading:
    """What a delivery says, with the aliases that came up meanwhile, or why it cannot be known; never an exception."""
    try:
        reading = checked(say())
        return msgspec.structs.replace(reading, aliases=tuple(aliases)) if reading.events or reading.levels else reading
    except Unmapped as error:
        return Reading(unmapped=str(error)[:DETAIL_CHARS_MAX])
    except Malformed as error:
        return Reading(unmapped=f"{_field(error)} says what no event can: {error.detail}"[:DETAIL_CHARS_MAX])
    except (msgspec.MsgspecError, ValueError, OverflowError, RecursionError) as error:
        unread = malformed(error)
        return Reading(unmapped=f"{_field(unread)} cannot be read: {unread.detail}"[:DETAIL_CHARS_MAX])


def _field(error: Malformed) -> str:
    return f"`{error.path}`" if error.path not in (None, "$") else "It"


def checked(reading: Reading) -> Reading:
    """The same with its events as they would be read from the wire: a struct does not look at what it is made of.

    Raises:
        Malformed: no event may look so.
        Unmapped: there are too many.
    """
    for told_of, most in (
        (reading.events, EVENTS_PER_DELIVERY_MAX),
        (reading.levels, LEVELS_PER_DELIVERY_MAX),
        (reading.descriptions, DESCRIPTIONS_PER_DELIVERY_MAX),
    ):
        if len(told_of) > most:
            raise Unmapped(f"It says {len(told_of)} things at once; at most {most} are taken.")
    for level in reading.levels:
        _check_level(_encode(level))
    for description in reading.descriptions:
        _check_description(_encode(description))
    events = tuple(decode_event(encode_canonical(event)).event for event in reading.events)
    return msgspec.structs.replace(reading, events=events)


def whole(number: Number) -> int:
    """A number of units, which may be negative, if it is a whole one; a float is what the vendor wrote in digits.

    Raises:
        Unmapped: it is a fraction, too large, or no number.
    """
    text = str(number).strip()
    if not _DECIMAL.fullmatch(text):
        raise Unmapped(f"`{text[:_NUMBER_CHARS_MAX]}` is no number of units.")
    exact = Decimal(text)
    if abs(exact) > QUANTITY_MAX:
        raise Unmapped(f"{text} units are more than {QUANTITY_MAX}, the most that one line may have.")
    if exact != exact.to_integral_value():
        raise Unmapped(f"{text} units cannot be booked: the hub counts whole ones.")
    return int(exact)


def units_of(number: Number) -> int:
    """A number of units that were sold or ordered.

    Raises:
        Unmapped: it is below 0, or as `whole` says.
    """
    if (units := whole(number)) < 0:
        raise Unmapped(f"{units} units cannot be sold or ordered.")
    return units


def instant(text: str | None, otherwise_ms: int, *, in_utc: bool = False) -> datetime:
    """A time as vendors write it, with an offset, or without one where all their times are UTC.

    Raises:
        Unmapped: it is no time, or has no offset.
    """
    if not text:
        return datetime.fromtimestamp(otherwise_ms / 1000, UTC)
    try:
        time = datetime.fromisoformat(text)
        time = time.replace(tzinfo=UTC) if in_utc and time.tzinfo is None else time
        if time.tzinfo is not None:
            return time.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise Unmapped(f"`{text[:_NUMBER_CHARS_MAX]}` is no time with an offset.")


def place_of(account: Account, theirs: Id | None) -> Name:
    """Our location for theirs.

    Raises:
        Unmapped: it is not mapped.
    """
    if place := account.place(None if theirs is None else str(theirs)):
        return place
    which = "a vendor's place that is not named (`*`)" if theirs is None else f"their location {theirs}"
    raise Unmapped(f"`locations` of source {account.source} has nothing for {which}.")


def pool_of(account: Account) -> Name:
    """The pool that sells.

    Raises:
        Unmapped: none is configured.
    """
    if account.pool:
        return account.pool
    raise Unmapped(f"Source {account.source} has no `pool`, and it sells.")


def order_of(account: Account, theirs: Id) -> str:
    """The hub's id of their order: two shops may number theirs alike."""
    return f"{account.source}:{theirs}"


def alias_of(account: Account, kind: str, theirs: Id) -> str:
    """The name of a SKU by an id of theirs, where it has no other."""
    return f"{account.source}:{kind}:{theirs}"


def segment(theirs: Id) -> str:
    """An id as part of an address.

    Raises:
        Unmapped: it would be more than a part.
    """
    if _SEGMENT.fullmatch(str(theirs)):
        return str(theirs)
    raise Unmapped(f"`{str(theirs)[:_NUMBER_CHARS_MAX]}` is no id that could be asked for.")


def digest(*parts: object) -> str:
    """Sixteen characters that differ where the parts do."""
    return sha256(_encode(parts)).hexdigest()[:16]


def word(text: object) -> str:
    """A topic as a vendor writes it; empty where it is something else."""
    return text if isinstance(text, str) and _WORD.fullmatch(text) else ""


def said_by(body: bytes) -> str:
    """A delivery's id where the vendor gives none: what it says."""
    return f"sha256:{sha256(body).hexdigest()}"


def summed(lines: Iterable[tuple[str, int]]) -> Units:
    """Units by SKU; those of which there are none are left out."""
    units: Units = {}
    for sku, number in lines:
        units[sku] = units.get(sku, 0) + number
    return {sku: number for sku, number in units.items() if number}


def placed_and_set(account: Account, order: Id, created: datetime, updated: datetime, units: Units) -> list[Event]:
    """An order as it stands, told from any picture of it: that it was placed, and what it consists of by now.

    Raises:
        Unmapped: it has more SKUs than an event, or there is no pool.
    """
    if not units:
        return []
    if len(units) > LINES_PER_EVENT_MAX:
        raise Unmapped(f"Order {order} has {len(units)} SKUs; an order has at most {LINES_PER_EVENT_MAX}.")
    lines = tuple(OrderLine(sku=sku, quantity=number) for sku, number in units.items())
    ours = order_of(account, order)
    # Two pictures of one second may differ, so the time alone does not tell them.
    version = f"{int(updated.timestamp() * 1000)}:{digest(sorted(units.items()))}"
    return [
        OrderPlaced(id=f"order:{order}:placed", time=created, order=ours, pool=pool_of(account), lines=lines),
        OrderChanged(id=f"order:{order}:set:{version}", time=updated, order=ours, lines=lines),
    ]


def taken_out(account: Account, order: Id, line: Id, time: datetime, units: Units) -> list[Event]:
    """A line of an order of which nothing is left, where no line is: an order cannot be set to nothing."""
    id = f"order:{order}:line:{line}:cancelled"
    lines = tuple(Line(sku=sku, quantity=number) for sku, number in units.items())
    return [OrderCancelled(id=id, time=time, order=order_of(account, order), lines=lines)] if lines else []


def cancelled(account: Account, order: Id, time: datetime) -> Event:
    """An order that will not be sent."""
    return OrderCancelled(id=f"order:{order}:cancelled", time=time, order=order_of(account, order))


def sales(account: Account, id: str, time: datetime, place: Name, units: Units, order: Id | None = None) -> list[Event]:
    """Units that a till sold, in as many events as the limit makes of them."""
    ours = None if order is None else order_of(account, order)
    return [
        Sale(id=part, time=time, location=place, pool=pool_of(account), lines=_lines(some), order=ours)
        for part, some in _parts(id, units)
    ]


def fulfilments(account: Account, order: Id, id: str, time: datetime, place: Name | None, units: Units) -> list[Event]:
    """Units of an order that left."""
    ours = order_of(account, order)
    return [
        OrderFulfilled(id=part, time=time, order=ours, location=place, lines=_lines(some))
        for part, some in _parts(id, units)
    ]


def returns(
    account: Account, id: str, time: datetime, place: Name, units: Units, to: Name = "", order: Id | None = None
) -> list[Event]:
    """Units that came back, to where the source puts them unless `to` says more."""
    ours = None if order is None else order_of(account, order)
    events: list[Event] = []
    for part, some in _parts(id, units):
        bucket = to or account.returns_to
        lines = tuple(ReturnLine(sku=sku, quantity=number, to=bucket) for sku, number in some.items())
        events.append(Return(id=part, time=time, location=place, lines=lines, order=ours))
    return events


def described(names: Mapping[str, Iterable[str]]) -> tuple[Description, ...]:
    """What a vendor calls SKUs; one that it calls nothing else needs no word."""
    once = {sku: tuple(dict.fromkeys(aliases)) for sku, aliases in names.items()}
    return tuple(Description(sku, aliases) for sku, aliases in once.items() if aliases)


def _lines(units: Units) -> tuple[Line, ...]:
    return tuple(Line(sku=sku, quantity=number) for sku, number in units.items())


def _parts(id: str, units: Units) -> Iterable[tuple[str, Units]]:
    """As many ids as events are needed: the id itself, then with 2, 3 … behind it."""
    items = list(units.items())
    for number, first in enumerate(range(0, len(items), LINES_PER_EVENT_MAX), start=1):
        yield id if number == 1 else f"{id}:{number}", dict(items[first : first + LINES_PER_EVENT_MAX])
