"""Redis comes back as another than it was: told at once, closed meanwhile, and by itself good again in a new epoch."""

import shutil
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.faults.judge import Judge
from tests.faults.patience import until
from tests.faults.stores import OwnRedis, free_port
from tests.faults.town import Town
from tests.faults.traffic import traffic

SEED = 14
HEAL_SECONDS = 12.0


async def epoch(town: Town) -> int:
    async with town.redis.client() as redis:
        told = await redis.hget("hub:{0}:meta", "epoch")
    return int(told or 0)


async def heals(town: Town) -> None:
    """Come back when the partition is open, in a later epoch."""

    async def is_open() -> bool:
        return await epoch(town) > 1

    await until(is_open, HEAL_SECONDS)


@pytest.fixture
async def replica(town: Town, program: Path) -> AsyncIterator[OwnRedis]:
    """A copy of the town's Redis, as far behind as the network makes it."""
    folder = Path(tempfile.mkdtemp(prefix="hub-copy-"))
    copy = OwnRedis(folder, program)
    yield copy
    await copy.kill()
    shutil.rmtree(folder)


async def test_a_redis_that_comes_back_empty_is_rebuilt_and_goes_on(town: Town) -> None:
    """A10."""
    await town.open_hubs(2)
    async with traffic(town, f"{SEED}-empty") as meanwhile:
        await meanwhile.goes_on(60)
        await town.redis.kill()
        await town.redis.empty()
        await town.redis.start()
        await heals(town)
        await meanwhile.goes_on(60)
        # Whoever was told 202 and is named as lost sends again; here all do.
        await meanwhile.ends()
        await meanwhile.judge.settle()
        await meanwhile.judge.resend_what_only_redis_had()


async def test_a_copy_that_takes_the_place_of_a_killed_redis_lacks_nothing_in_the_end(
    town: Town, replica: OwnRedis
) -> None:
    """C1: copied as Redis does, after the answer; what the copy lacks the ledger has."""
    port = free_port()
    await town.redis.kill()
    await town.redis.start(port=port)
    await town.open_hub()
    await replica.start("--replicaof", f"127.0.0.1 {port}")
    async with traffic(town, f"{SEED}-copy") as meanwhile:
        await meanwhile.goes_on(60)
        # The copy hears nothing of the last of it.
        with replica.paused():
            await meanwhile.goes_on(20)
            await town.redis.kill()
        async with replica.client() as copy:
            await copy.execute_command("REPLICAOF", "NO", "ONE")
        replica.take_over(town.redis)
        await heals(town)
        await meanwhile.goes_on(40)
        await meanwhile.ends()
        await meanwhile.judge.settle()
        await meanwhile.judge.resend_what_only_redis_had()


async def test_a_redis_that_lost_what_was_answered_takes_nothing_until_it_is_good_again(town: Town) -> None:
    """The first half of A10: nobody is told of stock that is not so."""
    hub = await town.open_hub()
    judge = Judge(town)
    before = town.fact("till", "receipt", "before", location="LON-KNB", time=TIME, lines=[LINE])
    await town.send(before, hub)
    await town.redis.kill()
    await town.redis.empty()
    await town.redis.start()

    after = town.fact("till", "sale", "after", location="LON-KNB", pool="store", time=TIME, lines=[LINE])
    answer = await town.send(after, hub)

    assert answer is None or answer.status == 503 or await epoch(town) > 1
    if await epoch(town) > 1:
        verdict = await judge.judge()
        assert verdict.is_clean, verdict


TIME = "2026-11-22T10:00:00Z"
LINE = {"sku": "SOLD-0", "quantity": 1}
