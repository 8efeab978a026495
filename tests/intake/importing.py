"""What a back office does with imports: send a file, and wait until it is booked."""

from collections.abc import Iterable
from typing import Any

from redis.asyncio import Redis

from hub.stock import keys
from tests.conftest import until_holds
from tests.intake.door import Door, Reply

CSV = "text/csv"
JSONL = "application/x-ndjson"


def csv_of(rows: Iterable[tuple[str, str, int]]) -> bytes:
    return ("sku,location,quantity\n" + "".join(f"{sku},{place},{units}\n" for sku, place, units in rows)).encode()


async def send(
    door: Door, body: bytes, *, content: str = CSV, token: str | None = None, headers: Any = None, **params: Any
) -> Reply:
    return await door.post(
        "/v1/imports", body, token=token or door.till, headers={"Content-Type": content, **(headers or {})}, **params
    )


async def status(door: Door, id: str, token: str | None = None) -> dict[str, Any]:
    reply = await door.get(f"/v1/imports/{id}", token=token or door.till)
    assert reply.status == 200, reply.body
    told: dict[str, Any] = reply.json()
    return told


async def ended(door: Door, id: str) -> dict[str, Any]:
    """What is said of an import once it has ended."""
    told: dict[str, Any] = {}

    async def has_ended() -> bool:
        told.update(await status(door, id))
        return bool(told["state"] != "running")

    await until_holds(has_ended)
    return told


async def done(door: Door, body: bytes, **more: Any) -> dict[str, Any]:
    """Send an import and wait until all of it is booked."""
    reply = await send(door, body, **more)
    assert reply.status == 202, reply.body
    told = await ended(door, reply.json()["id"])
    assert told["state"] == "done", told
    return told


async def journal_length(store: Redis) -> int:
    """The number of the next entry: how much was ever written."""
    return int(await store.hget(keys.META, "next") or 0)


async def on_hand(door: Door, sku: str) -> dict[str, int]:
    return {found["location"]: found["on_hand"] for found in await door.positions(sku=sku)}
