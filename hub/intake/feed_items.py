"""How the feed's items are told, and to whom: what a reader may not see is not there. Pure."""

from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from hub.access import Claims
from hub.domain.answer import AnsweredAlert
from hub.domain.buckets import fence_of_bucket
from hub.domain.command import OWN_SOURCE
from hub.domain.entry import Entry, Movement, SetView
from hub.domain.feed import Happening, Item, Kind, ToldOrder, entries_wanted, reservation_of
from hub.domain.holding.hold import KEPT, ORDER, RESERVATION, Hold, Part
from hub.domain.holding.orders import Order
from hub.domain.rules import House
from hub.domain.shown import PoolsSeen, item, position_item, seen_with
from hub.intake.allocated import allocated
from hub.intake.exchange import encode_json
from hub.intake.reserved import Beside, reservation
from hub.intake.sealing import Sealing
from protocol import feed
from protocol.answers import rfc3339

# A fence whose pool the reader may not see: its units lie on the shelf all the same, as in `on_hand` of a position.
SOMEBODYS_FENCE = "ring_fenced"


class Reader(msgspec.Struct, frozen=True):
    """What a reader may see."""

    # None: all.
    locations: frozenset[str] | None
    # With the public ones; None: all.
    pools: PoolsSeen
    # Those whose reservations and orders it may see.
    own_pools: frozenset[str] | None

    @property
    def is_everything(self) -> bool:
        """Whether nothing is hidden."""
        return self.locations is None and self.pools is None and self.own_pools is None

    def sees_location(self, location: str) -> bool:
        """Whether the location exists for the reader."""
        return self.locations is None or location in self.locations

    def sees_pool(self, pool: str) -> bool:
        """Whether what the pool shows, and its fences, exist for the reader."""
        return self.pools is None or pool in self.pools

    def sees_hold(self, hold: Hold) -> bool:
        """Whether a reservation, or what an order keeps, exists for the reader, as it does in `GET`."""
        places = (each.location for part in hold.parts if part.state in KEPT for each in part.allocations)
        return self.owns(hold.pool) and all(self.sees_location(place) for place in places if place)

    def owns(self, pool: str) -> bool:
        """Whether reservations and orders of the pool exist for the reader."""
        return self.own_pools is None or pool in self.own_pools


def reader_of(claims: Claims, house: House) -> Reader:
    """What these claims let see in this house."""
    public = (pool.id for pool in house.pools if pool.public)
    return Reader(claims.reach(), claims.pools_seen(public), claims.pool_reach())


class Teller:
    """Tells items to one reader: of the types it wants, what it may see."""

    def __init__(self, reader: Reader, sealing: Sealing, exact: frozenset[str], prefixes: tuple[str, ...]) -> None:
        self._reader = reader
        self._sealing = sealing
        self._exact = exact
        self._prefixes = prefixes
        self._wants_all = not exact and not prefixes
        # What nobody wants need not be worked out, and some of it not even be read.
        self.entries_wanted = entries_wanted(exact, prefixes)
        named = (*exact, *prefixes)
        self._kinds = {kind for kind, prefix in _PREFIXES.items() if any(name.startswith(prefix) for name in named)}

    def told(self, happening: Happening, item: Item) -> tuple[str, bytes] | None:
        """The cursor of an item and the item as JSON; None where it is not wanted or not to be seen."""
        if not self._wants_all and item.kind not in self._kinds:
            return None
        try:
            found = _TELL[item.kind](happening, item.what, self._reader)
            if found is None or not self._wants(found[0]):
                return None
            type, time_ms, data = found
            cursor = self._sealing.sealed(item.place)
            told = feed.FeedItem(
                specversion="1.0",
                id=cursor.partition(".")[2],
                source=self._sealing.source,
                type=type,
                time=rfc3339(time_ms),
                data=msgspec.Raw(encode_json(data)),
                cursor=cursor,
            )
            return cursor, encode_json(told)
        except (LookupError, OverflowError, ValueError):
            # Of an entry that was set aside, with a time or a number that is none: it must not stop the others.
            return None

    def _wants(self, type: str) -> bool:
        return self._wants_all or type in self._exact or type.startswith(self._prefixes)


# Type, when it happened, and the rest; None: the reader may not see it.
_Found = tuple[str, int, feed.FeedData] | None


def _movement(happening: Happening, move: Movement, reader: Reader) -> _Found:
    entry, cause = happening.entry, happening.cause
    from_, to = (_bucket_seen(bucket, reader) for bucket in (move.from_bucket, move.to_bucket))
    if not reader.sees_location(move.location) or from_ == to:
        return None
    event = _event(happening, reader)
    names = cause if cause is not None and event is not None else None
    time_ms = entry.time_ms if move.time_ms is None else move.time_ms
    position = happening.positions.get((move.sku, move.location))
    sku = entry.skus[move.sku]
    data = feed.FeedMovement(
        event=event,
        sku=sku,
        location=move.location,
        from_=from_,
        to=to,
        quantity=move.quantity,
        serials=move.serials,
        reservation=(names.reservation or reservation_of(entry.about)) if names else None,
        order=names.order if names else None,
        reason=happening.reasons.get(move.sku) if names else None,
        time=rfc3339(time_ms),
        booked_at=rfc3339(entry.booked_at_ms),
        position=None if position is None else seen_with(position_item(sku, move.location, position), reader.pools),
    )
    return feed.MOVEMENT + entry.type, time_ms, data


def _bucket_seen(bucket: str, reader: Reader) -> str:
    pool = fence_of_bucket(bucket)
    return SOMEBODYS_FENCE if pool and not reader.sees_pool(pool) else bucket


def _availability(happening: Happening, view: SetView, reader: Reader) -> _Found:
    if not reader.sees_pool(view.pool):
        return None
    booked_at_ms = happening.entry.booked_at_ms
    shown = item(happening.entry.skus[view.sku], view.view, happening.seq.epoch, now_ms=booked_at_ms, pool=view.pool)
    data = feed.FeedAvailability(**msgspec.structs.asdict(shown), event=_event(happening, reader))
    return feed.AVAILABILITY_CHANGED, booked_at_ms, data


def _reservation(happening: Happening, named: tuple[str, Hold], reader: Reader) -> _Found:
    name, hold = named
    if not reader.sees_hold(hold):
        return None
    booked_at_ms = happening.entry.booked_at_ms
    # One that an order took over has the order's state; where that is not told here it is still to come.
    order = happening.orders.get(hold.order, Order()) if hold.is_taken_over else None
    told = reservation(name, hold, booked_at_ms, Beside(order=order))
    event, booked_at = _event(happening, reader), rfc3339(booked_at_ms)
    data = feed.FeedReservation(**msgspec.structs.asdict(told), event=event, booked_at=booked_at)
    return feed.RESERVATION + told.state, booked_at_ms, data


def _order(happening: Happening, told: ToldOrder, reader: Reader) -> _Found:
    entry, order, hold = happening.entry, told.order, told.hold
    pool = order.pool if order is not None else hold.pool if hold is not None else ""
    # One that nobody placed yet is not known, as in `GET`.
    if not pool or not reader.owns(pool) or not (hold is None or reader.sees_hold(hold)):
        return None
    is_about_it = entry.type.startswith(feed.ORDER) and entry.about == f"{ORDER}:{told.id}"
    data = feed.FeedOrder(
        event=_event(happening, reader),
        order=told.id,
        pool=pool,
        state=None if order is None else _state(order),
        lines=tuple(_order_lines(order, hold)),
        booked_at=rfc3339(entry.booked_at_ms),
    )
    return entry.type if is_about_it else feed.ORDER_CHANGED, entry.booked_at_ms, data


def _state(order: Order) -> str:
    if not order.is_over:
        return "open"
    return "fulfilled" if any(line.out for line in order.lines) else "cancelled"


def _order_lines(order: Order | None, hold: Hold | None) -> Iterable[feed.FeedOrderLine]:
    sums = {line.sku: line for line in order.lines} if order is not None else {}
    for sku in dict.fromkeys((*sums, *(hold.skus if hold is not None else ()))):
        line = sums.get(sku)
        places = _places(hold, sku) if hold is not None else None
        rest = line.ordered - line.out if line is not None and order is not None and order.is_cancelled else 0
        yield feed.FeedOrderLine(
            sku=sku,
            ordered=None if line is None else line.ordered,
            cancelled=None if line is None else max(line.cancelled, rest),
            fulfilled=None if line is None else line.out,
            allocations=None if places is None else allocated(sku, places, {}),
            shortfall=None if places is None else sum(each.quantity for each in places if each.is_owed),
        )


def _places(hold: Hold, sku: str) -> list[Any]:
    kept: list[Part] = [part for part in hold.parts if part.sku == sku and part.state in KEPT]
    return [each for part in kept for each in part.allocations]


def _alert(happening: Happening, alert: AnsweredAlert, reader: Reader) -> _Found:
    entry = happening.entry
    is_own = entry.source == OWN_SOURCE and entry.kind == "alert"
    names = bool(alert.location or alert.pool)
    seen = (not alert.location or reader.sees_location(alert.location)) and (
        not alert.pool or reader.sees_pool(alert.pool)
    )
    event = _event(happening, reader)
    # What names no place and no pool is seen by who may see what raised it; what the hub says by itself, by who sees
    # everything.
    if not seen or (not names and (event is None or (is_own and not reader.is_everything))):
        return None
    of_whom, _, id = alert.hold.partition(":")
    hold = happening.holds.get(alert.hold)
    is_named = reader.is_everything or (hold is not None and reader.sees_hold(hold))
    data = feed.FeedAlert(
        event=event,
        sku=alert.sku,
        location=alert.location,
        quantity=alert.quantity,
        pool=alert.pool or None,
        reservation=id if of_whom == RESERVATION and is_named else None,
        order=id if of_whom == ORDER and is_named else None,
        about=entry.about if is_own else "",
        detail=msgspec.Raw(entry.payload.encode()) if is_own and entry.payload else None,
        booked_at=rfc3339(entry.booked_at_ms),
    )
    return feed.ALERT + alert.type, entry.booked_at_ms, data


def _rules(happening: Happening, entry: Entry, reader: Reader) -> _Found:
    if not reader.is_everything:
        return None
    told = feed.FeedRules(rules_version=entry.rules_version, digest=entry.hash, booked_at=rfc3339(entry.booked_at_ms))
    return feed.RULE_CHANGED, entry.booked_at_ms, told


def _event(happening: Happening, reader: Reader) -> feed.FeedEvent | None:
    """The event, if the reader may see all locations and pools that it names, or whose stock or fences it touched."""
    entry = happening.entry
    if not reader.is_everything and not _may_see_cause(happening, reader):
        return None
    return feed.FeedEvent(source=entry.source, id=entry.id, type=entry.type)


def _may_see_cause(happening: Happening, reader: Reader) -> bool:
    cause, entry = happening.cause, happening.entry
    if cause is None:
        return False
    named = (cause.location, cause.from_, cause.to, *(cause.locations or ()), *(cause.prefer or ()))
    places = {*named, *(line.location for line in cause.lines or ()), *(each.location for each in entry.positions)}
    fences = {fence_of_bucket(bucket) for each in entry.movements for bucket in (each.from_bucket, each.to_bucket)}
    pools = {cause.pool or "", *fences} - {""}
    return all(reader.sees_location(place) for place in places if place) and all(map(reader.sees_pool, pools))


_PREFIXES = {
    Kind.movement: feed.MOVEMENT,
    Kind.reservation: feed.RESERVATION,
    Kind.order: feed.ORDER,
    Kind.alert: feed.ALERT,
    Kind.availability: feed.AVAILABILITY_CHANGED.partition(".")[0] + ".",
    Kind.rule: feed.RULE_CHANGED.partition(".")[0] + ".",
}
_TELL: dict[Kind, Callable[[Happening, Any, Reader], _Found]] = {
    Kind.movement: _movement,
    Kind.reservation: _reservation,
    Kind.order: _order,
    Kind.alert: _alert,
    Kind.availability: _availability,
    Kind.rule: _rules,
}
