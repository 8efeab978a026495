"""What the journal's tests share: entries written to the stream as the kernel writes them."""

from collections.abc import Awaitable, Callable

import pytest
from redis.asyncio import Redis

from hub.domain.entry import FIELD, FORMAT, Entry, encode_entry

KEY = "hub:{0}:journal"

Append = Callable[..., Awaitable[None]]


@pytest.fixture
def key() -> str:
    return KEY


@pytest.fixture
def append(redis_client: Redis) -> Append:
    """Write the entries of an epoch from one number up to, not including, another."""

    async def write(epoch: int, first: int, end: int) -> None:
        async with redis_client.pipeline(transaction=False) as pipeline:
            for number in range(first, end):
                entry = Entry(FORMAT, "refresh", "", "", f"e-{number}", "", 0, number, 1, "")
                pipeline.xadd(KEY, {FIELD: encode_entry(entry)}, id=f"{epoch}-{number}")
            await pipeline.execute()

    return write
