"""What is about an earlier event is completed by what stands in Redis now, whoever changed it a moment ago."""

from collections.abc import Sequence

import msgspec
from redis.asyncio import Redis

from hub.domain.command import Fact, Line, Transfer
from hub.domain.entry import decode_entry
from hub.domain.remembering import DAY_MS
from hub.stock import keys
from hub.stock.outcome import Applied, Duplicate, Forbidden, Outcome, Parked, Refused
from tests.stock.opened import OpenStores


def dispatched(hub: OpenStores, id: str, quantity: int, *, to: str = "PAR", transfer: str = "T1") -> Fact:
    detail = Transfer(transfer, to, 0, own_lines=1)
    return hub.fact(id, Line("BAG", "LON", quantity), verb="dispatch", type="transfer.dispatched", detail=detail)


def received(hub: OpenStores, id: str, quantity: int, *, final: int = 0, transfer: str = "T1") -> Fact:
    plain = hub.fact(id, verb="receive", type="transfer.received")
    detail = Transfer(transfer, "", 0, final, early=(("BAG", quantity),))
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


async def test_who_may_not_touch_where_the_transfer_goes_changes_nothing(hub: OpenStores) -> None:
    await hub.book(dispatched(hub, "out", 1))

    [outcome] = await hub.booking.book([received(hub, "in", 1)], lambda location: location != "PAR")

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
