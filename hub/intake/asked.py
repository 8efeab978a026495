"""What an event asks of the kernel: verb, lines by the house's own names, and what only this verb says. Pure."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any, NamedTuple

from hub.domain.command import (
    COMPLETE,
    LISTED,
    Counting,
    Detail,
    Line,
    Ordering,
    Selling,
    Supply,
    Transfer,
    Verb,
    Voiding,
)
from hub.domain.command import Asked as Units
from hub.domain.holding.hold import reservation_name
from hub.domain.rules import House
from protocol import events
from protocol.answers import epoch_ms

_EARLIEST_MS = epoch_ms(datetime.min.replace(tzinfo=UTC))


class Asked(NamedTuple):
    """The part of a fact that follows from the type of its event."""

    verb: Verb
    lines: tuple[Line, ...] = ()
    detail: Detail | None = None


def corrected(stated_ms: int, clock_error_ms: int) -> int:
    """A stated time by our clock; a wrong clock may not push it to where there is no date."""
    return max(_EARLIEST_MS, stated_ms + clock_error_ms)


def asked_of(event: events.Event, house: House, clock_error_ms: int) -> Asked | None:
    """What the event asks; None when it names a status that the house does not have."""
    asked = _MAKERS[type(event)](event, house, clock_error_ms)
    if asked is None or not all(_is_bucket(line.bucket, house) for line in asked.lines):
        return None
    return asked


def _is_bucket(name: str, house: House) -> bool:
    return name == events.FREE or name in house.statuses


def _lines(event: Any, house: House, location: str) -> tuple[Line, ...]:
    return tuple(Line(house.sku(line.sku), location, line.quantity, serials=line.serials) for line in event.lines)


def _units(lines: Iterable[events.Line] | None, house: House) -> tuple[Units, ...]:
    """What lines say whose place only another event says."""
    told = ((house.sku(line.sku), line.quantity, line.serials) for line in lines or ())
    return tuple(each if each[2] else each[:2] for each in told)


def _sale(event: events.Sale, house: House, clock_error_ms: int) -> Asked:
    held = Selling(_reservation(event.reservation), event.order or "")
    return Asked("sale", _lines(event, house, event.location), held if held != Selling() else None)


def _void(event: events.SaleVoided, house: House, clock_error_ms: int) -> Asked:
    return Asked("void", detail=Voiding(event.sale, 0, _units(event.lines, house)))


def _return(event: events.Return, house: House, clock_error_ms: int) -> Asked:
    lines = (
        Line(house.sku(line.sku), event.location, line.quantity, line.to, serials=line.serials) for line in event.lines
    )
    return Asked("return", tuple(lines))


def _receipt(event: events.Receipt, house: House, clock_error_ms: int) -> Asked:
    supply = None if event.purchase_order is None else Supply(event.purchase_order)
    return Asked("receipt", _lines(event, house, event.location), supply)


def _moved(event: events.Moved, house: House, clock_error_ms: int) -> Asked | None:
    if not all(line.to == events.WRITTEN_OFF or _is_bucket(line.to, house) for line in event.lines):
        return None
    lines = (
        Line(house.sku(line.sku), event.location, line.quantity, line.from_, line.to, line.serials)
        for line in event.lines
    )
    return Asked("moved", tuple(lines))


def _dispatch(event: events.TransferDispatched, house: House, clock_error_ms: int) -> Asked:
    lines = _lines(event, house, event.from_)
    detail = Transfer(event.transfer, event.to, 0, own_lines=len(lines), order=event.order or "")
    return Asked("dispatch", lines, detail)


def _receive(event: events.TransferReceived, house: House, clock_error_ms: int) -> Asked:
    early = _units(event.lines, house)
    return Asked("receive", detail=Transfer(event.transfer, "", 0, int(event.final), early=early))


def _count(event: events.Count, house: House, clock_error_ms: int) -> Asked:
    counted_at_ms = corrected(epoch_ms(event.counted_at), clock_error_ms)
    location = "" if event.lines else event.location
    counting = Counting(counted_at_ms, event.kind, COMPLETE if event.complete else LISTED, location)
    return Asked("count", _lines(event, house, event.location), counting)


def _adjustment(event: events.Adjustment, house: House, clock_error_ms: int) -> Asked:
    lines = (
        Line(house.sku(line.sku), event.location, line.quantity, line.bucket, serials=line.serials)
        for line in event.lines
    )
    return Asked("adjustment", tuple(lines))


def _ring_fence(event: events.RingFence, house: House, clock_error_ms: int) -> Asked:
    return Asked("ring_fence", _lines(event, house, event.location))


def _expected(event: events.Expected, house: House, clock_error_ms: int) -> Asked:
    # A date on a purchase order is no reading of the sender's clock.
    supply = Supply(event.purchase_order, epoch_ms(event.eta))
    return Asked("expected", _lines(event, house, event.location), supply)


def _reservation(id: str | None) -> str:
    return "" if id is None else reservation_name(id)


def _ordered(lines: Iterable[Any] | None, house: House) -> tuple[tuple[str, str, int], ...]:
    """(SKU, location, units); only lines of what is ordered can name a location."""
    return tuple((house.sku(line.sku), getattr(line, "location", None) or "", line.quantity) for line in lines or ())


def _placed(event: events.OrderPlaced, house: House, clock_error_ms: int) -> Asked:
    ordering = Ordering(
        event.order,
        _ordered(event.lines, house),
        reservation=_reservation(event.reservation),
        owner=event.owner or "",
        only=tuple(dict.fromkeys(event.locations or ())),
        prefer=tuple(dict.fromkeys(event.prefer or ())),
    )
    return Asked("order_place", detail=ordering)


def _changed(event: events.OrderChanged, house: House, clock_error_ms: int) -> Asked:
    return Asked("order_change", detail=Ordering(event.order, _ordered(event.lines, house)))


def _cancelled(event: events.OrderCancelled, house: House, clock_error_ms: int) -> Asked:
    return Asked("order_cancel", detail=Ordering(event.order, _ordered(event.lines, house)))


def _fulfilled(event: events.OrderFulfilled, house: House, clock_error_ms: int) -> Asked:
    return Asked("order_fulfil", detail=Ordering(event.order, _ordered(event.lines, house), event.location or ""))


_MAKERS: dict[type, Callable[[Any, House, int], Asked | None]] = {
    events.Sale: _sale,
    events.Count: _count,
    events.Return: _return,
    events.Receipt: _receipt,
    events.SaleVoided: _void,
    events.Moved: _moved,
    events.TransferDispatched: _dispatch,
    events.TransferReceived: _receive,
    events.Adjustment: _adjustment,
    events.RingFence: _ring_fence,
    events.Expected: _expected,
    events.OrderPlaced: _placed,
    events.OrderChanged: _changed,
    events.OrderCancelled: _cancelled,
    events.OrderFulfilled: _fulfilled,
}
