"""What waits for another fact may have been told by a name that has become another SKU's alias by then."""

from collections.abc import AsyncIterator

import pytest

from hub.domain.catalogue import SkuSettings
from hub.domain.command import Fact, Line, Supply, Voiding
from hub.stock.outcome import Applied
from tests.stock.opened import OpenStores, opened
from tests.stock.test_earlier import dispatched, received

GTIN = "360734"


@pytest.fixture
async def two(redis_url: str, postgres_dsn: str) -> AsyncIterator[tuple[OpenStores, OpenStores]]:
    """Two processes of one hub."""
    async with opened(redis_url, postgres_dsn) as one, opened(redis_url, postgres_dsn) as other:
        yield one, other


async def described(hub: OpenStores, *aliases: str) -> tuple[str, str]:
    [told] = await hub.stores.describing.describe([SkuSettings("BAG", aliases=aliases)])
    return told.status, told.why


async def on_hand(hub: OpenStores, sku: str = "BAG") -> dict[str, int]:
    return {item.location: item.on_hand - item.deficit for item in await hub.reads.positions_of(sku)}


@pytest.mark.parametrize("place", [0, 1], ids=["heard of the alias", "did not hear of the alias"])
async def test_what_was_received_early_by_an_alias_of_later_arrives_with_the_dispatch(
    two: tuple[OpenStores, OpenStores], place: int
) -> None:
    early = [received(two[place], "in-1", 1, sku=GTIN), received(two[place], "in-2", 1, sku=GTIN)]
    await two[place].book(*early)
    assert await described(two[0], GTIN) == ("applied", "")

    [out] = await two[place].book(dispatched(two[place], "out", 3))

    assert isinstance(out, Applied)
    assert await on_hand(two[0]) == {"LON": -3, "PAR": 2}
    assert await on_hand(two[0], GTIN) == {}


async def test_parts_of_a_transfer_that_are_told_by_an_alias_of_later_find_it(
    two: tuple[OpenStores, OpenStores],
) -> None:
    one, other = two
    await other.book(received(other, "early", 1))
    await described(one, GTIN)

    outcomes = [
        *await other.book(dispatched(other, "out", 3, sku=GTIN)),
        *await other.book(received(other, "in", 1, sku=GTIN)),
    ]

    assert all(isinstance(outcome, Applied) for outcome in outcomes)
    assert await on_hand(one) == {"LON": -3, "PAR": 2}


async def test_a_process_that_did_not_hear_of_an_alias_receives_what_it_means(
    two: tuple[OpenStores, OpenStores],
) -> None:
    one, other = two
    await one.book(dispatched(one, "out", 2))
    await described(one, GTIN)

    [arrived] = await other.book(received(other, "in", 2, sku=GTIN))

    assert isinstance(arrived, Applied)
    assert await on_hand(one) == {"LON": -2, "PAR": 2}


async def test_a_void_that_waits_by_an_alias_of_later_gives_back_what_the_sale_took(
    two: tuple[OpenStores, OpenStores],
) -> None:
    hub, _ = two
    await hub.book(void(hub, (GTIN, 1)))
    await described(hub, GTIN)

    [sold] = await hub.book(hub.fact("sale-1", Line("BAG", "LON", 2), verb="sale", type="sale", pool="online"))

    assert isinstance(sold, Applied)
    assert "discrepancy" not in {alert.type for alert in sold.alerts if not alert.sku}
    assert await on_hand(hub) == {"LON": -1}


async def test_a_name_that_something_is_expected_under_is_no_alias(two: tuple[OpenStores, OpenStores]) -> None:
    hub, _ = two
    supply = Supply("PO-1", hub.kernel.booked_at_ms)
    expected = hub.fact("po", Line(GTIN, "LON", 5), verb="expected", type="expected", detail=supply)
    await hub.book(expected)

    why = f'"{GTIN}" is a SKU of its own, with stock, supply or a description, and stays one: '
    why += 'send "BAG" in its place, and bring its units over by two adjustments'
    assert await described(hub, GTIN) == ("refused", why)
    assert await hub.stores.describing.conflicts([SkuSettings("BAG", aliases=(GTIN,))]) == [why]
    assert [line.quantity for line in await hub.reads.expected_of(GTIN)] == [5]


def void(hub: OpenStores, *asked: tuple[str, int]) -> Fact:
    return hub.fact("void-1", verb="void", type="sale.voided", detail=Voiding("sale-1", 0, asked), lines=())
