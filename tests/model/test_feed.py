"""Whatever happened, the feed tells all of it: who folds it holds the same stock, page by page as at once."""

from collections import Counter
from collections.abc import AsyncIterator, Sequence
from random import Random
from typing import Any

import asyncpg
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis.asyncio import Redis

from hub.domain.buckets import is_shelf
from hub.domain.catalogue import HouseSettings
from hub.domain.entry import Seq, encode_entry
from hub.domain.feed import Place
from hub.domain.holding.hold import ENDED, LIVE, hold_from
from hub.domain.shown import position_item
from hub.intake.feed_items import Reader, Teller
from hub.intake.feed_pages import page_behind
from hub.intake.sealing import Sealing
from hub.ledger.asking import Asking
from hub.ledger.connection import Link
from hub.ledger.feed import FeedEntries
from hub.ledger.opening import open_ledger
from hub.ledger.posting import post
from hub.ledger.rows import booking_of
from tests.model.happenings import happenings
from tests.model.holdings import awaited, stocked
from tests.model.pair import HUB, Pair
from tests.model.telling import tell
from tests.model.travels import travels
from tests.model.worlds import PLACES, POOLS, Step, stories

ALL, SEALING = Reader(None, None, None), Sealing(HUB)
# Each is told to two stores and read six times.
EXAMPLES = 15

Items = list[dict[str, Any]]


class Ledger:
    """A ledger that gets one story after another, and the feed out of it."""

    def __init__(self, connection: asyncpg.Connection, entries: FeedEntries) -> None:
        self._connection = connection
        self._entries = entries
        self._cursor: Seq | None = None

    async def post(self, pair: Pair) -> Place:
        """Post a story's journal behind the others; where it begins."""
        before = self._cursor
        first = before.number + 1 if before else 0
        raws = [encode_entry(entry) for entry in pair.model.journal]
        bookings = [booking_of(Seq(1, number), raw) for number, raw in enumerate(raws, first)]
        await post(self._connection, before, bookings)
        self._cursor = bookings[-1].seq
        return Place.behind(before) if before else Place(1, 0, 0)

    async def read(self, place: Place, reader: Reader, limits: Sequence[int], *types: str) -> Items:
        """Everything behind a place, in pages of these sizes in turn."""
        teller = Teller(reader, SEALING, frozenset(types), ())
        found: Items = []
        for turn in range(100_000):
            page = await page_behind(place, self._entries, teller, limits[turn % len(limits)])
            assert len(page.items) <= limits[turn % len(limits)]
            found += [msgspec.json.decode(body) for _, body in page.items]
            if page.is_last:
                return found
            # Through its text, as a reader brings it.
            opened = SEALING.opened(SEALING.sealed_anew(page.end))
            assert opened is not None
            assert opened > place
            place = opened
        raise AssertionError("the feed has no end")


@pytest.fixture
async def ledger(postgres_dsn: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Ledger]:
    # So that a story is long enough for the ledger to pass over what is not wanted.
    monkeypatch.setattr("hub.intake.feed_pages.ENTRIES_PER_STRETCH_MIN", 3)
    monkeypatch.setattr("hub.intake.feed_pages.ENTRIES_PASSED_OVER_MAX", 4)
    connection = await asyncpg.connect(postgres_dsn)
    await open_ledger(connection)
    asking = Asking(Link(postgres_dsn, "feed"), deadline_seconds=20)
    yield Ledger(connection, FeedEntries(asking))
    await asking.aclose()
    await connection.close(timeout=5)


@settings(
    deadline=None,
    max_examples=EXAMPLES,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    story=st.one_of(stories(happenings), stocked(), awaited(), travels()),
    seed=st.integers(0, 2**16),
)
async def test_who_reads_the_feed_holds_the_stock_page_by_page_as_at_once(
    redis_client: Redis, ledger: Ledger, story: tuple[HouseSettings, list[Step]], seed: int
) -> None:
    pair, random = await tell(redis_client, *story), Random(seed)
    begin = await ledger.post(pair)

    items = await ledger.read(begin, ALL, [1_000])

    assert await ledger.read(begin, ALL, [random.randint(1, 7) for _ in range(20)]) == items
    assert len({item["id"] for item in items}) == len(items)
    check_stock(pair, items)
    check_shown(pair, items)
    check_holds(pair, items)
    await check_narrow(ledger, begin, items, random)
    await check_types(ledger, begin, items, random)


async def check_types(ledger: Ledger, begin: Place, items: Items, random: Random) -> None:
    """Who asks for some types is told the items of these, by whatever the others are passed over."""
    there = sorted({item["type"] for item in items})
    for types in (random.sample(there, min(len(there), 2)), [name for name in there if name.startswith("alert.")]):
        if types:
            wanted = [item for item in items if item["type"] in types]
            assert await ledger.read(begin, ALL, [random.randint(1, 7) for _ in range(20)], *types) == wanted


def check_stock(pair: Pair, items: Items) -> None:
    """What movements add up to, and what each says lies there since, is what lies there."""
    sums, last = Counter[tuple[str, str, str]](), dict[tuple[str, str], Any]()
    for moved in (item["data"] for item in items if item["type"].startswith("movement.")):
        place = (moved["sku"], moved["location"])
        sums[*place, moved["from"]] -= moved["quantity"]
        sums[*place, moved["to"]] += moved["quantity"]
        # What is lost on its way touches no shelf.
        last |= {place: moved["position"]} if "position" in moved else {}
    wanted = Counter[tuple[str, str, str]]()
    for sku, places in pair.model.positions.items():
        for location, position in places.items():
            wanted.update({(sku, location, fence.bucket): fence.units for fence in _fences(position)})
            wanted[sku, location, "free"] += position.free
            wanted[sku, location, "reserved"] += position.reserved
            wanted[sku, location, "deficit"] -= position.deficit
            wanted.update({(sku, location, f"aside:{status}"): units for status, units in position.aside})
            told = last.get((sku, location))
            assert (told is None and not position.on_hand and not position.deficit) or told == msgspec.to_builtins(
                position_item(sku, location, position)
            )
    on_shelves = {place: units for place, units in sums.items() if units and is_shelf(place[2])}
    assert on_shelves == {place: units for place, units in wanted.items() if units}


class _Fenced(msgspec.Struct):
    bucket: str
    units: int


def _fences(position: Any) -> list[_Fenced]:
    return [_Fenced(f"ring_fenced:{fence.pool}", fence.quantity) for fence in position.fences]


def check_shown(pair: Pair, items: Items) -> None:
    """The last value told of a SKU in a pool is what the pool shows."""
    last = {(item["data"]["sku"], item["data"]["pool"]): item["data"] for item in items if _is(item, "availability.")}
    for sku, views in pair.model.views.items():
        for pool, view in views.items():
            if view.changes:
                told = last.pop((sku, pool))
                assert (told.get("available", -1), told["rev"]) == (view.available, view.rev(1))
    assert not last


def check_holds(pair: Pair, items: Items) -> None:
    """The last that is told of each reservation is how it is."""
    last = {item["data"]["id"]: item["data"] for item in items if _is(item, "reservation.")}
    records = pair.model.books.records
    for name, value in (records.get(ENDED, {}) | records.get(LIVE, {})).items():
        if name.startswith("reservation:"):
            told, hold = last.pop(name.removeprefix("reservation:")), hold_from(value)
            assert told["pool"] == hold.pool
            assert told["state"] == hold.state.name or hold.is_taken_over or told["state"] == "expired"
            assert sum(line["quantity"] for line in told["lines"]) == sum(part.quantity for part in hold.parts)
    assert not last


async def check_narrow(ledger: Ledger, begin: Place, items: Items, random: Random) -> None:
    """Who may see little is told what of it is there, under the same ids, and no name of anything else."""
    location, pool = random.choice(PLACES), random.choice(POOLS)
    mine = frozenset({pool})
    reader = Reader(frozenset({location}), mine, mine)

    narrow = await ledger.read(begin, reader, [1_000])

    assert await ledger.read(begin, reader, [random.randint(1, 7) for _ in range(20)]) == narrow
    places = {item["id"]: number for number, item in enumerate(items)}
    numbers = [places[item["id"]] for item in narrow]
    assert sorted(numbers) == numbers
    told = msgspec.json.encode([item["data"] for item in narrow]).decode()
    others = [f'"{name}"' for name in PLACES if name != location]
    others += [text for name in POOLS if name != pool for text in (f'"pool":"{name}"', f"ring_fenced:{name}")]
    assert not [name for name in others if name in told]
    on_shelf = Counter[str]()
    for moved in (item["data"] for item in narrow if item["type"].startswith("movement.")):
        on_shelf[moved["sku"]] += moved["quantity"] * (_lies(moved["to"]) - _lies(moved["from"]))
        assert moved["location"] == location
    told_last = [item["data"]["position"] for item in narrow if "position" in item["data"]]
    last = {position["sku"]: position["on_hand"] - position["deficit"] for position in told_last}
    assert {sku: on_shelf[sku] for sku in last} == last


def _lies(bucket: str) -> bool:
    return bucket == "ring_fenced" or is_shelf(bucket)


def _is(item: dict[str, Any], kind: str) -> bool:
    return str(item["type"]).startswith(kind)
