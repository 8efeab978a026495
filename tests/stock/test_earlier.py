"""What is about an earlier event is completed by what stands in Redis now, whoever changed it a moment ago."""

from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from redis.asyncio import Redis

from hub.domain.command import Fact, Line, Transfer, Voiding
from hub.domain.entry import decode_entry
from hub.domain.remembering import DAY_MS
from hub.faults import Unavailable
from hub.stock import keys
from hub.stock.allowed import Allowed
from hub.stock.outcome import Applied, Duplicate, Forbidden, Outcome, Parked, Refused
from tests.stock.opened import OpenStores
from tests.stock.test_booking import LAST_YEAR_MS, forget


def dispatched(
    hub: OpenStores, id: str, quantity: int, *, to: str = "PAR", transfer: str = "T1", sku: str = "BAG"
) -> Fact:
    detail = Transfer(transfer, to, 0, own_lines=1)
    return hub.fact(id, Line(sku, "LON", quantity), verb="dispatch", type="transfer.dispatched", detail=detail)


def received(
    hub: OpenStores, id: str, quantity: int, *, final: int = 0, transfer: str = "T1", sku: str = "BAG"
) -> Fact:
    plain = hub.fact(id, verb="receive", type="transfer.received")
    detail = Transfer(transfer, "", 0, final, early=((sku, quantity),))
    return msgspec.structs.replace(plain, lines=(), detail=detail)


async def on_hand(hub: OpenStores) -> dict[str, int]:
    return {item.location: item.on_hand - item.deficit for item in await hub.reads.positions_of("BAG")}


def kinds(outcomes: Sequence[Outcome]) -> list[str]:
    return [type(outcome).__name__ for outcome in outcomes]


async def test_a_transfer_in_one_array_arrives(hub: OpenStores) -> None:
    facts = [received(hub, "early", 1), dispatched(hub, "out", 5), received(hub, "in", 3), dispatched(hub, "more", 1)]

    outcomes = await hub.book(*facts, received(hub, "last", 1, final=1))

    assert kinds(outcomes) == ["Applied"] * 5
    assert await on_hand(hub) == {"LON": -6, "PAR": 5}


async def test_fifty_parts_in_one_array_before_and_behind_their_dispatch_all_arrive(hub: OpenStores) -> None:
    parts = [received(hub, f"part-{n}", 1) for n in range(100)]

    outcomes = await hub.book(*parts[:50], dispatched(hub, "out", 100), *parts[50:])

    assert kinds(outcomes) == ["Applied"] * 101
    assert await on_hand(hub) == {"LON": -100, "PAR": 100}


async def test_a_repeat_of_what_came_early_is_a_duplicate_once_its_place_is_known(hub: OpenStores) -> None:
    early = received(hub, "early", 1)
    [first] = await hub.book(early)
    await hub.book(dispatched(hub, "out", 1))

    [again] = await hub.book(early)

    assert isinstance(first, Applied)
    assert isinstance(again, Duplicate)
    assert again.seq == first.seq
    assert again.first is not None
    assert again.first.lines == first.lines == (("BAG", 1),)
    assert await on_hand(hub) == {"LON": -1, "PAR": 1}


async def test_a_closed_transfer_is_found_among_the_days(hub: OpenStores, redis_client: Redis) -> None:
    await hub.book(dispatched(hub, "out", 3), received(hub, "in", 1, final=1))
    assert await redis_client.hlen(keys.TRANSFERS) == 0

    [late] = await hub.book(received(hub, "late", 1))

    assert isinstance(late, Applied)
    [(_, fields)] = await redis_client.xrevrange(keys.JOURNAL, count=1)
    [move] = decode_entry(fields[b"e"]).movements
    assert (move.from_bucket, move.to_bucket) == ("lost", "free")


async def test_of_a_transfer_closed_on_two_days_the_later_one_counts(hub: OpenStores, redis_client: Redis) -> None:
    await hub.book(dispatched(hub, "out", 3), received(hub, "in", 1, final=1))
    today = hub.kernel.booked_at_ms // DAY_MS
    field = keys.day_field("closed_transfers", "T1")
    packed = await redis_client.hget(keys.seen(today), field)
    assert packed is not None
    older = msgspec.msgpack.decode(packed)
    older[-1][1] = "ELSEWHERE"
    await redis_client.hset(keys.seen(today - 1), field, msgspec.msgpack.encode(older))

    [late] = await hub.book(received(hub, "late", 2))

    assert isinstance(late, Applied)
    assert await on_hand(hub) == {"LON": -3, "PAR": 3}


async def test_a_dispatch_to_another_place_is_refused_with_the_reason(hub: OpenStores) -> None:
    [_, refused] = await hub.book(dispatched(hub, "out", 1), dispatched(hub, "other", 1, to="LON"))

    assert refused == Refused("transfer T1 goes to PAR, not to LON")


async def test_where_a_transfer_goes_is_not_told_to_who_may_not_touch_it(hub: OpenStores) -> None:
    await hub.book(dispatched(hub, "out", 1))

    [refused] = await hub.booking.book([dispatched(hub, "other", 1, to="LON")], Allowed({"LON"}))

    assert refused == Refused("transfer T1 does not go to LON")
    assert await on_hand(hub) == {"LON": -1}


async def test_who_may_not_touch_where_the_transfer_goes_changes_nothing(hub: OpenStores) -> None:
    await hub.book(dispatched(hub, "out", 1))

    [outcome] = await hub.booking.book([received(hub, "in", 1)], Allowed({"LON"}))

    assert isinstance(outcome, Forbidden)
    assert await on_hand(hub) == {"LON": -1}
    assert isinstance((await hub.book(received(hub, "in", 1)))[0], Applied)


async def test_what_arrives_at_a_place_that_the_house_gave_up_is_parked(hub: OpenStores) -> None:
    await hub.book(dispatched(hub, "out", 1, to="CLOSED"))

    [arrived] = await hub.book(received(hub, "in", 1))

    assert isinstance(arrived, Parked)
    assert await on_hand(hub) == {"LON": -1}


async def test_too_many_transfers_under_way_are_turned_away_for_now(hub: OpenStores, redis_client: Redis) -> None:
    await hub.book(dispatched(hub, "out", 2))
    await redis_client.hset(keys.TRANSFERS, mapping={f"other-{n}": b"\x90" for n in range(100_000)})

    outcomes = await hub.kernel.call([dispatched(hub, "new", 1, transfer="T2")], hub.stores.house)
    known = await hub.book(received(hub, "in", 1))

    assert kinds(outcomes) == ["Busy"]
    assert kinds(known) == ["Applied"]


def sold(hub: OpenStores, id: str, quantity: int, **changes: Any) -> Fact:
    lines = (Line("BAG", "LON", quantity),)
    return hub.fact(id, *lines, verb="sale", type="sale", pool="online", payload='{"pool":"online"}', **changes)


def voided(hub: OpenStores, id: str, sale: str, quantity: int = 0, **changes: Any) -> Fact:
    asked = (("BAG", quantity),) if quantity else ()
    plain = hub.fact(id, verb="void", type="sale.voided", detail=Voiding(sale, 0, asked), **changes)
    return msgspec.structs.replace(plain, lines=())


async def test_a_sale_and_its_voids_in_one_array_leave_what_was_there(hub: OpenStores) -> None:
    facts = [hub.fact("in"), voided(hub, "early", "sale", 1), sold(hub, "sale", 3), voided(hub, "late", "sale")]

    outcomes = await hub.book(*facts)

    assert kinds(outcomes) == ["Applied"] * 4
    assert await on_hand(hub) == {"LON": 1}
    # The first had waited, the last found two left.
    assert [outcome.lines for outcome in outcomes if isinstance(outcome, Applied)][1::2] == [(), (("BAG", 2),)]


async def test_a_void_of_last_years_sale_is_made_from_the_ledger_and_gives_nothing_back_twice(
    hub: OpenStores, redis_client: Redis
) -> None:
    await hub.book(sold(hub, "sale", 3, stated_ms=LAST_YEAR_MS, time_ms=LAST_YEAR_MS))
    await hub.book(voided(hub, "first", "sale", 1))
    await hub.ledger_has_all()
    await forget(redis_client)

    [second] = await hub.book(voided(hub, "second", "sale", 3))

    assert isinstance(second, Applied)
    assert second.lines == (("BAG", 2),)
    assert [(alert.type, alert.sku, alert.quantity) for alert in second.alerts[:1]] == [("discrepancy", "", 1)]
    assert await on_hand(hub) == {"LON": 0}


async def test_what_a_sale_gave_back_at_once_the_ledger_knows_too(hub: OpenStores, redis_client: Redis) -> None:
    await hub.book(voided(hub, "early", "sale", 2))
    await hub.book(sold(hub, "sale", 3))
    await hub.ledger_has_all()
    await forget(redis_client)

    [late] = await hub.book(voided(hub, "late", "sale"))

    assert isinstance(late, Applied)
    assert late.lines == (("BAG", 1),)


async def test_a_void_of_a_fresh_sale_needs_no_ledger_and_one_of_an_unknown_sale_does(hub: OpenStores) -> None:
    await hub.book(sold(hub, "sale", 1))
    async with hub.ledger_away():
        [outcome] = await hub.book(voided(hub, "void", "sale"))
        with pytest.raises(Unavailable):
            await hub.book(voided(hub, "unknown", "nothing"))

    assert isinstance(outcome, Applied)
    assert await on_hand(hub) == {"LON": 0}


async def test_a_void_of_what_is_no_sale_is_refused_and_says_what_it_is(hub: OpenStores) -> None:
    await hub.book(hub.fact("in"), hub.fact("minus", Line("BAG", "LON", -1), verb="adjustment", type="adjustment"))

    outcomes = await hub.book(voided(hub, "void-1", "in"), voided(hub, "void-2", "minus"))

    assert outcomes == [Refused("in is a receipt, not a sale"), Refused("minus is an adjustment, not a sale")]


async def test_another_sources_sale_is_not_found(hub: OpenStores) -> None:
    await hub.book(sold(hub, "sale", 1))

    [outcome] = await hub.book(voided(hub, "void", "sale", source="shop"))

    assert isinstance(outcome, Applied)
    assert outcome.lines == ()
    assert await on_hand(hub) == {"LON": -1}


async def test_a_parked_sale_is_not_booked_yet_so_its_void_waits(hub: OpenStores) -> None:
    sale = sold(hub, "sale", 1)
    await hub.book(msgspec.structs.replace(sale, verb="park", lines=()))

    [void] = await hub.book(voided(hub, "void", "sale"))
    await hub.book(sale)

    assert isinstance(void, Applied)
    assert await on_hand(hub) == {"LON": 0}


async def test_who_may_not_touch_where_the_sale_was_voids_nothing(hub: OpenStores) -> None:
    await hub.book(sold(hub, "sale", 1))

    [outcome] = await hub.booking.book([voided(hub, "void", "sale")], Allowed({"PAR"}))

    assert isinstance(outcome, Forbidden)
    assert await on_hand(hub) == {"LON": -1}


async def test_too_many_waiting_voids_are_turned_away_for_now(hub: OpenStores, redis_client: Redis) -> None:
    await redis_client.hset(keys.VOIDS, mapping={f"till:other-{n}": b"\x90" for n in range(10_000)})

    with pytest.raises(Unavailable, match="too many voids wait"):
        await hub.book(voided(hub, "void", "sale"))


@pytest.mark.parametrize("allowed", [set(), {"", "x" * 65, "é"}, {f"L{n}" for n in range(101)}], ids=len)
async def test_what_nobody_can_say_the_reach_of_does_not_wait(hub: OpenStores, allowed: set[str]) -> None:
    facts = [received(hub, "early", 1), voided(hub, "void", "sale")]

    outcomes = await hub.booking.book(facts, Allowed(allowed))
    await hub.book(dispatched(hub, "out", 1), sold(hub, "sale", 1))

    assert kinds(outcomes) == ["Forbidden"] * 2
    assert await on_hand(hub) == {"LON": -2}


async def test_a_hundred_locations_are_kept(hub: OpenStores) -> None:
    facts = [received(hub, "early", 1), voided(hub, "void", "sale")]

    outcomes = await hub.booking.book(facts, Allowed({"PAR", "LON", *(f"{n:064}" for n in range(98))}))
    await hub.book(dispatched(hub, "out", 1), sold(hub, "sale", 1))

    assert kinds(outcomes) == ["Applied"] * 2
    assert await on_hand(hub) == {"LON": -1, "PAR": 1}


async def test_what_waits_since_before_reaches_were_kept_takes_effect_anywhere(
    hub: OpenStores, redis_client: Redis
) -> None:
    await hub.book(received(hub, "early", 1), voided(hub, "void", "sale"))
    for key, field in ((keys.TRANSFERS, "T1"), (keys.VOIDS, "till:sale")):
        packed = await redis_client.hget(key, field)
        assert packed is not None
        record = msgspec.msgpack.decode(packed)
        if key == keys.TRANSFERS:
            # A record had five parts.
            record = record[:5]
        for each in record[4] if key == keys.TRANSFERS else record:
            del each[-2:]
        await redis_client.hset(key, field, msgspec.msgpack.encode(record))

    await hub.book(dispatched(hub, "out", 1), sold(hub, "sale", 1))

    assert await on_hand(hub) == {"LON": -1, "PAR": 1}


async def test_what_waits_since_before_reaches_were_kept_once_takes_effect_within_its_own(
    hub: OpenStores, redis_client: Redis
) -> None:
    await hub.booking.book([received(hub, "near", 1), received(hub, "also", 2)], Allowed({"PAR"}))
    await hub.booking.book([received(hub, "far", 4)], Allowed({"LON"}))
    record = msgspec.msgpack.decode(await redis_client.hget(keys.TRANSFERS, "T1") or b"")
    assert ([each[3] for each in record[4]], record[5]) == ([1, 1, 2], [["PAR"], ["LON"]])
    for each in record[4]:
        each[3:] = [record[5][each[3] - 1]]
    await redis_client.hset(keys.TRANSFERS, "T1", msgspec.msgpack.encode(record[:5]))

    await hub.booking.book([received(hub, "newer", 8)], Allowed({"PAR"}))
    await hub.book(dispatched(hub, "out", 1))

    assert await on_hand(hub) == {"LON": -1, "PAR": 1 + 2 + 8}


async def test_a_receipt_that_has_no_room_is_parked_with_where_its_sender_may_touch_anything(
    hub: OpenStores, redis_client: Redis
) -> None:
    await hub.book(*(received(hub, f"early-{n}", 1) for n in range(100)))
    more = received(hub, "more", 1)

    [parked] = await hub.booking.book([more], Allowed({"PAR", "LON"}))
    [again] = await hub.booking.book([more], Allowed({"PAR", "LON"}))

    assert isinstance(parked, Parked)
    assert "100 receipts" in parked.why
    assert again == parked
    [(_, fields)] = await redis_client.xrevrange(keys.JOURNAL, count=1)
    entry = decode_entry(fields[b"e"])
    assert (entry.kind, entry.id, entry.why, entry.reach) == ("parked", "more", parked.why, ("LON", "PAR"))

    [_, booked] = await hub.book(dispatched(hub, "out", 101), more)

    assert isinstance(booked, Applied)
    assert await on_hand(hub) == {"LON": -101, "PAR": 101}


async def test_pieces_that_came_early_are_there_once_it_is_said_where(hub: OpenStores) -> None:
    early = received(hub, "early", 2)
    detail = Transfer("T1", "", 0, 0, early=(("BAG", 1, ("S1",)), ("BAG", 1, ("S2",))))
    out = dispatched(hub, "out", 2)
    line = Line("BAG", "LON", 2, serials=("S1", "S2"))

    await hub.book(msgspec.structs.replace(early, detail=detail), msgspec.structs.replace(out, lines=(line,)))

    pieces = [await hub.reads.piece("BAG", serial) for serial in ("S1", "S2")]
    assert [(piece.state, piece.location) for piece in pieces if piece] == [("shelf", "PAR")] * 2
    [position] = [item for item in await hub.reads.positions_of("BAG") if item.location == "PAR"]
    assert (position.free, position.aside) == (2, {})
