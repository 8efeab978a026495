"""The jobs of who has the duty run in one process, begin anew where it goes, and a defect in one is not hidden."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

import pytest
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as NotConnected

from hub.duty import Duty
from hub.stock import keys
from hub.stock.lease import Lease
from hub.tasks import end

Until = Callable[[Callable[[], Awaitable[bool]]], Awaitable[None]]


class Job:
    """Runs until it is told to end; how often it began, and whether it runs."""

    def __init__(self) -> None:
        self.begun = 0
        self.runs = False

    async def run(self) -> None:
        self.begun, self.runs = self.begun + 1, True
        try:
            await asyncio.Event().wait()
        finally:
            self.runs = False


class Worker:
    """One process's duty, in this process."""

    def __init__(self, lease: Lease | None, *, is_alone: bool = False) -> None:
        self.held, self.otherwise, self.last = Job(), Job(), Job()
        self.duty = Duty(
            lease,
            held={"held": self.held.run, "last": self.last.run},
            otherwise={"otherwise": self.otherwise.run},
            is_alone=lambda: is_alone,
        )
        self.task = asyncio.create_task(self.duty.run())

    async def has_it(self) -> bool:
        return self.held.runs

    async def has_it_not(self) -> bool:
        return self.otherwise.runs


async def test_what_one_does_for_all_goes_on_elsewhere_when_it_is_given_back(redis_client: Redis, until: Until) -> None:
    first = Worker(Lease(redis_client))
    await until(first.has_it)
    second = Worker(Lease(redis_client))
    await until(second.has_it_not)
    assert not second.held.runs
    assert not first.otherwise.runs

    await end([first.task])
    await until(second.has_it)

    assert not second.otherwise.runs
    assert not first.held.runs
    await end([second.task])
    assert not second.held.runs


async def test_who_lost_it_ends_its_jobs_and_begins_them_anew_when_it_has_it_again(
    redis_client: Redis, until: Until
) -> None:
    worker, taken = Worker(Lease(redis_client)), list[int]()
    worker.duty.on_taken.append(lambda: taken.append(1))
    await until(worker.has_it)

    await redis_client.set(keys.DUTY, "another")
    await until(worker.has_it_not)
    assert not worker.held.runs
    await redis_client.delete(keys.DUTY)
    await until(worker.has_it)

    assert (worker.held.begun, worker.otherwise.begun, len(taken)) == (2, 1, 2)
    await end([worker.task])


async def test_who_is_alone_takes_it_from_one_that_was_killed_a_moment_ago(redis_client: Redis, until: Until) -> None:
    await redis_client.set(keys.DUTY, "killed", px=600_000)

    worker = Worker(Lease(redis_client), is_alone=True)
    await until(worker.has_it)

    # Only at its start: later it may only seem to be alone.
    await redis_client.set(keys.DUTY, "another", px=600_000)
    await until(worker.has_it_not)
    assert await redis_client.get(keys.DUTY) == b"another"
    await end([worker.task])


async def test_while_redis_is_away_who_has_it_goes_on(redis_client: Redis, until: Until) -> None:
    lease = Lease(redis_client)
    worker = Worker(lease)
    await until(worker.has_it)
    asked = 0

    class Away(Redis):
        async def set(self, *arguments: object, **more: object) -> None:  # type: ignore[override]
            nonlocal asked
            asked += 1
            raise NotConnected

    lease._client = Away()

    async def was_asked_again() -> bool:
        return asked > 1

    await until(was_asked_again)
    assert worker.held.runs
    assert worker.held.begun == 1
    await end([worker.task])


async def test_a_process_without_that_role_never_has_it(redis_client: Redis, until: Until) -> None:
    worker = Worker(None)
    await until(worker.has_it_not)

    assert await redis_client.get(keys.DUTY) is None
    await end([worker.task])


async def test_at_the_end_only_what_is_named_goes_on(redis_client: Redis, until: Until) -> None:
    worker = Worker(Lease(redis_client))
    await until(worker.has_it)

    await worker.duty.keep_only({"last"})
    worker.duty.add("more", Job().run)

    assert not worker.held.runs
    assert worker.last.runs
    await redis_client.set(keys.DUTY, "another")

    async def has_ended() -> bool:
        return not worker.last.runs

    await until(has_ended)
    assert not worker.otherwise.begun
    await end([worker.task])


async def test_a_defect_in_a_job_ends_the_process(redis_client: Redis) -> None:
    async def broken() -> None:
        raise ZeroDivisionError

    duty = Duty(Lease(redis_client), held={"broken": broken}, otherwise={})

    with pytest.raises(ZeroDivisionError):
        await duty.run()
    with suppress(asyncio.CancelledError):
        assert await redis_client.get(keys.DUTY) is None
