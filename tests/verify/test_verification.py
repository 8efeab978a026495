"""An undamaged hub yields nothing, whatever happened in it and whatever happens meanwhile."""

import asyncio
from uuid import UUID

import msgspec
import pytest
from redis.asyncio import Redis

from hub.domain.catalogue import RuleSettings, SkuSettings
from hub.domain.command import Line
from hub.domain.document import encode_document
from hub.faults import ServerRefused
from hub.stock import keys
from hub.stock.kernel import Kernel
from hub.stock.outcome import Applied
from hub.verify import following, verification
from tests.stock.opened import OpenStores, opened
from tests.stock.partition import house_of
from tests.stock.test_earlier import dispatched, received, sold, voided
from tests.verify.conftest import HOUSE, Verify, live, sale, send

OTHER = msgspec.structs.replace(
    HOUSE, rules=(RuleSettings(pool="online", buffer=2), RuleSettings(pool="vip", sell=False))
)


async def test_a_hub_with_a_rich_history_is_good(hub: OpenStores, verify: Verify) -> None:
    report = await verify()

    assert (report.findings, report.unchecked, report.exit_code) == ([], [], 0)
    assert (report.skus, report.positions) == (4, 5)
    assert report.text().startswith("4 SKUs, 5 positions in ")
    assert report.text().endswith(" positions/s): nothing wrong")


async def test_a_hub_is_good_with_units_on_the_road_and_sales_that_did_not_stand(
    hub: OpenStores, verify: Verify
) -> None:
    scratched = hub.fact("m-1", Line("BAG", "LON", 1, "free", "damaged"), verb="moved", type="moved")
    gone = hub.fact("m-2", Line("BAG", "LON", 1, "damaged", "written_off"), verb="moved", type="moved")
    road = [dispatched(hub, "t-1", 5), received(hub, "t-2", 2), received(hub, "t-3", 1, transfer="T2")]
    sales = [sold(hub, "t-4", 2), voided(hub, "t-5", "t-4", 1), voided(hub, "t-6", "later")]
    await hub.book(scratched, gone, *road, *sales, dispatched(hub, "t-7", 2, transfer="T3"))
    await hub.book(received(hub, "t-8", 1, final=1, transfer="T3"))
    await hub.ledger_has_all()

    report = await verify()

    assert not report.findings


async def test_units_on_the_way_and_sales_taken_back_are_good(
    hub: OpenStores, verify: Verify, redis_client: Redis
) -> None:
    await send(hub)

    good = await verify()
    assert (good.findings, good.unchecked) == ([], [])
    assert await redis_client.hkeys(keys.TRANSFERS) == [b"T-1", b"T-2"]

    await redis_client.hdel(keys.TRANSFERS, "T-1")
    findings = (await verify()).findings
    assert {(each.kind, each.sku) for each in findings} == {("transit_differs", "COAT"), ("record_not_in_redis", "")}


async def test_a_hub_is_good_while_it_sells(hub: OpenStores, verify: Verify) -> None:
    stop = asyncio.Event()

    async def sell() -> int:
        sold = 0
        while not stop.is_set():
            outcomes = await hub.book(*(sale(hub, f"busy-{sold}-{i}", Line(f"SKU-{i}", "PAR", 1)) for i in range(20)))
            assert all(isinstance(outcome, Applied) for outcome in outcomes)
            sold += 1
        return sold

    selling = asyncio.create_task(sell())
    reports = [await verify() for _ in range(5)]
    stop.set()

    assert await selling > 1
    assert [(report.findings, report.unchecked) for report in reports] == [([], [])] * 5


async def test_a_hub_is_good_before_and_after_its_new_rules_were_swept(
    hub: OpenStores, verify: Verify, redis_url: str, postgres_dsn: str
) -> None:
    async with opened(redis_url, postgres_dsn, OTHER) as changed:
        before = await verify()
        await changed.stores.sweep.once()
        after = await verify()

    assert [report.findings for report in (before, after)] == [[], []]
    assert [report.unchecked for report in (before, after)] == [[], []]


async def test_a_hub_is_good_whose_house_and_skus_change_meanwhile(hub: OpenStores, verify: Verify) -> None:
    sku = SkuSettings("BAG", category="watches", aliases=("SAC",))
    both = [msgspec.structs.replace(settings, skus=(sku,)) for settings in (OTHER, HOUSE)]

    reports = [await verify()]
    for settings in both * 2:
        changing = asyncio.create_task(hub.stores.adopting.adopt(settings))
        reports += [await verify(), await verify()]
        await changing
        await hub.stores.sweep.once()
    reports.append(await verify("SAC"))

    assert [(report.findings, report.unchecked) for report in reports] == [([], [])] * len(reports)
    assert reports[-1].skus == 1


async def test_another_house_than_the_digest_says_leaves_what_pools_show_unchecked(
    hub: OpenStores, verify: Verify, redis_client: Redis
) -> None:
    document = encode_document(house_of(OTHER).document)
    await redis_client.set(keys.HOUSE, document)

    report = await verify()

    assert report.findings == []
    assert "is not the one its digest says" in report.unchecked[0]
    assert report.exit_code == 2


async def test_one_sku_is_checked_alone(hub: OpenStores, verify: Verify, redis_client: Redis) -> None:
    await redis_client.delete("hub:{0}:sku:SCARF")

    alone, other = await verify("BAG"), await verify("SCARF", "BAG")

    assert (alone.skus, alone.findings, alone.exit_code) == (1, [], 0)
    assert {finding.sku for finding in other.findings} == {"SCARF"}


async def test_a_sku_that_nobody_knows_cannot_be_checked(hub: OpenStores, verify: Verify) -> None:
    report = await verify("NOTHING")

    assert report.unchecked == ["neither Redis nor the ledger knows the SKU NOTHING"]
    assert report.exit_code == 2


async def test_a_hub_of_more_skus_than_a_batch_is_read_in_several(
    hub: OpenStores, verify: Verify, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verification, "SKUS_PER_BATCH", 2)
    monkeypatch.setattr(verification, "POSITIONS_PER_BATCH", 1)
    await hub.book(*(hub.fact(f"more-{i}", Line(f"SKU-{i}", "LON", 1)) for i in range(7)))

    report = await verify()

    assert (report.skus, report.positions, report.findings) == (11, 12, [])


@pytest.fixture
async def unheard(redis_client: Redis, redis_url: str, postgres_dsn: str) -> None:
    """A hub was killed: the journal has two entries that the ledger lacks."""
    async with opened(redis_url, postgres_dsn, HOUSE) as stores:
        await live(stores)
    kernel = Kernel(redis_client)
    uuid: bytes | None = await redis_client.hget(keys.META, "hub")
    await kernel.open(UUID((uuid or b"").decode()), 1, house_of(HOUSE), create=False)
    for name in ("unheard-1", "unheard-2"):
        await kernel.call([stores.fact(name, Line("BAG", "LON", 2))], house_of(HOUSE))


async def test_what_the_ledger_of_a_stopped_hub_lacks_is_taken_from_the_journal(
    unheard: None, verify: Verify, redis_client: Redis
) -> None:
    good = await verify(is_live=False)
    _, (before_last, _) = await redis_client.xrevrange(keys.JOURNAL, count=2)
    await redis_client.xdel(keys.JOURNAL, before_last)
    bad = await verify(is_live=False)

    assert (good.findings, good.unchecked) == ([], [])
    assert {finding.kind for finding in bad.findings} >= {"journal_gap", "position_differs"}


async def test_a_ledger_that_does_not_follow_a_running_hub_is_named(unheard: None, verify: Verify) -> None:
    report = await verify(patience_seconds=0.1)

    assert [finding.kind for finding in report.findings] == ["ledger_behind"]


async def test_a_ledger_that_lacks_too_much_leaves_positions_unchecked(
    unheard: None, verify: Verify, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "REST_ENTRIES_MAX", 1)

    report = await verify(is_live=False)

    assert (report.findings, report.positions, report.exit_code) == ([], 0, 2)
    assert "positions were not compared" in report.unchecked[0]


async def test_an_empty_pair_of_stores_is_no_hub(redis_client: Redis, postgres_dsn: str, verify: Verify) -> None:
    with pytest.raises(ServerRefused):
        await verify()
