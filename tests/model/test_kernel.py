"""The kernel on a real Redis does what the reference model says, whatever happens in whatever house."""

from hypothesis import HealthCheck, given, settings
from redis.asyncio import Redis

from hub.domain.catalogue import HouseSettings
from tests.model.doubles import double
from tests.model.happenings import happenings
from tests.model.holdings import awaited, stocked
from tests.model.lapses import let_lapse
from tests.model.pair import Pair
from tests.model.renewals import renewals
from tests.model.repairs import spoil
from tests.model.travels import travels
from tests.model.worlds import CloseCounts, Describing, Doubling, Lapsing, Reconfigure, Spoiling, Step, stories

at_leisure = settings(
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@at_leisure
@given(story=stories(happenings))
async def test_the_kernel_does_what_the_model_says(
    redis_client: Redis, story: tuple[HouseSettings, list[Step]]
) -> None:
    await tell(redis_client, *story)


@at_leisure
@given(story=stocked())
async def test_the_kernel_keeps_units_for_whom_the_model_says(
    redis_client: Redis, story: tuple[HouseSettings, list[Step]]
) -> None:
    await tell(redis_client, *story)


@at_leisure
@given(story=awaited())
async def test_the_kernel_promises_to_whom_the_model_says(
    redis_client: Redis, story: tuple[HouseSettings, list[Step]]
) -> None:
    await tell(redis_client, *story)


@at_leisure
@given(story=travels())
async def test_the_kernel_lets_units_travel_for_whom_the_model_says(
    redis_client: Redis, story: tuple[HouseSettings, list[Step]]
) -> None:
    await tell(redis_client, *story)


# These stories are twice as long as the others.
@settings(at_leisure, max_examples=at_leisure.max_examples * 3 // 5)
@given(story=renewals())
async def test_the_kernel_lets_an_owner_keep_what_the_model_says(
    redis_client: Redis, story: tuple[HouseSettings, list[Step]]
) -> None:
    await tell(redis_client, *story)


async def tell(redis_client: Redis, house: HouseSettings, steps: list[Step]) -> None:
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
