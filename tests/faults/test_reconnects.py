"""Never behind, never back: everyone comes back at once, Redis is made anew under open sockets, hubs feed in turn."""

import asyncio
from signal import SIGKILL

from hub.crashpoints import Plan, Step
from tests.faults.clients import SOLD
from tests.faults.crowd import crowd, fresh
from tests.faults.forked import forked
from tests.faults.patience import until_so
from tests.faults.test_healing import epoch, heals
from tests.faults.town import Town
from tests.faults.traffic import traffic

SEED = 23
SOCKETS, STREAMS = 200, 50
# Few, for each frame is looked at as often as there are clients.
SKUS = SOLD[:2]


async def test_everyone_who_comes_back_at_once_ends_on_what_is_so(town: Town) -> None:
    """The door is killed under 250 clients while it sells; each of them says what it knows to the next one."""
    hub = await town.open_hub()
    async with crowd(town, SEED, SOCKETS, STREAMS, SKUS) as clients:
        async with traffic(town, f"{SEED}-crowd", clients=1, watchers=1) as meanwhile:
            await until_so(lambda: all(client.view.keys() >= set(SKUS) for client in clients), 60)
            await meanwhile.goes_on(10)
            hub.signal(SIGKILL)
            await meanwhile.goes_on(10, 60)
        read = await fresh(town, SKUS)
        await until_so(lambda: not any(client.behind(read) for client in clients), 60)
        assert [wrong for client in clients for wrong in client.wrong] == []
        assert min(client.connections for client in clients) >= 2


async def test_a_redis_that_is_made_anew_under_open_sockets_leaves_nobody_behind(town: Town) -> None:
    """Once by hand while all is well, and once because it is empty; two hubs, of which one hears later."""
    late = tuple(Step("watchers told", "delay", passing, 0.3) for passing in range(5, 60, 5))
    await asyncio.gather(town.open_hub(), town.open_hub(Plan("", late)))
    async with traffic(town, f"{SEED}-anew", clients=2, watchers=4, drops=0.1) as meanwhile:
        await meanwhile.goes_on(30)
        command = ("rebuild", "--whole", "--config", str(town.folder / "hub.toml"))
        rebuild = await forked(command, town.environment)
        output, _ = await rebuild.communicate()
        assert rebuild.returncode == 0, output
        assert await epoch(town) == 2
        await meanwhile.goes_on(30)
        async with town.redis.client() as redis:
            await redis.flushall()
        await heals(town)
        await meanwhile.goes_on(30)
        await meanwhile.ends()
        await meanwhile.judge.settle()
        await meanwhile.judge.resend_what_only_redis_had()
