"""A partition that is open for one small house."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from redis.asyncio import Redis

from tests.stock.opened import OpenStores, opened
from tests.stock.partition import Partition, house_of

PATIENCE_SECONDS = 60


@pytest.fixture
async def partition(redis_client: Redis) -> Partition:
    made = Partition(redis_client, house_of())
    await made.open()
    return made


@pytest.fixture
def until() -> Callable[[Callable[[], Awaitable[bool]]], Awaitable[None]]:
    """Wait until a claim holds about something that tells nobody."""

    async def wait(claim: Callable[[], Awaitable[bool]]) -> None:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not await claim():  # noqa: ASYNC110
                await asyncio.sleep(0.005)

    return wait


@pytest.fixture
async def hub(redis_url: str, postgres_dsn: str) -> AsyncIterator[OpenStores]:
    """Both stores, opened for one small house, with the batcher and the ledger's writer at work."""
    async with opened(redis_url, postgres_dsn) as stores:
        yield stores
