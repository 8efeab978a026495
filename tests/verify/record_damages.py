"""What somebody's hand may do to what a hub remembers beside positions and views, and what must be found then."""

from typing import Any

import msgspec

from hub.domain.catalogue import SkuSettings
from hub.domain.command import Line, Ordering, Supply, Transfer
from hub.domain.holding.hold import Hold
from hub.domain.remembering import DAY_MS
from hub.stock import keys
from hub.stock.outcome import Denied, Granted
from tests.stock.opened import OpenStores
from tests.stock.test_earlier import dispatched, received, sold, voided
from tests.stock.test_requesting import request, reserve
from tests.verify.damages import Damage, Place, about
from tests.verify.hand import Hand, encode

ALIAS = "3607340000001"
KEPT: list[tuple[str, str, dict[str, Any]]] = [("k-held", "BELT", {}), ("k-confirmed", "BELT", {})]


async def remember(hub: OpenStores) -> None:
    """Let everything happen that is remembered beside positions and views; booked on one day unless midnight passes."""
    now = hub.kernel.booked_at_ms
    await hub.book(hub.fact("m-r-1", Line("BAG", "LON", 9), Line("WATCH", "LON", 2, serials=("W1", "W2"))))
    await hub.stores.describing.describe([SkuSettings("BAG", "bags", aliases=(ALIAS,)), SkuSettings("HAT", "hats")])
    order = {"verb": "expected", "type": "expected", "detail": Supply("PO-1", now)}
    await hub.book(hub.fact("m-e-1", Line("COAT", "PAR", 5), **order))
    await hub.book(hub.fact("m-r-2", Line("COAT", "PAR", 2), detail=Supply("PO-1")))
    watch = Line("WATCH", "LON", 1, serials=("W1",))
    await hub.book(hub.fact("m-s-1", watch, verb="sale", type="sale", pool="online"))
    await hub.book(sold(hub, "m-s-2", 3), voided(hub, "m-v-1", "m-s-2", 1), voided(hub, "m-v-2", "later"))
    await hub.book(dispatched(hub, "m-d-1", 2), received(hub, "m-d-2", 1))
    await hub.book(dispatched(hub, "m-d-3", 1, transfer="T3"), received(hub, "m-d-4", 1, final=1, transfer="T3"))
    await keep(hub)


async def keep(hub: OpenStores) -> None:
    """Let units be reserved, confirmed and ordered, more than there are, let one travel, and deny some."""
    await hub.book(hub.fact("k-1", Line("BELT", "LON", 3), Line("BELT", "PAR", 2)))
    for id, sku, more in KEPT:
        assert isinstance(await reserve(hub, id, sku, is_named=0, **more), Granted)
    assert isinstance(await hub.stores.requests.ask(request(hub, "confirm", "k-confirmed")), Granted)
    assert isinstance(await reserve(hub, "k-denied", "NOTHING"), Denied)
    order = {"verb": "order_place", "type": "order.placed", "pool": "online", "ledger_checked": True}
    ordering = Ordering("k-order", (("BELT", "", 2), ("BUCKLE", "", 2)))
    await hub.book(hub.fact("k-2", Line("BELT", "", 0), Line("BUCKLE", "", 0), **order, detail=ordering))
    travels = {
        "verb": "dispatch",
        "type": "transfer.dispatched",
        "detail": Transfer("T5", "PAR", 0, 0, 1, order="k-order"),
    }
    await hub.book(hub.fact("k-3", Line("BUCKLE", "LON", 1), **travels))
    await hub.ledger_has_all()


async def held_entry(hand: Hand, name: str) -> bytes:
    """What the index of who keeps units has of a hold."""
    entries: Any = await hand.redis.zrange(keys.HELD, 0, -1)
    [found] = [each for each in entries if each.endswith(name.encode())]
    return bytes(found)


async def _unlist(hand: Hand) -> None:
    assert await hand.redis.zrem(keys.HELD, await held_entry(hand, "k-held"))


async def _list(hand: Hand) -> None:
    entry = await held_entry(hand, "k-held")
    await hand.redis.zadd(keys.HELD, {entry.replace(b"BELT", b"HAT"): 0})


async def _wait(hand: Hand) -> None:
    """What a hold keeps on the shelf is to come by a purchase order instead."""
    packed: Any = await hand.redis.hget(keys.HOLDS, "reservation:k-held")
    hold = msgspec.msgpack.decode(packed, type=Hold)
    [part] = hold.parts
    coming = tuple(msgspec.structs.replace(each, coming_by="purchase_order:PO-9") for each in part.allocations)
    changed = msgspec.structs.replace(hold, parts=(msgspec.structs.replace(part, allocations=coming),))
    await hand.redis.hset(keys.HOLDS, "reservation:k-held", encode(changed))


async def _record(hand: Hand, table: str, field: str, value: Any) -> None:
    await hand.redis.hset(table, field, encode(value))


async def _bring_for_nobody(hand: Hand) -> None:
    """The transfer of the history, under way, says that it brings a unit for somebody."""
    packed: Any = await hand.redis.hget(keys.TRANSFERS, "T1")
    record = msgspec.msgpack.decode(packed)
    await _record(hand, keys.TRANSFERS, "T1", [*record[:8], [["BAG", "order:k-order", 1]]])


async def _let_travel(hand: Hand) -> None:
    """A unit that is owed to the order is on the way by a transfer that does not know of it."""
    packed: Any = await hand.redis.hget(keys.HOLDS, "order:k-order")
    await hand.redis.hset(keys.HOLDS, "order:k-order", encode(_travelling(msgspec.msgpack.decode(packed))))


def _travelling(hold: list[Any]) -> list[Any]:
    """The hold with what is owed of it on the way."""
    for *_, allocations in hold[11]:
        for each in allocations:
            if each[0] == "":
                each[0], each[3] = "LON", "transfer:T1"
    return hold


def _travels_differently(sku: str) -> set[Place]:
    return {about("record_differs"), about("transfer_held_differs", sku)}


async def seen_day(hand: Hand) -> str:
    booked_at: Any = await hand.redis.hget(keys.META, "booked_at")
    return keys.seen(int(booked_at) // DAY_MS)


async def _expected(hand: Hand, **changes: Any) -> None:
    packed: Any = await hand.redis.hget(keys.sku("COAT"), "e")
    location, order, quantity, received, eta, set_at = msgspec.msgpack.decode(packed)[0]
    line = {"quantity": quantity, "received": received} | changes
    packed_line = [location, order, line["quantity"], line["received"], eta, set_at, line.get("promises", [])]
    await hand.raw("COAT", b"e", encode([packed_line]))


async def _voided(hand: Hand, units: int) -> None:
    day, field = await seen_day(hand), keys.day_field("voided", "till:m-s-2")
    packed: Any = await hand.redis.hget(day, field)
    *head, _ = msgspec.msgpack.decode(packed)
    await hand.redis.hset(day, field, encode([*head, [["BAG", units]]]))


async def _forget(hand: Hand, field: str) -> None:
    assert await hand.redis.hdel(await seen_day(hand), field) == 1


async def _point_elsewhere(hand: Hand) -> None:
    await hand.redis.hset(await seen_day(hand), "till:m-s-1", encode(["fact", "content-1", 1, 1]))


async def _invent_id(hand: Hand) -> None:
    await hand.redis.hset(await seen_day(hand), "till:ghost", encode(["fact", "content-1", 1, 99]))


async def _spoil_id(hand: Hand) -> None:
    await hand.redis.hset(await seen_day(hand), "till:ghost", b"\xc1")


RECORDS: list[tuple[str, Damage, set[Place]]] = [
    (
        "a piece that lies elsewhere than the newest fact said",
        lambda hand: _record(hand, keys.SERIALS, "WATCH\0W2", ["shelf", "PAR", 5]),
        {about("record_differs", "WATCH")},
    ),
    (
        "a piece that was forgotten",
        lambda hand: hand.redis.hdel(keys.SERIALS, "WATCH\0W1"),
        {about("record_not_in_redis", "WATCH")},
    ),
    (
        "a piece that nobody told of",
        lambda hand: _record(hand, keys.SERIALS, "WATCH\0W3", ["shelf", "PAR", 5]),
        {about("record_not_in_ledger", "WATCH")},
    ),
    (
        "a piece of other bytes",
        lambda hand: hand.redis.hset(keys.SERIALS, "WATCH\0W1", b"\xc1"),
        {about("malformed", "WATCH")},
    ),
    (
        "a piece whose name is no text",
        lambda hand: hand.redis.hset(keys.SERIALS, b"\xff", b"\x90"),
        {about("malformed")},
    ),
    ("pieces that are no hash", lambda hand: _replace(hand, keys.COUNTS), {about("malformed")}),
    (
        "a void that waits no more",
        lambda hand: hand.redis.hdel(keys.VOIDS, "till:later"),
        {about("record_not_in_redis")},
    ),
    (
        "a void that waits for a sale that was booked",
        lambda hand: _record(hand, keys.VOIDS, "till:m-s-1", [[5, [], []]]),
        {about("record_not_in_ledger"), about("void_waits")},
    ),
    (
        "more given back than was sold",
        lambda hand: _voided(hand, 4),
        {
            about("record_differs"),
            about("voided_over_sale", "BAG"),
            about("seen_differs"),
        },
    ),
    (
        "a sale of which nobody knows what was given back",
        lambda hand: _forget(hand, keys.day_field("voided", "till:m-s-2")),
        {about("record_not_in_redis")},
    ),
    (
        "a transfer that was forgotten when it was over",
        lambda hand: _forget(hand, keys.day_field("closed_transfers", "T3")),
        {about("record_not_in_redis")},
    ),
    (
        "a count that nobody opened",
        lambda hand: _record(hand, keys.COUNTS, "1-2", ["till", "c", "LON", 5, "physical", 0, []]),
        {about("record_not_in_ledger"), about("count_open")},
    ),
    ("less ordered than was", lambda hand: _expected(hand, quantity=3), {about("record_differs", "COAT")}),
    (
        "more arrived than receipts brought",
        lambda hand: _expected(hand, received=3),
        {about("record_differs", "COAT"), about("expected_over_receipts", "COAT", "PAR")},
    ),
    (
        "fewer than nothing ordered",
        lambda hand: _expected(hand, quantity=-1),
        {about("record_differs", "COAT"), about("negative", "COAT", "PAR")},
    ),
    (
        "a promise that nobody keeps",
        lambda hand: _expected(hand, promises=[["online", 1, 2]]),
        {about("record_differs", "COAT"), about("promise_differs", "COAT", "PAR", "online")},
    ),
    (
        "more promised than still comes",
        lambda hand: _expected(hand, promises=[["online", 0, 4]]),
        {
            about("record_differs", "COAT"),
            about("promise_differs", "COAT", "PAR", "online"),
            about("promised_beyond", "COAT", "PAR"),
        },
    ),
    (
        "a hold that waits for a purchase order of which nobody knows",
        _wait,
        {
            about("record_differs"),
            about("reserved_differs", "BELT", "LON"),
            about("promise_differs", "BELT", "LON", "online"),
        },
    ),
    (
        "supply that was forgotten",
        lambda hand: hand.redis.hdel(keys.sku("COAT"), "e"),
        {about("record_not_in_redis", "COAT")},
    ),
    (
        "supply that nobody ordered",
        lambda hand: hand.raw("WATCH", b"e", encode([["LON", "PO-9", 1, 0, 0, 5]])),
        {about("record_not_in_ledger", "WATCH")},
    ),
    (
        "a name that means another SKU",
        lambda hand: _record(hand, keys.ALIASES, ALIAS, ["HAT"]),
        {about("record_differs"), about("alias_differs", "BAG"), about("alias_differs", "HAT")},
    ),
    (
        "a name that nobody gave",
        lambda hand: _record(hand, keys.ALIASES, "999", ["HAT"]),
        {about("record_not_in_ledger"), about("alias_differs", "HAT")},
    ),
    (
        "a name whose own hash is gone",
        lambda hand: hand.redis.delete(keys.sku(ALIAS)),
        {about("alias_differs", "BAG")},
    ),
    (
        "a described SKU whose hash is gone",
        lambda hand: hand.redis.delete(keys.sku("HAT")),
        {about("description_differs", "HAT")},
    ),
    (
        "a category that nobody described",
        lambda hand: _record(hand, keys.CATALOGUE, "HAT", [1, "bags", "", [], []]),
        {about("record_differs", "HAT")},
    ),
    (
        "a unit that is reserved for nobody",
        lambda hand: hand.position("BAG", "LON", reserved=1),
        {
            about("position_differs", "BAG", "LON"),
            about("reserved_differs", "BAG", "LON"),
            about("conservation", "BAG"),
        },
    ),
    (
        "a unit that is held and not reserved",
        lambda hand: hand.position("BELT", "LON", reserved=0),
        {about("position_differs", "BELT", "LON"), about("reserved_differs", "BELT", "LON")}
        | {about("conservation", "BELT")},
    ),
    ("a hold that is not listed", _unlist, {about("hold_index", "BELT"), about("reserved_differs", "BELT", "LON")}),
    ("a hold that is listed for another SKU", _list, {about("hold_index", "HAT")}),
    (
        "a hold that would never be over",
        lambda hand: hand.redis.zrem(keys.EXPIRY, "reservation:k-held"),
        {about("hold_index")},
    ),
    (
        "a hold that nobody made is over some day",
        lambda hand: hand.redis.zadd(keys.EXPIRY, {"reservation:ghost": 5}),
        {about("hold_index")},
    ),
    ("a unit that travels for a hold that has none on the way", _bring_for_nobody, _travels_differently("BAG")),
    ("a unit on the way that no transfer brings", _let_travel, _travels_differently("BUCKLE")),
    ("an index that is none", lambda hand: _replace(hand, keys.HELD), {about("malformed")}),
    ("a sale that was forgotten", lambda hand: _forget(hand, "till:m-s-1"), {about("seen_missing")}),
    ("an id that points to another entry", _point_elsewhere, {about("seen_differs"), about("seen_missing")}),
    ("an id that points to no entry", _invent_id, {about("seen_differs")}),
    ("an id of other bytes", _spoil_id, {about("malformed")}),
]


async def _replace(hand: Hand, key: str) -> None:
    await hand.redis.delete(key)
    await hand.redis.set(key, "none")
