"""What waits takes effect only where its sender may touch anything, in the kernel as in the model."""

from itertools import product
from typing import Any

import pytest
from redis.asyncio import Redis

from hub.domain.command import Asked, Fact, Line, Transfer, Voiding
from hub.domain.entry import EntryAlert
from hub.stock.outcome import Applied
from tests.model.journeys import with_transfer
from tests.model.pair import Pair
from tests.model.test_bad_commands import BAG, HOUSE, fact

BEYOND = "out_of_reach"
AT_TWO_PLACES = (Line("BAG", "LON", 2), Line("WATCH", "PAR", 3))


async def told(pair: Pair, *facts: Fact) -> list[EntryAlert]:
    """Tell facts one after the other; answers what the last one raised about what waited."""
    for each in facts:
        sent = with_transfer(each, pair.model) if isinstance(each.detail, Transfer) else each
        [outcome] = await pair.kernel.call([sent], pair.house)
        assert isinstance(outcome, Applied)
        await pair.expect([sent], [outcome])
    return [alert for alert in pair.model.journal[-1].alerts if alert.type == BEYOND]


def void(id: str, asked: tuple[Asked, ...], reach: tuple[str, ...]) -> Fact:
    return fact(id, BAG, verb="void", type="sale.voided", lines=(), detail=Voiding("sale", 0, asked, (), reach))


def sale(*lines: Line) -> Fact:
    return fact("sale", BAG, verb="sale", type="sale", pool="store", lines=lines)


def about_all(quantity: int) -> list[EntryAlert]:
    return [EntryAlert(BEYOND, -1, "", quantity, "")] if quantity else []


@pytest.mark.parametrize(
    ("asked", "reach", "units"),
    [
        ((), (), 0), ((), ("LON", "PAR"), 0), ((), ("LON",), 5), ((), ("PAR",), 5), ((), ("NOWHERE",), 5),
        ((("BAG", 1),), ("LON",), 0), ((("BAG", 1),), ("PAR",), 1), ((("BAG", 7),), ("PAR",), 7),
        ((("BAG", 1), ("WATCH", 2)), ("LON",), 3), ((("OTHER", 1),), ("NOWHERE",), 0),
    ],
    ids=repr,
)  # fmt: skip
async def test_a_void_gives_nothing_back_beyond_its_reach(
    redis_client: Redis, asked: tuple[Asked, ...], reach: tuple[str, ...], units: int
) -> None:
    pair = Pair(redis_client, HOUSE)
    await pair.open()

    assert await told(pair, void("void", asked, reach), sale(*AT_TWO_PLACES)) == about_all(units)


async def test_of_several_voids_each_has_its_own_reach(redis_client: Redis) -> None:
    pair = Pair(redis_client, HOUSE)
    await pair.open()
    voids = [void("1", (("BAG", 1),), ("LON",)), void("2", (), ("PAR",)), void("3", (("WATCH", 1),), ("LON",))]

    # The second would give back what the first one left.
    assert await told(pair, *voids, void("4", (), ()), sale(*AT_TWO_PLACES)) == about_all(4 + 1)


@pytest.mark.parametrize("reaches", [*product([(), ("LON",), ("PAR",)], repeat=2)], ids=repr)
async def test_what_is_received_early_arrives_within_its_reach(
    redis_client: Redis, reaches: tuple[tuple[str, ...], tuple[str, ...]]
) -> None:
    pair = Pair(redis_client, HOUSE)
    await pair.open()
    early: list[Any] = [
        Transfer("T1", "", 0, final, 0, (("BAG", units), ("WATCH", 1)), reach)
        for reach, final, units in zip(reaches, (0, 1), (2, 4), strict=True)
    ]
    facts = [fact(f"{n}", BAG, verb="receive", lines=(), detail=each) for n, each in enumerate(early)]
    out = fact("out", Line("BAG", "LON", 9), verb="dispatch", detail=Transfer("T1", "PAR", 0, own_lines=1))

    beyond = sum(units for reach, units in zip(reaches, (3, 5), strict=True) if reach == ("LON",))
    assert await told(pair, *facts, out) == about_all(beyond)

    table = "transfers" if reaches[1] == ("LON",) else "closed_transfers"
    assert [*pair.model.books.records[table]] == ["T1"]
