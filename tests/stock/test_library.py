"""The kernel as a library of functions: loaded by whoever needs it, beside those of others, each call begins anew."""

import asyncio

import pytest
from redis.asyncio import Redis

from hub.faults import Unavailable
from hub.stock.outcome import Applied, Duplicate
from hub.stock.scripts import KERNEL, LIBRARY_PREFIX, Library
from tests.stock.partition import Partition, house_of

ANOTHER = "#!lua name={0}\nredis.register_function('{0}', function() return 7 end)"


async def libraries(client: Redis) -> set[bytes]:
    return {found[1] for found in await client.function_list()}


async def test_many_that_load_it_at_once_all_have_it(redis_client: Redis) -> None:
    await asyncio.gather(*(Library(KERNEL).install(redis_client) for _ in range(10)))

    assert await libraries(redis_client) == {Library(KERNEL).name.encode()}


async def test_what_another_version_left_is_removed_and_what_is_not_ours_stays(redis_client: Redis) -> None:
    for name in (f"{LIBRARY_PREFIX}of_before", "of_somebody_else"):
        await redis_client.function_load(ANOTHER.format(name))

    await Partition(redis_client, house_of()).open()

    assert await libraries(redis_client) == {Library(KERNEL).name.encode(), b"of_somebody_else"}


async def test_a_process_whose_library_another_version_removed_goes_on(partition: Partition) -> None:
    await partition.client.function_delete(Library(KERNEL).name)

    [outcome] = await partition.call(partition.fact("one"))

    assert isinstance(outcome, Applied)


async def test_a_call_begins_anew_also_after_one_that_raised(partition: Partition) -> None:
    [first] = await partition.call(partition.fact("one"))
    with pytest.raises(Unavailable):
        await partition.send_bytes(b"\xc1")

    again, second = await partition.call(partition.fact("one"), partition.fact("two"))

    assert isinstance(first, Applied)
    assert isinstance(again, Duplicate)
    assert isinstance(second, Applied)
    assert second.seq.number == first.seq.number + 1
    assert (await partition.position()).free == 2


async def test_what_a_call_noted_is_not_there_when_redis_was_emptied_between(partition: Partition) -> None:
    await partition.call(partition.fact("one"))
    await partition.client.flushall()
    emptied = Partition(partition.client, partition.house)
    await emptied.open()

    [outcome] = await emptied.call(emptied.fact("one"))

    assert isinstance(outcome, Applied)
    assert (await emptied.position()).free == 1
