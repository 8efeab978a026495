"""A healer that stood still, or died on its way, harms nothing of what others opened meanwhile, and hides no loss."""

import asyncio
from typing import Any

import msgspec
import pytest
from redis.asyncio import Redis

from hub.domain.entry import Seq, decode_entry
from hub.faults import Unavailable
from hub.ledger.healing import HealingLock
from hub.recovery.rebuilding import Rebuild
from hub.stock import keys
from hub.stock.restoring import Restoring
from hub.tasks import end
from tests.recovery.contents import contents, journal
from tests.recovery.test_seen_behind import bring_back, copy_of
from tests.stock.opened import OpenStores, opened
from tests.verify.test_promised import PROMISING as HOUSE

PAGE = [("sku:LATE", [b"c"], [b"1"])]


async def test_what_others_opened_is_not_taken(redis_client: Redis, hub: OpenStores) -> None:
    before = await contents(redis_client)
    for whole in (True, False):
        with pytest.raises(Unavailable):
            await Restoring(redis_client).begin(whole=whole)
    assert await contents(redis_client) == before


@pytest.mark.parametrize("after", ["another began", "another opened it"])
async def test_no_page_reaches_what_another_took_meanwhile(
    redis_client: Redis, postgres_dsn: str, hub: OpenStores, after: str
) -> None:
    late = Restoring(redis_client)
    await late.close()
    await late.begin(whole=False)
    await late.write(PAGE)
    if after == "another began":
        await Restoring(redis_client).begin(whole=True)
    else:
        assert (await Rebuild(redis_client, postgres_dsn).run(hub.kernel.hub)).how == "rebuilt"
    before = await contents(redis_client)

    with pytest.raises(Unavailable):
        await late.write(PAGE)
    with pytest.raises(Unavailable):
        await late._pages.unlink([keys.META.encode()])
    await late.aclose()

    assert await contents(redis_client) == before


async def test_what_a_healer_lost_is_kept_though_it_dies_before_it_opens_the_partition(
    redis_client: Redis, redis_url: str, postgres_dsn: str
) -> None:
    async with opened(redis_url, postgres_dsn, HOUSE, writes=False) as hub:
        healing = hub.stores.healing
        await healing.look()
        copy = await copy_of(redis_client)
        await hub.book(hub.fact("lost", source="till-7"))
        await bring_back(redis_client, copy)
        lost = Seq(1, hub.kernel.floor - 1)

        def die(stage: str, count: int) -> None:
            if stage == "opening":
                raise KeyboardInterrupt

        attempt = Rebuild(redis_client, postgres_dsn, on_progress=die)
        options: dict[str, Any] = {"answered": lost, "seen_epoch": 1, "own_lost": healing.losses.own_lost}
        with pytest.raises(KeyboardInterrupt):
            await attempt.run(hub.kernel.hub, **options)

        [window] = await hub.stores.epochs.kept()
        assert (window.first, window.last, window.sources) == (lost, lost, ("till-7",))


async def test_a_redis_that_was_replaced_while_it_was_healed_is_not_opened(
    redis_client: Redis, postgres_dsn: str, hub: OpenStores
) -> None:
    attempt = Rebuild(redis_client, postgres_dsn)
    await redis_client.flushall()
    healed = Restoring.open

    async def replaced(self: Restoring, opening: Any) -> None:
        # The copy that answers now was made a moment ago.
        self._run_id = "the-run-before"
        await healed(self, opening)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Restoring, "open", replaced)
        with pytest.raises(Unavailable):
            await attempt.run(hub.kernel.hub)

    assert await redis_client.hget(keys.META, "hub") is None
    assert (await Rebuild(redis_client, postgres_dsn).run(hub.kernel.hub)).how == "rebuilt"


async def test_a_healing_that_broke_off_tells_nothing_of_what_came_back_and_was_never_lost(
    redis_client: Redis, redis_url: str, postgres_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The epoch could not be raised, and then the Redis is there again that has all."""
    async with opened(redis_url, postgres_dsn, HOUSE) as hub:
        await hub.ledger_has_all()
    async with opened(redis_url, postgres_dsn, HOUSE, writes=False) as hub:
        healing, raised = hub.stores.healing, HealingLock.raise_epoch
        await healing.look()
        copy = await copy_of(redis_client)
        await hub.book(hub.fact("not-lost", source="till-7"))
        whole = await copy_of(redis_client)
        await bring_back(redis_client, copy)

        async def fail(self: HealingLock, epoch: int, seen: int) -> int:
            raise Unavailable("The epoch cannot be raised")

        monkeypatch.setattr(HealingLock, "raise_epoch", fail)
        with pytest.raises(Unavailable):
            await healing.look()
        monkeypatch.setattr(HealingLock, "raise_epoch", raised)
        assert len(await hub.stores.epochs.kept()) == 1
        await bring_back(redis_client, whole)
        writer = asyncio.create_task(hub.stores.writer.run())
        await healing.look()

        # As if nothing had been.
        assert hub.kernel.epoch == 1
        [outcome] = await hub.book(hub.fact("after", source="till-8"))
        assert await hub.stores.watermark.wait(outcome.seq, 10)  # type: ignore[union-attr]
        # And what is lost in the end is named with its source, and nothing else.
        await end([writer])
        await hub.ledger_has_all()
        await hub.book(hub.fact("lost", source="till-7"))
        await redis_client.flushall()
        for _ in range(3):
            await healing.look()
        told = [entry for _, raw in await journal(redis_client) if (entry := decode_entry(raw)).type == "answers_lost"]
        [payload] = [msgspec.json.decode(entry.payload) for entry in told]
        assert (payload["first"], payload["sources"]) == (payload["last"], ["till-7"])
