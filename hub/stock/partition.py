"""What Redis says of the partition, whether it is open or not."""

from typing import Any
from uuid import UUID

from redis.asyncio import Redis

from hub.domain.standing import Meta
from hub.faults import ServerRefused
from hub.stock import keys
from hub.stock.reading import reading


async def read_meta(client: Redis) -> Meta:
    """What `meta` says now.

    Raises:
        ServerRefused: it cannot be read.
        Unavailable: Redis did not answer.
    """
    with reading():
        told: Any = await client.hmget(keys.META, ["hub", "epoch", "next", "halted", "run"])
    hub, epoch, following, halted, run = told
    if hub is None or epoch is None:
        return Meta()
    try:
        return Meta(UUID(hub.decode()), int(epoch), int(following or 0), halted, (run or b"").decode(errors="replace"))
    except ValueError as error:
        raise ServerRefused(f"Redis's key {keys.META} is not the hub's") from error
