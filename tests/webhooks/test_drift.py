"""A vendor's stock level that differs from ours for long is told once, and once when it is over; not what passes."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from time import time

import msgspec
import pytest

from hub.domain import drifting
from hub.webhooks import polling
from tests.intake.door import line
from tests.webhooks.test_polling import prepare, sources
from tests.webhooks.town import SOURCES, Town, open_town
from tests.webhooks.vendors import PLACE, now, open_vendor, shopify

Until = Callable[[Callable[[], Awaitable[bool]]], Awaitable[None]]
# As the file of the town has it: the usual.
STATED_SECONDS = 900
LASTING = 'hub_source_drift_lasting{source="town"}'


@pytest.fixture
async def town(own_town: Town) -> Town:
    """A hub with ten bags."""
    await own_town.send(own_town.receipt(line("BAG-NOIR", 10)))
    return own_town


async def tell(town: Town, units: int, sku: str = "BAG-NOIR") -> None:
    reply = await town.deliver(town.body(topic="level", levels=[[sku, units]]))
    assert reply.json() == {"status": "applied"}


async def look(town: Town, seconds: float = 0) -> None:
    """The watch's own look, so many seconds from now."""
    await town.hub._stores.webhooks.watch.look(int((time() + seconds) * 1000))


async def told(town: Town) -> list[tuple[str, int, int]]:
    """Type, their number and ours, of each alert in the ledger."""
    stores = town.hub._stores
    assert await stores.watermark.wait(await stores.reads.last_seq(), 30)
    rows = await town.rows("SELECT type, payload FROM hub.event WHERE type LIKE 'source_drift%' ORDER BY epoch, seq")
    found = [(row["type"], msgspec.json.decode(row["payload"])) for row in rows]
    return [(type, payload["theirs"], payload["ours"]) for type, payload in found]


async def test_what_differs_for_long_is_told_once_and_once_when_it_is_over(town: Town) -> None:
    await tell(town, 12)
    await look(town, STATED_SECONDS - 5)
    assert await told(town) == []

    for _ in range(2):
        await look(town, STATED_SECONDS + 5)
    assert await told(town) == [("source_drift", 12, 10)]
    assert await town.metric(LASTING) == 1

    await town.send(town.receipt(line("BAG-NOIR", 2)))
    for _ in range(2):
        await look(town)
    assert await told(town) == [("source_drift", 12, 10), ("source_drift_over", 12, 12)]
    assert await town.metric(LASTING) == 0
    assert await town.rows("SELECT * FROM hub.drift") == []


async def test_what_is_only_under_way_is_not_told(town: Town) -> None:
    # The vendor has sold one, and its sale comes a moment later.
    await tell(town, 9)
    await town.deliver(town.sale_at_till("BAG-NOIR", 1))
    await look(town)

    await look(town, STATED_SECONDS * 2)

    assert await told(town) == []
    assert await town.rows("SELECT * FROM hub.drift") == []


async def test_numbers_that_do_not_belong_together_are_not_told_until_the_vendor_tells_again(town: Town) -> None:
    await tell(town, 12)
    await town.deliver(town.sale_at_till("BAG-NOIR", 1))
    # Ours has moved since, and what the vendor has now is not known.
    await look(town, STATED_SECONDS * 2)
    assert await told(town) == []

    await tell(town, 11)
    await look(town, STATED_SECONDS * 2)

    assert await told(town) == [("source_drift", 11, 9)]


async def test_several_processes_and_a_restart_tell_it_once(redis_url: str, postgres_dsn: str, tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("one", "two")]
    for folder in folders:
        folder.mkdir()
    async with open_town(folders[0], redis_url, postgres_dsn) as one:
        async with open_town(folders[1], redis_url, postgres_dsn) as two:
            await tell(one, 3)
            await look(two, STATED_SECONDS + 5)
            await one.rows("UPDATE hub.drift SET alert_at = NULL RETURNING sku")
            await look(one, STATED_SECONDS + 5)
        await look(one, STATED_SECONDS + 5)

        assert await told(one) == [("source_drift", 3, 0)]


async def test_no_more_than_a_bounded_number_is_told_of_one_source(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hub.webhooks.drifting.TOLD_MAX", 3)
    for number in range(5):
        await tell(town, 4, f"SKU-{number}")

    await look(town, STATED_SECONDS + 5)
    assert len(await told(town)) == 3
    await town.send(town.receipt(line("SKU-0", 4)))
    await look(town, STATED_SECONDS + 5)
    await look(town, STATED_SECONDS + 5)

    assert [type for type, _, _ in await told(town)].count("source_drift") == 4


async def test_what_is_compared_no_more_is_forgotten(town: Town) -> None:
    await tell(town, 12)
    # Another source is still compared.
    town.write(sources=SOURCES.replace('levels = "{levels}"', 'levels = "ignore"'))
    await town.reload()

    await look(town, STATED_SECONDS + 5)

    assert await told(town) == []
    assert await town.rows("SELECT * FROM hub.drift") == []


async def test_levels_are_asked_for_whole_compared_and_not_kept(
    redis_url: str, postgres_dsn: str, tmp_path: Path, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(polling, "LOOK_SECONDS", 0.05)
    monkeypatch.setattr(polling, "PAGE_SECONDS", 0.0)
    prepare(tmp_path)
    async with open_vendor(shopify) as vendor:
        vendor.levels = [
            {"inventory_item_id": number, "location_id": int(PLACE), "available": units, "updated_at": now(-90_000)}
            for number, units in ((1, 7), (2, 0), (3, 5))
        ]
        said = sources(vendor.url).replace('levels = "ignore"', 'levels = "drift"')
        async with open_town(tmp_path, redis_url, postgres_dsn, sources=said) as town:
            names = [{"sku": "BAG-NOIR", "aliases": ["shop:inventory_item:1"]}]
            assert (await town.ask("PUT", "/v1/skus", body=names, token=town.token(["admin"]))).status == 200
            reply = await town.post("/v1/webhooks/shop/reconcile", None, token=town.token(["admin"]))
            assert reply.status == 200

            async def is_compared() -> bool:
                return await town.metric('hub_source_drift_units{source="shop"}') == 7

            await until(is_compared)
            assert await town.rows() == []
            assert drifting.DIFFERENCES_MAX >= len(await town.rows("SELECT * FROM hub.drift")) == 1
