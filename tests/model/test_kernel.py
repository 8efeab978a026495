"""The kernel on a real Redis does what the reference model says, whatever happens in whatever house."""

from hypothesis import HealthCheck, given, settings
from redis.asyncio import Redis

from hub.domain.catalogue import HouseSettings
from tests.model.happenings import happenings
from tests.model.holdings import awaited, stocked
from tests.model.renewals import renewals
from tests.model.telling import tell
from tests.model.travels import travels
from tests.model.worlds import Step, stories

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
