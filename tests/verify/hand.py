"""Somebody's hand in the stores of a stopped hub, and what it takes to undo what the hand did."""

from typing import Any

import asyncpg
import msgspec
from redis.asyncio import Redis

from hub.domain.pools import View
from hub.domain.position import Fence, Position
from hub.stock import keys

EPOCH = 1
TABLES = ("hub_state", "event", "movement", "poison", "shown")

decode_position = msgspec.msgpack.Decoder(Position).decode
decode_view = msgspec.msgpack.Decoder(View).decode
encode = msgspec.msgpack.Encoder().encode


class Hand:
    """Changes single values in Redis and rows in the ledger."""

    def __init__(self, redis: Redis, rows: asyncpg.Connection) -> None:
        self.redis = redis
        self.rows = rows
        self._dumps: dict[bytes, bytes | None] = {}

    async def save(self) -> None:
        self._dumps = {key: await self.redis.dump(key) for key in await self.redis.keys("*")}
        for table in TABLES:
            await self.rows.execute(f"CREATE TABLE saved_{table} AS TABLE hub.{table}")

    async def restore(self) -> None:
        await self.redis.flushall()
        for key, dump in self._dumps.items():
            await self.redis.restore(key, 0, dump or b"")
        for table in TABLES:
            await self.rows.execute(f"TRUNCATE hub.{table}; INSERT INTO hub.{table} TABLE saved_{table}")

    async def position(self, sku: str, location: str, **changes: Any) -> None:
        """Change parts of a position, or make one."""
        field = keys.POSITION_FIELD + location.encode()
        packed: Any = await self.redis.hget(keys.sku(sku), field)  # type: ignore[arg-type]
        old = decode_position(packed) if packed else Position()
        await self.raw(sku, field, encode(msgspec.structs.replace(old, **changes)))

    async def fence(self, sku: str, location: str, **changes: Any) -> None:
        """Change parts of the position's first fence."""
        packed: Any = await self.redis.hget(keys.sku(sku), "l:" + location)
        first, *others = decode_position(packed).fences
        changed: Fence = msgspec.structs.replace(first, **changes)
        await self.position(sku, location, fences=(changed, *others))

    async def view(self, sku: str, pool: str, **changes: Any) -> None:
        """Change parts of a view, or make one."""
        field = keys.VIEW_FIELD + pool.encode()
        packed: Any = await self.redis.hget(keys.sku(sku), field)  # type: ignore[arg-type]
        old = decode_view(packed) if packed else View()
        await self.raw(sku, field, encode(msgspec.structs.replace(old, **changes)))

    async def cursor_back(self, number: int) -> None:
        """Put the ledger's cursor where it was once, which the schema refuses everybody who does not ask for more."""
        async with self.rows.transaction():
            await self.rows.execute("SET LOCAL session_replication_role = replica")
            await self.rows.execute("UPDATE hub.hub_state SET cursor_seq = $1", number)

    async def raw(self, sku: str, field: bytes, value: bytes | str) -> None:
        await self.redis.hset(keys.sku(sku), field, value)  # type: ignore[arg-type]

    async def move(self, sku: str, location: str, from_bucket: str, to_bucket: str, quantity: int) -> None:
        """Write one more movement of the first entry into the ledger."""
        await self.rows.execute(
            """INSERT INTO hub.movement SELECT partition, epoch, seq, 99, $1, $2, $3, $4, $5,
                   source, id, type, NULL, time, booked_at FROM hub.event WHERE seq = 1""",
            *(sku, location, from_bucket, to_bucket, quantity),
        )
