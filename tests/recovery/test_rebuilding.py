"""Redis made anew of the ledger holds what it held, whatever happened; and whatever breaks off, the next one finishes."""

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

from redis.asyncio import Redis

from hub.recovery.rebuilding import Rebuild
from hub.stock import keys
from tests.recovery.contents import contents
from tests.stock.opened import OpenStores

Findings = Callable[[], Awaitable[list[Any]]]


def uuid_of(hub: OpenStores) -> UUID:
    return hub.kernel._hub


async def test_an_empty_redis_is_made_anew(
    redis_client: Redis, postgres_dsn: str, hub: OpenStores, findings: Findings
) -> None:
    before = await contents(redis_client)
    meta: Any = await redis_client.hgetall(keys.META)
    await redis_client.flushall()

    done = await Rebuild(redis_client, postgres_dsn).run(uuid_of(hub))

    assert await contents(redis_client) == before
    assert (done.how, done.old_epoch, done.new_epoch, done.drained, done.unread) == ("rebuilt", 1, 2, 0, 0)
    after: Any = await redis_client.hgetall(keys.META)
    assert (after.pop(b"epoch"), after.pop(b"next")) == (b"2", b"1")
    assert int(after.pop(b"booked_at")) >= int(meta.pop(b"booked_at"))
    assert after == {name: value for name, value in meta.items() if name not in (b"epoch", b"next")}
    assert await findings() == []
