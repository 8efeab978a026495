"""What a process was answered and lost is told whatever becomes of the process, and until the ledger has that."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import asyncpg
import msgspec
import pytest
from redis.asyncio import Redis

from hub.domain.entry import Entry, Seq, decode_entry
from hub.domain.losing import Window
from hub.ledger.connection import Link
from hub.ledger.epochs import Epochs
from hub.settings import Settings
from hub.stock.outcome import Broken, Outcome
from hub.stores import Stores
from hub.tasks import end
from hub.telemetry import Metrics
from tests.recovery.contents import journal
from tests.stock.opened import OpenStores, opened
from tests.verify.test_promised import PROMISING as HOUSE


@pytest.fixture
async def works(redis_url: str, postgres_dsn: str) -> AsyncIterator[OpenStores]:
    """A hub at work, that looks at its stores when told to, and whose ledger's writer does not come on."""
    async with opened(redis_url, postgres_dsn, HOUSE) as first:
        await first.book(first.fact("before"))
        await first.ledger_has_all()
        assert await first.stores.epochs.rest(Seq(1, first.kernel.floor - 1))
    async with AsyncExitStack() as exits:
        stores = Stores(Settings(house=HOUSE), Metrics())
        await stores.open(exits, redis_url, postgres_dsn)
        exits.push_async_callback(end, [asyncio.create_task(stores.batcher.run())])
        yield OpenStores(stores, postgres_dsn)


@pytest.fixture
async def other(postgres_dsn: str) -> AsyncIterator[Epochs]:
    """Another process."""
    epochs = Epochs(Link(postgres_dsn, "epochs"))
    yield epochs
    await epochs.aclose()


async def lose(hub: OpenStores) -> Window:
    """Redis is lost with an answer that the ledger does not have."""
    await hub.book(hub.fact("lost"))
    place = Seq(1, hub.kernel.floor - 1)
    await hub.kernel.client.flushall()
    return Window(place, place, 0, 0, ("till",))


async def alerts(client: Redis) -> list[Entry]:
    entries = [decode_entry(raw) for _, raw in await journal(client)]
    return [entry for entry in entries if entry.type == "answers_lost"]


@pytest.mark.parametrize("is_alone", [True, False])
async def test_who_heals_tells_what_it_lost_in_the_step_that_opens(
    works: OpenStores, other: Epochs, redis_client: Redis, is_alone: bool
) -> None:
    if not is_alone:
        await other.present(1)
        await other.aclose()
    lost = await lose(works)

    # It heals, and ends before it looks again.
    await works.stores.healing.look()

    assert works.kernel.epoch == 1
    [told] = await alerts(redis_client)
    assert told.about == f"{lost.first}..{lost.last}"
    payload = msgspec.json.decode(told.payload)
    assert (payload["sources"], payload["certain"]) == (["till"], is_alone)


async def test_it_is_told_once_and_kept_until_the_ledger_has_that(works: OpenStores, redis_client: Redis) -> None:
    await lose(works)
    healing, epochs = works.stores.healing, works.stores.epochs
    for _ in range(3):
        await healing.look()
    assert works.kernel.epoch == 2
    assert len(await epochs.kept()) == 1

    writer = asyncio.create_task(works.stores.writer.run())
    await works.ledger_has_all()
    await healing.look()

    assert await epochs.kept() == []
    assert len(await alerts(redis_client)) == 1
    await end([writer])


async def test_what_cannot_be_told_now_is_kept(works: OpenStores) -> None:
    async def refuse(fact: object) -> list[Outcome]:
        return [Broken("for now")]

    await lose(works)
    healing = works.stores.healing
    healing.losses._tell = refuse
    for _ in range(3):
        await healing.look()

    assert len(await works.stores.epochs.kept()) == 1


@pytest.mark.parametrize("is_stopped_first", [False, True])
async def test_what_a_replaced_master_took_is_in_the_ledger_for_others_to_tell(
    works: OpenStores, other: Epochs, redis_client: Redis, postgres_dsn: str, is_stopped_first: bool
) -> None:
    # Another has healed another Redis, and works with it.
    ledger = await asyncpg.connect(postgres_dsn)
    await ledger.execute("UPDATE hub.hub_state SET epoch = 2")
    await ledger.close()
    await other.present(2)
    await works.book(works.fact("lost"))
    place = Seq(1, works.kernel.floor - 1)
    healing = works.stores.healing

    for _ in range(2):
        await (healing.keep_lost() if is_stopped_first else healing.look())

    [kept] = await other.kept()
    assert (kept.first, kept.last, kept.sources) == (place, place, ("till",))
    assert await alerts(redis_client) == []
