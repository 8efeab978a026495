"""Power is lost: what was answered is on the disk, and with a promise less the judge names what is not."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from random import Random

import pytest

from tests.databases import closed_database
from tests.faults.clients import Client
from tests.faults.judge import Judge
from tests.faults.power import ForgetfulDisk, why_not
from tests.faults.stores import OwnRedis
from tests.faults.town import Town, town_over
from tests.faults.traffic import traffic

SEED = 13

pytestmark = pytest.mark.skipif(bool(why_not()), reason=why_not())


def forgetful_redis(folder: Path, program: Path) -> OwnRedis:
    (folder / "workshop").mkdir()
    return OwnRedis(folder, program, ForgetfulDisk(folder / "redis", folder / "workshop"))


@pytest.fixture
async def fragile(postgres_dsn: str, program: Path) -> AsyncIterator[Town]:
    """A town whose Redis may lose its power."""
    async with town_over(postgres_dsn, program, make_redis=forgetful_redis) as made:
        yield made


async def test_a_loss_of_power_takes_nothing_that_was_answered(fragile: Town) -> None:
    """A2: the host of Redis, and then both at once, with what the disk was busy with there in part."""
    await fragile.open_hub()
    random = Random(SEED)
    async with traffic(fragile, f"{SEED}-power") as meanwhile:
        for _ in range(3):
            await meanwhile.goes_on(40)
            await fragile.redis.lose_power(random)
            await fragile.redis.start()
        await meanwhile.goes_on(40)


@pytest.mark.parametrize("promise", ["always", "everysec"])
async def test_a_host_that_loses_its_power_while_the_ledger_is_away_loses_what_was_answered_only_without_the_promise(
    fragile: Town, promise: str
) -> None:
    hub = await fragile.open_hub()
    client, judge = Client(fragile, "till", SEED), Judge(fragile)
    async with fragile.redis.client() as redis:
        await redis.config_set("appendfsync", promise)
    async with closed_database(fragile.dsn):
        for _ in range(60):
            await client.step()
        told = {sent.id for sent in fragile.log.facts if sent.is_taken}
        # Redis and the hub on one host: nobody is left who knows how far it was.
        await asyncio.gather(fragile.close_hub(hub, 9), fragile.redis.kill())
        await fragile.redis.lose_power()
    await fragile.redis.start()
    await fragile.open_hub()
    await judge.ledger_follows()

    lost = await judge.missing()

    assert told
    if promise == "always":
        assert lost == []
        verdict = await judge.judge()
        assert verdict.is_clean, verdict
    else:
        assert set(lost) <= told
        assert len(lost) > 10
