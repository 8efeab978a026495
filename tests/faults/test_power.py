"""Power is lost: what was answered is on the disk, and with a promise less the judge names what is not."""

import asyncio
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from random import Random

import pytest

from tests.databases import closed_database
from tests.faults.clients import Client
from tests.faults.judge import Judge
from tests.faults.patience import until
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
            await meanwhile.goes_on(25)
            await fragile.redis.lose_power(random)
            await fragile.redis.start()
        await meanwhile.goes_on(25)


@pytest.mark.parametrize("promise", ["always", "everysec"])
async def test_a_host_that_loses_its_power_while_the_ledger_is_away_loses_what_was_answered_only_without_the_promise(
    fragile: Town, promise: str
) -> None:
    """A2, with the hub on the same host, so that nobody is left who knows how far it was."""
    fragile.settings["HUB_LIMITS_LEDGER_WAIT_MS"] = "5"
    hub = await fragile.open_hub()
    judge = Judge(fragile)
    if promise == "everysec":
        # The hub would refuse it at its start.
        async with fragile.redis.client() as redis:
            await redis.config_set("appendfsync", promise)
        assert fragile.redis.disk is not None
        fragile.redis.disk.slow_down(1_500)
    async with closed_database(fragile.dsn):
        await work_until_killed(fragile)
        await fragile.close_hub(hub, signal.SIGKILL)
        await fragile.redis.lose_power()
    if promise == "everysec":
        # Who starts heals Redis, which no disk that takes longer than a call may lets it do.
        assert fragile.redis.disk is not None
        fragile.redis.disk.slow_down(0)
    await fragile.redis.start()
    await fragile.open_hub()
    await judge.ledger_follows()

    lost = await judge.missing()

    if promise == "always":
        assert lost == []
        verdict = await judge.judge()
        assert verdict.is_clean, verdict
    else:
        assert lost
        assert set(lost) <= {sent.id for sent in fragile.log.facts if sent.is_taken}


async def work_until_killed(town: Town) -> None:
    """Tills at work until Redis is gone in the middle of it."""
    stop = asyncio.Event()
    tills = [asyncio.create_task(Client(town, f"till-{number}", SEED).work(stop)) for number in range(6)]

    async def were_answered() -> bool:
        return sum(sent.is_taken for sent in town.log.facts) >= 100

    await until(were_answered)
    await town.redis.kill()
    stop.set()
    await asyncio.gather(*tills)
