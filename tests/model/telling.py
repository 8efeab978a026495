"""Tell a whole story to the kernel and to the model."""

from redis.asyncio import Redis

from hub.domain.catalogue import HouseSettings
from tests.model.doubles import double
from tests.model.lapses import let_lapse
from tests.model.pair import Pair
from tests.model.repairs import spoil
from tests.model.worlds import CloseCounts, Describing, Doubling, Lapsing, Reconfigure, Spoiling, Step


async def tell(redis_client: Redis, house: HouseSettings, steps: list[Step]) -> Pair:
    """Both, after the story, alike."""
    await redis_client.flushall()
    pair = Pair(redis_client, house)
    await pair.open()
    for step in steps:
        if isinstance(step, Reconfigure):
            await pair.reconfigure(step.house)
        elif isinstance(step, CloseCounts):
            await pair.close_counts(step)
        elif isinstance(step, Lapsing):
            await let_lapse(pair, step)
        elif isinstance(step, Doubling):
            await double(pair, step)
        elif isinstance(step, Spoiling):
            await spoil(pair, step)
        elif isinstance(step, Describing):
            await pair.describe(step)
        else:
            await pair.tell(step)
    return pair
