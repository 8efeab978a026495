"""One process has the lease at a time, as long as it says so; whoever gives it back has it no more at once."""

from redis.asyncio import Redis

from hub.stock import keys
from hub.stock.lease import LEASE_MS, Lease


async def test_one_has_it_and_the_others_do_not(redis_client: Redis) -> None:
    first, second = Lease(redis_client), Lease(redis_client)

    assert await first.hold()
    assert not await second.hold()
    assert await first.hold()


async def test_it_ends_unless_its_holder_says_so_again(redis_client: Redis) -> None:
    lease = Lease(redis_client)
    await lease.hold()
    assert 0 < await redis_client.pttl(keys.DUTY) <= LEASE_MS

    await redis_client.pexpire(keys.DUTY, 600)
    assert await lease.hold()

    assert await redis_client.pttl(keys.DUTY) > 600


async def test_who_lost_it_neither_lengthens_nor_ends_anothers(redis_client: Redis) -> None:
    first, second = Lease(redis_client), Lease(redis_client)
    await first.hold()
    await redis_client.delete(keys.DUTY)
    assert await second.hold()
    await redis_client.pexpire(keys.DUTY, 1_500)

    assert not await first.hold()
    await first.give_back()

    assert 0 < await redis_client.pttl(keys.DUTY) <= 1_500
    assert await second.hold()


async def test_given_back_or_taken_it_is_anothers_at_once(redis_client: Redis) -> None:
    first, second = Lease(redis_client), Lease(redis_client)
    await first.hold()
    await first.give_back()
    assert await second.hold()

    await first.take()

    assert await first.hold()
    assert not await second.hold()
