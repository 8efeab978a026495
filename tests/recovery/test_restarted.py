"""A Redis that was restarted is looked at before anything is booked, by each process that knows of something."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import msgspec
import pytest
from redis.asyncio import Redis

from hub.domain.command import Line
from hub.domain.entry import FIELD, Seq, decode_entry, encode_entry
from hub.faults import Unavailable
from hub.recovery.company import ABANDONED_LOOKS, BESIDE_LOOKS
from hub.stock import keys
from tests.recovery.contents import journal
from tests.recovery.test_seen_behind import bring_back, copy_of
from tests.stock.opened import OpenStores, opened
from tests.verify.test_promised import PROMISING as HOUSE


@pytest.fixture
async def pair(redis_url: str, postgres_dsn: str) -> AsyncIterator[tuple[OpenStores, OpenStores]]:
    """Two processes at work that know of each other, and look when told to."""
    async with opened(redis_url, postgres_dsn, HOUSE) as before:
        await before.ledger_has_all()
    async with AsyncExitStack() as exits:
        # Neither posts what it books, so only Redis has that.
        first = await exits.enter_async_context(opened(redis_url, postgres_dsn, HOUSE, writes=False))
        second = await exits.enter_async_context(opened(redis_url, postgres_dsn, HOUSE, writes=False))
        for hub in (first, second, first):
            await hub.stores.healing.look()
        yield first, second


async def restarted(*hubs: OpenStores) -> None:
    """As if the server had been another one until now: their connections are broken, and lead to this one."""
    for hub in hubs:
        hub.stores.looking._run.adopt("the-run-before")
        for client in (hub.kernel.client, hub.stores._reader):
            await client.connection_pool.disconnect()


async def told_lost(client: Redis) -> list[Any]:
    entries = [decode_entry(raw) for _, raw in await journal(client)]
    return [msgspec.json.decode(entry.payload) for entry in entries if entry.type == "answers_lost"]


async def test_who_works_alone_goes_on_at_once_though_the_ledger_is_away(redis_url: str, postgres_dsn: str) -> None:
    async with opened(redis_url, postgres_dsn, HOUSE) as hub:
        await hub.stores.healing.look()
        async with hub.ledger_away():
            await hub.book(hub.fact("before"))
            await restarted(hub)
            with pytest.raises(Unavailable):
                await hub.book(hub.fact("after"))
            with pytest.raises(Unavailable, match="ledger"):
                await hub.stores.healing.look()
            await hub.book(hub.fact("after"))
            assert hub.kernel.epoch == 1


async def test_two_begin_a_new_epoch_though_nothing_is_lost(
    pair: tuple[OpenStores, OpenStores], redis_client: Redis
) -> None:
    first, second = pair
    await first.book(first.fact("kept"))
    await restarted(first, second)
    for hub in (second, second, first, first):
        await hub.stores.healing.look()

    assert (first.kernel.epoch, second.kernel.epoch) == (2, 2)
    await first.book(first.fact("one"))
    await second.book(second.fact("two"))
    assert await told_lost(redis_client) == []


async def test_two_take_nothing_while_nobody_can_tell_what_the_other_was_answered(
    pair: tuple[OpenStores, OpenStores],
) -> None:
    first, second = pair
    async with first.ledger_away():
        await restarted(first, second)
        for hub in pair:
            with pytest.raises(Unavailable):
                await hub.stores.healing.look()
            with pytest.raises(Unavailable):
                await hub.book(hub.fact("of-nobody"))
    for hub in (first, first, second, second):
        await hub.stores.healing.look()
    await first.book(first.fact("one"))
    await second.book(second.fact("two"))


async def test_who_was_answered_less_gives_no_place_of_the_other_again(
    pair: tuple[OpenStores, OpenStores], redis_client: Redis
) -> None:
    first, second = pair
    copy = await copy_of(redis_client)
    for number in range(3):
        await first.book(first.fact(f"lost-{number}", source=f"till-{number}"))
    await bring_back(redis_client, copy)
    await restarted(first, second)
    with pytest.raises(Unavailable):
        await second.book(second.fact("in-its-place"))
    # The one that lost nothing looks first.
    for hub in (second, second, first, first, second):
        await hub.stores.healing.look()

    [told] = await told_lost(redis_client)
    assert told["sources"] == ["till-0", "till-1", "till-2"]
    assert first.kernel.epoch == second.kernel.epoch == 2
    await second.book(second.fact("in-its-place"))


async def test_a_redis_that_lacks_what_the_ledger_has_is_healed_also_by_who_was_not_answered_it(
    redis_url: str, postgres_dsn: str, redis_client: Redis
) -> None:
    async with opened(redis_url, postgres_dsn, HOUSE) as hub:
        copy = await copy_of(redis_client)
        await hub.book(hub.fact("of-another"))
        await hub.ledger_has_all()
        # As if another process had been answered it.
        hub.kernel.floor -= 1
        await bring_back(redis_client, copy)
        await restarted(hub)
        for _ in range(2):
            await hub.stores.healing.look()

        assert hub.kernel.epoch == 2
        [outcome] = await hub.book(hub.fact("of-another"))
        assert outcome.seq.epoch == 1  # type: ignore[union-attr]


async def test_a_start_heals_a_redis_whose_journal_went_on_otherwise_than_the_ledger(
    redis_url: str, postgres_dsn: str, redis_client: Redis
) -> None:
    async with opened(redis_url, postgres_dsn, HOUSE) as hub:
        await hub.book(hub.fact("one"))
        await hub.ledger_has_all()
        copy = await copy_of(redis_client)
        await hub.book(hub.fact("in-the-ledger"))
        await hub.ledger_has_all()
        last = Seq(1, hub.kernel.floor - 1)
    [(_, raw)] = (await journal(redis_client))[-1:]
    await bring_back(redis_client, copy)
    other = msgspec.structs.replace(decode_entry(raw), id="in-its-place")
    await redis_client.xadd(keys.JOURNAL, {FIELD: encode_entry(other)}, id=last.stream_id)
    await redis_client.hset(keys.META, "next", last.number + 1)

    async with opened(redis_url, postgres_dsn, HOUSE) as following:
        assert following.kernel.epoch == 2
        [outcome] = await following.book(following.fact("in-the-ledger"))
        assert outcome.seq == last  # type: ignore[union-attr]
        await following.ledger_has_all()


async def test_what_one_that_vanished_was_answered_is_named_by_who_heard_of_it(
    redis_url: str, postgres_dsn: str, redis_client: Redis
) -> None:
    async with opened(redis_url, postgres_dsn, HOUSE) as before:
        await before.book(before.fact("before", source="web-shop"))
        await before.ledger_has_all()
    async with opened(redis_url, postgres_dsn, HOUSE, writes=False) as hub:
        async with opened(redis_url, postgres_dsn, HOUSE, writes=False) as vanished:
            copy = await copy_of(redis_client)
            await vanished.book(vanished.fact("lost", source="till-7"))
        # As its screens follow the journal.
        tail = await hub.stores.tail_from_now()
        assert tail.at is not None
        assert tail.at.number == hub.kernel.floor
        await bring_back(redis_client, copy)
        await restarted(hub)
        for _ in range(2):
            await hub.stores.healing.look()

        [told] = await told_lost(redis_client)
        assert (told["first"], told["last"], told["certain"]) == (str(tail.at), str(tail.at), False)
        assert "web-shop" in told["sources"]
        assert hub.kernel.epoch == 2


async def test_who_was_replaced_leaves_its_redis_alone_though_that_comes_back_empty(
    pair: tuple[OpenStores, OpenStores], redis_client: Redis
) -> None:
    first, second = pair
    await redis_client.flushall()
    for _ in range(2):
        await first.stores.healing.look()
    assert first.kernel.epoch == 2
    # As if the other's Redis were another one, and empty.
    await redis_client.flushall()

    for _ in range(BESIDE_LOOKS + 1):
        await second.stores.healing.look()

    assert await redis_client.exists(keys.META) == 0
    with pytest.raises(Unavailable, match="replaced"):
        await second.book(second.fact("of-nobody"))


async def test_what_was_lost_is_kept_at_a_stop_though_redis_does_not_answer(
    pair: tuple[OpenStores, OpenStores], redis_client: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = pair
    copy = await copy_of(redis_client)
    await second.book(second.fact("lost", source="till-7"))
    await bring_back(redis_client, copy)
    await restarted(first)
    for _ in range(2):
        await first.stores.healing.look()
    assert first.kernel.epoch == 2

    async def is_away() -> None:
        raise Unavailable("Redis did not answer a read")

    # The line between this process and Redis is cut.
    monkeypatch.setattr(second.stores.looking, "look_for_run", is_away)
    await second.stores.healing.keep_lost()

    [window] = await first.stores.epochs.kept()
    assert window.sources == ("till-7",)


async def as_of_another_run(client: Redis) -> None:
    """As if the server had been started anew since it was looked at last."""
    await client.hset(keys.META, "run", "the-run-before")  # type: ignore[misc]


async def run_noted(client: Redis) -> bytes:
    return await client.hget(keys.META, "run")  # type: ignore[misc,no-any-return]


async def test_who_starts_beside_one_that_stands_still_gives_no_place_of_it_again(
    redis_url: str, postgres_dsn: str, redis_client: Redis
) -> None:
    async with opened(redis_url, postgres_dsn, HOUSE) as before:
        await before.ledger_has_all()
    async with opened(redis_url, postgres_dsn, HOUSE, writes=False) as still:
        await still.stores.healing.look()
        copy = await copy_of(redis_client)
        await still.book(still.fact("lost", source="till-7"))
        await bring_back(redis_client, copy)
        await restarted(still)
        await as_of_another_run(redis_client)

        async with opened(redis_url, postgres_dsn, HOUSE) as following:
            assert following.kernel.epoch == 2
            await following.book(following.fact("in-its-place", source="till-8"))
            # Who stood still goes on.
            for _ in range(2):
                await still.stores.healing.look()
            await following.stores.healing.look()
            [told] = await told_lost(redis_client)
            assert told["sources"] == ["till-7"]
            assert still.kernel.epoch == 2


@pytest.mark.parametrize(
    ("was_at_rest", "was_restarted", "epoch"),
    [(True, True, 1), (False, False, 1), (False, True, 2)],
    ids=["a restart at rest", "a kill of the hub only", "a restart since a hub was killed"],
)
async def test_who_starts_alone_begins_an_epoch_only_where_more_may_have_been_shown_than_is_there(
    redis_url: str, postgres_dsn: str, redis_client: Redis, was_at_rest: bool, was_restarted: bool, epoch: int
) -> None:
    async with opened(redis_url, postgres_dsn, HOUSE) as before:
        [kept] = await before.book(before.fact("kept"))
        await before.ledger_has_all()
        run = await run_noted(redis_client)
        assert run == (await redis_client.info("server"))["run_id"].encode()
        if was_at_rest:
            assert await before.stores.epochs.rest(Seq(1, before.kernel.floor - 1))
    if was_restarted:
        await as_of_another_run(redis_client)

    async with opened(redis_url, postgres_dsn, HOUSE) as hub:
        assert hub.kernel.epoch == epoch
        assert await run_noted(redis_client) == run
        # Nothing is told: what is not known to be lost is not lost.
        assert await told_lost(redis_client) == []
        [again] = await hub.book(hub.fact("kept"))
        assert again.seq == kept.seq  # type: ignore[union-attr]


async def test_no_rev_that_only_screens_saw_is_given_to_another_value(
    redis_url: str, postgres_dsn: str, redis_client: Redis
) -> None:
    """All are killed before anything was noted, and Redis comes back as it was a moment before."""
    async with opened(redis_url, postgres_dsn, HOUSE) as before:
        await before.book(before.fact("one"))
        await before.ledger_has_all()
    async with opened(redis_url, postgres_dsn, HOUSE, writes=False) as killed:
        copy = await copy_of(redis_client)
        await killed.book(killed.fact("shown", Line("BAG", "LON", 3)), killed.fact("new", Line("MUG", "LON", 3)))
        shown = {item.sku: item for item in await killed.reads.read("online", ["BAG", "MUG"])}
    await bring_back(redis_client, copy)
    await as_of_another_run(redis_client)

    async with opened(redis_url, postgres_dsn, HOUSE) as following:
        # Of one SKU another value, of the other none.
        await following.book(following.fact("otherwise", Line("BAG", "LON", 1)))
        for item in await following.reads.read("online", ["BAG", "MUG"]):
            assert item.available != shown[item.sku].available
            assert item.rev > shown[item.sku].rev


async def test_who_is_left_of_two_does_not_know_what_the_other_showed(
    redis_url: str, postgres_dsn: str, redis_client: Redis
) -> None:
    async with opened(redis_url, postgres_dsn, HOUSE) as hub:
        async with opened(redis_url, postgres_dsn, HOUSE):
            pass
        # It vanished: it did not say that it stopped.
        for _ in range(ABANDONED_LOOKS):
            await hub.stores.healing.look()
        await restarted(hub)
        for _ in range(2):
            await hub.stores.healing.look()
        assert hub.kernel.epoch == 2


async def test_what_was_only_read_is_missed_too(redis_url: str, postgres_dsn: str, redis_client: Redis) -> None:
    """The answer to a call may be lost, and what it booked be read by somebody before Redis loses it."""
    async with opened(redis_url, postgres_dsn, HOUSE, writes=False) as hub:
        await hub.stores.healing.look()
        copy = await copy_of(redis_client)
        await hub.book(hub.fact("unanswered"))
        hub.kernel.floor -= 1
        await hub.reads.read("online", ["BAG"])
        await bring_back(redis_client, copy)
        await restarted(hub)
        for _ in range(2):
            await hub.stores.healing.look()
        assert hub.kernel.epoch == 2


async def test_who_works_alone_says_that_it_looked_at_the_new_run(
    redis_url: str, postgres_dsn: str, redis_client: Redis
) -> None:
    async with opened(redis_url, postgres_dsn, HOUSE) as hub:
        await hub.stores.healing.look()
        run = await run_noted(redis_client)
        await restarted(hub)
        await as_of_another_run(redis_client)
        await hub.stores.healing.look()
        assert await run_noted(redis_client) == run
        # So whoever starts beside it need not begin a new epoch.
        async with opened(redis_url, postgres_dsn, HOUSE) as following:
            assert following.kernel.epoch == 1


async def test_a_redis_that_is_restarted_before_all_took_the_new_epoch_is_looked_at_once_more(
    pair: tuple[OpenStores, OpenStores], redis_client: Redis
) -> None:
    first, second = pair
    await restarted(first, second)
    for _ in range(2):
        await first.stores.healing.look()
    assert first.kernel.epoch == 2
    copy = await copy_of(redis_client)
    await first.book(first.fact("lost", source="till-7"))
    await bring_back(redis_client, copy)
    await restarted(first)
    await as_of_another_run(redis_client)

    # Who was not answered it takes up its work first.
    for _ in range(2):
        await second.stores.healing.look()
    assert second.kernel.epoch == 3
    await second.book(second.fact("in-its-place"))
    for hub in (first, second, first):
        await hub.stores.healing.look()

    assert first.kernel.epoch == second.kernel.epoch == 3
    [told] = await told_lost(redis_client)
    assert told["sources"] == ["till-7"]


async def test_who_takes_up_an_epoch_whose_healer_vanished_does_not_know_what_that_showed(
    redis_url: str, postgres_dsn: str, redis_client: Redis
) -> None:
    async with opened(redis_url, postgres_dsn, HOUSE) as hub:
        await hub.stores.healing.look()
        await hub.ledger_has_all()
        async with opened(redis_url, postgres_dsn, HOUSE) as vanished:
            await redis_client.flushall()
            for _ in range(2):
                await vanished.stores.healing.look()
            assert vanished.kernel.epoch == 2
        await as_of_another_run(redis_client)
        for _ in range(3):
            await hub.stores.healing.look()
        assert hub.kernel.epoch == 3


async def test_who_alone_takes_an_epoch_in_which_nobody_works_any_more_goes_on_in_it(
    redis_url: str, postgres_dsn: str, redis_client: Redis
) -> None:
    async with opened(redis_url, postgres_dsn, HOUSE) as hub:
        await hub.stores.healing.look()
        await hub.ledger_has_all()
        await redis_client.flushall()
        await hub.stores.healing.look()
        run = await run_noted(redis_client)
        await as_of_another_run(redis_client)
        await hub.stores.healing.look()
        assert hub.kernel.epoch == 2
        assert await run_noted(redis_client) == run
