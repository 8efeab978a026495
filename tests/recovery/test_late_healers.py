"""A healer that stood still, or died on its way, harms nothing of what others opened meanwhile, and hides no loss."""

from typing import Any

import pytest
from redis.asyncio import Redis

from hub.domain.entry import Seq
from hub.faults import Unavailable
from hub.recovery.rebuilding import Rebuild
from hub.stock import keys
from hub.stock.restoring import Restoring
from tests.recovery.contents import contents
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
        options: dict[str, Any] = {"answered": lost, "seen_epoch": 1, "own_lost": healing._own_lost}
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
