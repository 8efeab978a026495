"""A store is killed or stands still under traffic: nothing is lost, nothing is doubled, and it goes on by itself."""

import os
import signal

from tests.faults.town import REDIS_TIMEOUT_SECONDS, Town
from tests.faults.traffic import traffic

SEED = 11


async def test_a_redis_that_is_killed_again_and_again_loses_nothing(two_hubs: Town) -> None:
    """A1."""
    async with traffic(two_hubs, f"{SEED}-killed") as meanwhile:
        for _ in range(3):
            await meanwhile.goes_on(30)
            await two_hubs.redis.kill()
            await two_hubs.redis.start()
        await meanwhile.goes_on(30)


async def test_a_redis_that_stands_still_for_longer_than_its_callers_wait_sells_nothing_twice(two_hubs: Town) -> None:
    """B6."""
    async with traffic(two_hubs, f"{SEED}-still") as meanwhile:
        await meanwhile.goes_on(40)
        unknown = meanwhile.unknown()
        with two_hubs.redis.paused():
            await meanwhile.until(lambda: meanwhile.unknown() >= unknown + 4)
        async with two_hubs.redis.client() as redis:
            # As if the script itself took so long: it runs to its end, and nobody hears its answer.
            await redis.execute_command("DEBUG", "SLEEP", str(1.5 * REDIS_TIMEOUT_SECONDS))
        await meanwhile.goes_on(40)


async def test_two_writers_of_one_ledger_of_which_one_stands_still_and_goes_on_post_each_entry_once(
    two_hubs: Town,
) -> None:
    """D4; both hubs have a writer always."""
    async with traffic(two_hubs, f"{SEED}-writers") as meanwhile:
        await meanwhile.goes_on(40)
        hub = two_hubs.hubs[0]
        os.kill(hub.process.pid, signal.SIGSTOP)
        try:
            await meanwhile.goes_on(15)
        finally:
            os.kill(hub.process.pid, signal.SIGCONT)
        await meanwhile.goes_on(40)
