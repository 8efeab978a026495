"""SKUs are described while the hub runs: rules and names follow at once, in every process, and nothing is half done."""

from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
from redis.asyncio import Redis

from hub.domain.articles import Article
from hub.domain.catalogue import RuleSettings, SkuSettings
from hub.domain.command import Line
from hub.domain.entry import FIELD, Entry, SetRecord, decode_entry
from hub.stock import keys
from hub.stock.message import Describe
from hub.stock.outcome import Applied, Refused, Stale
from tests.stock.opened import OpenStores, opened
from tests.stock.partition import HOUSE, Partition, everything

WATCHES = msgspec.structs.replace(
    HOUSE,
    rules=(RuleSettings(pool="online", category="watches", buffer=4), RuleSettings(pool="online", sku="99", cap=1)),
)
GTIN = "360734"


@pytest.fixture
async def two(redis_url: str, postgres_dsn: str) -> AsyncIterator[tuple[OpenStores, OpenStores]]:
    """Two processes of one hub."""
    async with opened(redis_url, postgres_dsn, WATCHES) as one, opened(redis_url, postgres_dsn, WATCHES) as other:
        yield one, other


async def told(hub: OpenStores, *skus: SkuSettings) -> list[str]:
    return [each.status for each in await hub.stores.describing.describe(skus)]


async def shown(hub: OpenStores, sku: str) -> int:
    [item] = await hub.reads.read("online", [sku])
    assert item.available is not None
    return item.available


async def last_entry(client: Redis) -> Entry:
    [(_, fields)] = await client.xrevrange(keys.JOURNAL, count=1)
    return decode_entry(fields[FIELD])


async def journal_length(client: Redis) -> int:
    return int(await client.xlen(keys.JOURNAL))


async def test_a_sku_that_is_described_is_shown_by_the_rules_of_its_category_at_once(
    two: tuple[OpenStores, OpenStores], redis_client: Redis
) -> None:
    one, other = two
    await one.book(one.fact("ten", Line("OR", "LON", 10)))
    assert await shown(one, "OR") == 10

    assert await told(one, SkuSettings("OR", "watches", "Maison", {"colour": "gold"}, (GTIN,))) == ["applied"]

    assert [await shown(hub, "OR") for hub in two] == [6, 6]
    entry = await last_entry(redis_client)
    assert (entry.kind, entry.about, [set.view.available for set in entry.views]) == ("sku", "OR", [6])
    assert entry.records == (
        SetRecord("aliases", GTIN, ["OR"]),
        SetRecord("catalogue", "OR", [1, "watches", "Maison", [["colour", "gold"]], [GTIN]]),
    )
    stored: Any = await redis_client.hget(keys.CATALOGUE, "OR")
    assert msgspec.msgpack.decode(stored) == entry.records[1].value
    assert await redis_client.hget(keys.sku("OR"), "c") == b"1"
    assert other.stores.house.revision("OR") == 0


async def test_a_process_that_has_not_heard_books_by_the_new_description(two: tuple[OpenStores, OpenStores]) -> None:
    one, other = two
    await one.book(one.fact("ten", Line("OR", "LON", 10)))
    await told(one, SkuSettings("OR", "watches"))

    [outcome] = await other.book(other.fact("more", Line("OR", "LON", 1)))

    assert isinstance(outcome, Applied)
    assert [each.view.available for each in outcome.shown] == [7]
    assert other.stores.house.revision("OR") == 1


async def test_a_process_that_has_not_heard_of_an_alias_books_what_it_means(
    two: tuple[OpenStores, OpenStores],
) -> None:
    one, other = two
    await told(one, SkuSettings("BAG", aliases=(GTIN,)))
    assert other.stores.house.sku(GTIN) == GTIN

    [outcome] = await other.book(other.fact("by-gtin", Line(GTIN, "LON", 3)))

    assert isinstance(outcome, Applied)
    assert [position.free for position in await one.reads.positions_of("BAG")] == [3]
    assert await one.reads.positions_of(GTIN) == []


async def test_a_refresh_by_an_old_description_is_made_by_the_new_one(two: tuple[OpenStores, OpenStores]) -> None:
    one, other = two
    await one.book(one.fact("ten", Line("OR", "LON", 10)))
    await told(one, SkuSettings("OR", "watches"))
    low = msgspec.structs.replace(WATCHES, rules=(*WATCHES.rules, RuleSettings(pool="online", safety=1)))

    await other.stores.current.adopt_settings(low)
    await other.stores.sweep.once()

    assert [await shown(hub, "OR") for hub in two] == [5, 5]


async def test_the_same_again_changes_nothing_and_less_takes_away(
    two: tuple[OpenStores, OpenStores], redis_client: Redis
) -> None:
    one, other = two
    full = SkuSettings("OR", "watches", aliases=("B", "A", "A", "OR"))
    assert await told(one, full, SkuSettings("OR", "watches", aliases=("A", "B"))) == ["applied", "unchanged"]
    length = await journal_length(redis_client)
    assert await told(other, full) == ["unchanged"]
    assert await journal_length(redis_client) == length

    assert await told(other, SkuSettings("OR", aliases=("B",))) == ["applied"]

    entry = await last_entry(redis_client)
    assert SetRecord("aliases", "A", None) in entry.records
    assert await redis_client.hkeys(keys.ALIASES) == [b"B"]
    assert (other.stores.house.sku("A"), other.stores.house.sku("B")) == ("A", "OR")
    [outcome] = await one.book(one.fact("its-own", Line("A", "LON", 1)))
    assert isinstance(outcome, Applied)


async def test_a_name_stands_for_one_sku(hub: OpenStores, redis_client: Redis) -> None:
    await hub.book(hub.fact("stock", Line("SOLD", "LON", 1)))
    assert await told(hub, SkuSettings("A", aliases=("X",)), SkuSettings("B")) == ["applied", "applied"]
    length = await journal_length(redis_client)

    outcomes = await hub.stores.describing.describe(
        [
            SkuSettings("C", aliases=("X",)),
            SkuSettings("C", aliases=("B",)),
            SkuSettings("C", aliases=("SOLD",)),
            SkuSettings("X"),
        ]
    )

    assert [each.status for each in outcomes] == ["refused"] * 4
    assert [each.why.split('"')[1] for each in outcomes] == ["X", "B", "SOLD", "X"]
    assert await journal_length(redis_client) == length
    assert await redis_client.hkeys(keys.CATALOGUE) == [b"A", b"B"]


async def test_an_alias_goes_from_one_sku_to_another_in_any_order(two: tuple[OpenStores, OpenStores]) -> None:
    one, other = two
    await told(one, SkuSettings("A", aliases=(GTIN,)))

    assert await told(one, SkuSettings("B", aliases=(GTIN,)), SkuSettings("A")) == ["applied", "applied"]

    assert one.stores.house.sku(GTIN) == "B"
    await other.stores.described.catch_up([GTIN])
    assert other.stores.house.sku(GTIN) == "B"


async def test_a_rule_may_name_an_alias_that_is_described_later(two: tuple[OpenStores, OpenStores]) -> None:
    one, other = two
    await one.book(one.fact("ten", Line("BAG", "LON", 10)))

    await told(one, SkuSettings("BAG", aliases=("99",)))

    assert [await shown(hub, "BAG") for hub in two] == [1, 1]
    await other.book(other.fact("more", Line("BAG", "LON", 1)))
    assert [await shown(hub, "BAG") for hub in two] == [1, 1]


async def test_two_that_describe_one_sku_at_once_both_end_on_the_last(two: tuple[OpenStores, OpenStores]) -> None:
    one, other = two
    await told(one, SkuSettings("OR", "bags"))

    assert await told(other, SkuSettings("OR", "watches")) == ["applied"]
    assert await told(one, SkuSettings("OR", "watches")) == ["unchanged"]

    assert [hub.stores.house.revision("OR") for hub in two] == [2, 2]


async def test_what_was_described_is_known_after_a_restart(redis_url: str, postgres_dsn: str) -> None:
    skus = [SkuSettings(f"SKU-{n}", "watches", aliases=(f"A-{n}",)) for n in range(2_500)]
    async with opened(redis_url, postgres_dsn, WATCHES) as before:
        assert set(await told(before, *skus)) == {"applied"}

    async with opened(redis_url, postgres_dsn, WATCHES) as after:
        house = after.stores.house
        assert len(house.catalogue) == 2_500
        assert (house.sku("A-2499"), house.revision("SKU-2499")) == ("SKU-2499", 1)
        assert set(await told(after, *skus)) == {"unchanged"}


async def test_a_follower_of_the_journal_knows_what_was_described(
    two: tuple[OpenStores, OpenStores], redis_client: Redis
) -> None:
    one, other = two
    await told(one, SkuSettings("OR", "watches", aliases=(GTIN,)))
    first = await last_entry(redis_client)
    await told(one, SkuSettings("OR", "bags"))
    second = await last_entry(redis_client)

    other.stores.hear(second)
    other.stores.hear(first)

    assert (other.stores.house.revision("OR"), other.stores.house.sku(GTIN)) == (2, GTIN)
    assert msgspec.convert(second.records[-1].value, Article) == Article(2, "bags")


@pytest.mark.parametrize(
    ("line", "detail"),
    [
        ({}, None),
        ({}, []),
        ({}, [[1], []]),
        ({"sku": ""}, None),
        ({"revision": -1}, None),
        ({"revision": 0.5}, None),
        ({"sku_key": 999}, None),
        ({"profile": 9}, None),
        ({"sight": 1}, None),
        ({}, [[0, "", "", [], ["ALIAS"]], [], []]),
        ({}, [[0, "", "", [], ["ALIAS"]], [999], []]),
        ({}, [[0, "", "", [], [7]], [1], []]),
        ({}, [[0, None, "", [], []], [], []]),
        ({}, [[0, "", "", "x", []], [], []]),
    ],
)
async def test_a_malformed_description_is_its_own_fault_and_leaves_nothing(
    partition: Partition, line: dict[str, Any], detail: Any
) -> None:
    before = await everything(partition.client)
    good = {"sight": {}, "revision": 0, **line}
    fine = [[0, "", "", [], []], [], []]
    is_bad_line = bool(line)
    command = partition.raw_command(
        "x", verb="describe", lines=[partition.raw_line(**good)], detail=fine if is_bad_line else detail
    )

    reply = await partition.send_raw([command])

    assert reply[0] == "ok"
    assert reply[5][0][0] in ("refused", "broken")
    assert await everything(partition.client) == before


async def test_commands_of_one_call_see_a_description_before_them(partition: Partition) -> None:
    stale, applied, refused, named = await partition.call(
        Describe("BAG", Article(3, "bags")),
        Describe("BAG", Article(0, "bags", aliases=(GTIN,))),
        Describe("OTHER", Article(0, aliases=(GTIN,))),
        partition.fact("by-alias", Line(GTIN, "LON", 1)),
    )

    assert (stale, refused, named) == (Stale("BAG"), Refused(f'"{GTIN}" is a name of "BAG" already'), Stale(GTIN))
    assert isinstance(applied, Applied)
    assert await partition.client.hget(keys.sku(GTIN), "c") == b"-1"
