"""Many buyers at two hubs: nothing is sold twice, a race ends as one of two orders would, and nothing stays held."""

import asyncio
import signal
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from itertools import combinations_with_replacement, count
from pathlib import Path
from random import Random
from typing import Any

import aiohttp
import pytest
from redis.asyncio import Redis

from hub.domain.holding.hold import LIVE, reservation_name
from hub.stock import keys
from tests.flow.pair import Shop, two_shops
from tests.intake.door import line
from tests.model.holdings import holds_of, kept_at
from tests.model.supply import table_in

LON, LYON = "LON-KNB", "DC-LYON"
BUYERS, UNITS = 10_000, 100
# How fast it is is not the matter here, and other tests may keep the machine busy.
DONE_SECONDS = 120
# How often each race is run; which of the two comes first is chance.
RACES = 2
SHOPPERS, SKUS, SEED = 8, 5, 7

Until = Callable[[Callable[[], Awaitable[bool]]], Awaitable[None]]
Doing = Callable[[Shop, str, str], Awaitable[tuple[int, dict[str, Any]]]]


@pytest.fixture
async def shops(
    tmp_path: Path, redis_url: str, redis_client: Redis, postgres_dsn: str
) -> AsyncIterator[Sequence[Shop]]:
    async with two_shops(tmp_path, redis_url, postgres_dsn) as made:
        yield made


async def test_ten_thousand_buyers_get_the_hundred_units_there_are(shops: Sequence[Shop]) -> None:
    sku = "WANTED"
    await shops[0].stock(sku, LON, 60)
    await shops[0].stock(sku, LYON, 40)
    buyers = [iter(range(first, BUYERS, 2)) for first in (0, 1)]

    async def buy(shop: Shop, numbers: Any) -> list[tuple[int, str]]:
        told = []
        for number in numbers:
            status, answer = await shop.reserve(f"b-{number}", line(sku), owner=f"buyer-{number}")
            told.append((status, answer.get("state") or answer["type"]))
        return told

    async with asyncio.timeout(DONE_SECONDS):
        jobs = [buy(shop, numbers) for shop, numbers in zip(shops, buyers, strict=True) for _ in range(32)]
        told = Counter(each for some in await asyncio.gather(*jobs) for each in some)

    assert told == {(201, "held"): UNITS, (409, "urn:hub:problem:insufficient"): BUYERS - UNITS}
    assert await shops[1].places(sku) == {LON: (0, 60), LYON: (0, 40)}
    assert len(await shops[0].reservations()) == UNITS


async def place_order(shop: Shop, id: str, sku: str) -> tuple[int, dict[str, Any]]:
    return await shop.tell("order.placed", line(sku), order=f"o-{id}", pool="online", reservation=id)


async def sell(shop: Shop, id: str, sku: str) -> tuple[int, dict[str, Any]]:
    return await shop.tell("sale", line(sku), location=LON, pool="store", reservation=id)


def asking(verb: str) -> Doing:
    async def ask(shop: Shop, id: str, sku: str) -> tuple[int, dict[str, Any]]:
        return await shop.change(verb, id)

    return ask


VERBS = ("extend", "confirm", "release", "fulfil", "reallocate")
DEEDS: dict[str, Doing] = {verb: asking(verb) for verb in VERBS} | {"order": place_order, "sale": sell}


class Races:
    """Two deeds at one reservation, one after the other or both at once."""

    _numbers = count(1)

    def __init__(self, shops: Sequence[Shop]) -> None:
        self._shops = shops

    async def run(self, deeds: Sequence[str], *, at_once: bool) -> Any:
        """What both were answered, in the order of their names, and what is so in the end."""
        one, two = self._shops
        id = f"race-{next(self._numbers)}"
        for location in (LON, LYON):
            await one.stock(id, location, 1)
        status, told = await one.reserve(id, line(id), prefer=[LON])
        assert status == 201, told
        jobs = [DEEDS[name](shop, id, id) for name, shop in zip(deeds, (one, two), strict=True)]
        if at_once:
            answers = await asyncio.gather(*jobs)
        else:
            answers = [await job for job in jobs]
        said = sorted((name, _gist(*answer)) for name, answer in zip(deeds, answers, strict=True))
        held = await two.get(f"/v1/reservations/{id}")
        end = {name: held.get(name) for name in ("state", "lines")} | {"is_timed": held["expires_at"] is not None}
        end["lines"] = [{**each, "sku": ""} for each in end["lines"]]
        return said, end, await two.places(id)


def _gist(status: int, told: dict[str, Any]) -> tuple[bool, str]:
    """Whether it was done, and why not; a 202 is a 200 whose ledger is late."""
    return status < 300, told.get("type", "") if status >= 300 else ""


async def test_a_race_of_two_deeds_at_a_reservation_ends_as_one_after_the_other(shops: Sequence[Shop]) -> None:
    races = Races(shops)
    for pair in combinations_with_replacement(DEEDS, 2):
        serial = [await races.run(order, at_once=False) for order in (pair, pair[::-1])]
        for _ in range(RACES):
            assert await races.run(pair, at_once=True) in serial, pair


async def reserve_again(shop: Shop, id: str, sku: str) -> tuple[int, dict[str, Any]]:
    return await shop.reserve(id, line(sku), ttl_seconds=TIMED_SECONDS, owner=f"owner-{id}", prefer=[LON])


async def reserve_instead(shop: Shop, id: str, sku: str) -> tuple[int, dict[str, Any]]:
    return await shop.reserve(f"{id}-next", line(sku), owner=f"owner-{id}", prefer=[LON])


# What may be done to a reservation whose time ends meanwhile.
DEEDS_IN_TIME = DEEDS | {"reserve": reserve_again, "reserve instead": reserve_instead}
# How long it is held.
TIMED_SECONDS = 2
# When it is done, in milliseconds from the end: at once, around it, and when the hubs have given everything back.
AT_ONCE, AROUND, AFTER = -TIMED_SECONDS * 1000, (-400, -200, -100, -50, -25, 0), 60_000


class TimedRaces:
    """A deed at a reservation, and the end of its time, at which both hubs look for what is over."""

    _numbers = count(1)

    def __init__(self, shops: Sequence[Shop], redis: Redis, until: Until) -> None:
        self._shops = shops
        self._redis = redis
        self._until = until

    async def run(self, name: str, from_end_ms: int) -> Any:
        """What the deed was answered, and what is so once no unit is held that is over."""
        number = next(self._numbers)
        one, two = self._shops[:: 1 if number % 2 else -1]
        id = f"timed-{number}"
        for location in (LON, LYON):
            await one.stock(id, location, 1)
        status, told = await reserve_again(one, id, id)
        assert status == 201, told
        end_ms = await self._end_ms(id)

        async def is_time() -> bool:
            is_over = await self._end_ms(id) is None
            return is_over if from_end_ms == AFTER else is_over or await self._now_ms() >= end_ms + from_end_ms

        async def is_settled() -> bool:
            left_ms = await self._end_ms(id)
            return left_ms is None or left_ms - await self._now_ms() > 60_000

        await self._until(is_time)
        answer = await DEEDS_IN_TIME[name](two, id, id)
        await self._until(is_settled)
        places = await two.places(id)
        kept = kept_at(holds_of({LIVE: await table_in(self._redis, keys.HOLDS)}))
        assert {place: units for place, (_, units) in places.items() if units} == {
            place: units for (sku, place), units in kept.items() if sku == id
        }
        return _gist(*answer), (await one.get(f"/v1/reservations/{id}"))["state"], places

    async def _end_ms(self, id: str) -> Any:
        return await self._redis.zscore(keys.EXPIRY, reservation_name(id))

    async def _now_ms(self) -> int:
        seconds, microseconds = await self._redis.time()
        return int(seconds) * 1000 + int(microseconds) // 1000


async def test_whatever_is_done_when_the_time_of_a_reservation_ends_is_done_before_or_after(
    shops: Sequence[Shop], redis_client: Redis, until: Until
) -> None:
    races = TimedRaces(shops, redis_client, until)

    async def run(name: str) -> None:
        serial = await asyncio.gather(*(races.run(name, at) for at in (AT_ONCE, AFTER)))
        for told in await asyncio.gather(*(races.run(name, at) for at in AROUND)):
            assert told in serial, name

    await asyncio.gather(*map(run, DEEDS_IN_TIME))


class Shopper:
    """Somebody who reserves, changes the mind, and buys, until the hub is gone."""

    def __init__(self, shop: Shop, name: str, on_done: Callable[[], None]) -> None:
        self._shop = shop
        self._name = name
        self._random = Random(f"{SEED}-{name}")
        self._on_done = on_done

    async def go(self, deeds: int) -> None:
        try:
            for number in range(deeds):
                await self._deed(f"{self._name}-{number}")
                self._on_done()
        except (aiohttp.ClientError, ConnectionError):
            return

    async def _deed(self, id: str) -> None:
        choose = self._random.choice
        lines = [line(sku, choose((1, 2))) for sku in self._random.sample([f"SKU-{n}" for n in range(SKUS)], 2)]
        status, told = await self._shop.reserve(id, *lines, owner=choose((id, self._name)), split=True)
        assert status in (201, 409, 503), told
        for verb in self._random.choices(("extend", "confirm", "release", "fulfil", "reallocate"), k=choose((0, 1, 2))):
            status, told = await self._shop.change(verb, id)
            assert status in (200, 404, 409, 503), told


async def test_what_a_killed_hub_was_doing_leaves_reserved_what_is_held_and_all_of_it_comes_back(
    shops: Sequence[Shop], until: Until
) -> None:
    one, two = shops
    for number in range(SKUS):
        for location in (LON, LYON):
            await two.stock(f"SKU-{number}", location, 100)
    done, enough = 0, asyncio.Event()

    def note_done() -> None:
        nonlocal done
        done += 1
        if done >= 80:
            enough.set()

    shoppers = [Shopper(shop, f"{shop.hub.folder.name}-{n}", note_done) for shop in shops for n in range(SHOPPERS)]
    tasks = [asyncio.create_task(shopper.go(20)) for shopper in shoppers]
    await asyncio.wait_for(enough.wait(), 30)
    one.hub.signal(signal.SIGKILL)
    await one.hub.ended()
    await asyncio.gather(*tasks)

    held = await two.reservations()
    assert held
    assert await reserved(two) == kept(held)
    for each in held:
        if each["state"] == "held":
            await two.change("extend", each["id"], ttl_seconds=1)
        else:
            await two.change("release", each["id"])

    async def is_all_back() -> bool:
        return not any((await reserved(two)).values())

    await until(is_all_back)
    assert await two.reservations() == []


async def reserved(shop: Shop) -> Counter[tuple[str, str]]:
    """Units reserved at each place."""
    units = Counter[tuple[str, str]]()
    for number in range(SKUS):
        sku = f"SKU-{number}"
        units.update({(sku, location): quantity for location, (_, quantity) in (await shop.places(sku)).items()})
    return +units


def kept(held: Sequence[dict[str, Any]]) -> Counter[tuple[str, str]]:
    """Units that reservations keep at each place."""
    units = Counter[tuple[str, str]]()
    for told in (told for each in held for told in each["lines"]):
        units.update({(told["sku"], each["location"]): each["quantity"] for each in told["allocations"]})
    return units
