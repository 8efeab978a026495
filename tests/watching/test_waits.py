"""What waits for a fact that never comes is found by the running hub, forgotten and told."""

from typing import Any

import msgspec
import pytest
from redis.asyncio import Redis

from hub.domain.command import Transfer, Voiding
from hub.domain.entry import FIELD, Entry, decode_entry
from hub.domain.lapsing import LAPSES_AFTER_MS
from hub.embedded.servers import EmbeddedServers
from hub.stock import keys
from tests.stock.opened import OpenStores, opened


async def booked(hub: OpenStores, count: int) -> None:
    """So many receipts without a dispatch, and voids without a sale."""
    for number in range(count):
        early: dict[str, Any] = {"verb": "receive", "type": "transfer.received"}
        early["detail"] = Transfer(f"T{number}", "", 0, early=(("BAG", 2),))
        void: dict[str, Any] = {"verb": "void", "type": "sale.voided", "detail": Voiding(f"sale-{number}", 0)}
        facts = [hub.fact(f"{verb}-{number}", **changes) for verb, changes in (("early", early), ("void", void))]
        await hub.book(*(msgspec.structs.replace(fact, lines=()) for fact in facts))


async def make_old(client: Redis, key: str, but: str) -> None:
    """Say that all but one of what waits was booked 90 days earlier."""
    for field, packed in (await client.hgetall(key)).items():
        if field.decode() != but:
            record = msgspec.msgpack.decode(packed)
            for each in record[4] if key == keys.TRANSFERS else record:
                each[-1] -= LAPSES_AFTER_MS
            await client.hset(key, field, msgspec.msgpack.encode(record))


async def lapsed(client: Redis) -> list[Entry]:
    entries = [decode_entry(fields[FIELD]) for _, fields in await client.xrange(keys.JOURNAL)]
    return [entry for entry in entries if entry.kind == "lapsed"]


async def test_what_waits_for_too_long_is_forgotten_once_and_the_rest_goes_on_waiting(
    redis_client: Redis, postgres_dsn: str, servers: EmbeddedServers
) -> None:
    assert servers.redis_url is not None
    async with opened(servers.redis_url, postgres_dsn) as hub:
        watch = hub.stores.waits
        await booked(hub, 3)
        assert await watch.look() == 0
        await make_old(redis_client, keys.TRANSFERS, but="T1")
        await make_old(redis_client, keys.VOIDS, but="till:sale-1")

        assert await watch.look() == 4
        assert await watch.look() == 0

        assert await redis_client.hkeys(keys.TRANSFERS) == [b"T1"]
        assert await redis_client.hkeys(keys.VOIDS) == [b"till:sale-1"]
        told = {
            entry.about: [(alert.type, alert.quantity) for alert in entry.alerts]
            for entry in await lapsed(redis_client)
        }
        once, two = [("never_explained", 1)], [("never_explained", 2)]
        assert told == {"T0": two, "T2": two, "till:sale-0": once, "till:sale-2": once}
        await hub.ledger_has_all()


async def test_a_long_table_is_gone_through_step_by_step(
    redis_client: Redis, postgres_dsn: str, servers: EmbeddedServers
) -> None:
    assert servers.redis_url is not None
    async with opened(servers.redis_url, postgres_dsn) as hub:
        waits = [[0, [["BAG", 1]], [], 0]]
        packed = msgspec.msgpack.encode(waits)
        await redis_client.hset(keys.VOIDS, mapping={f"till:sale-{number}": packed for number in range(1_000)})

        assert await hub.stores.waits.look() == 1_000

        assert await redis_client.exists(keys.VOIDS) == 0


@pytest.mark.parametrize("stored", [b"", b"\xc1", b"\x01", b"\x91\x01", b"\xa3abc"], ids=repr)
async def test_what_cannot_be_read_stops_nobody(
    redis_client: Redis, postgres_dsn: str, servers: EmbeddedServers, stored: bytes
) -> None:
    assert servers.redis_url is not None
    async with opened(servers.redis_url, postgres_dsn) as hub:
        await booked(hub, 1)
        await make_old(redis_client, keys.VOIDS, but="")
        for key in (keys.TRANSFERS, keys.VOIDS):
            await redis_client.hset(key, "damaged", stored)

        assert await hub.stores.waits.look() == 1
