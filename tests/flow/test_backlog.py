"""The ledger is away for long: sales go on, then nothing is taken before Redis is full, and all of it is caught up."""

from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import asyncpg
from redis.asyncio import Redis

from hub.stock import keys
from tests.databases import closed_database
from tests.intake.door import Door, line, open_door, settings_in
from tests.verify.conftest import Verify, verify  # noqa: F401

Until = Callable[[Callable[[], Awaitable[bool]]], Awaitable[None]]

CAP = 3 * 1024 * 1024
PER_REQUEST = 250
# So that few events fill it.
NOTES = {"note": "a" * 100, "more": "b" * 100}
CAPPED = f"[limits]\nledger_wait_ms = 20\njournal_bytes_max = {CAP}\n"


async def fill(door: Door, sent: list[dict[str, Any]]) -> Counter[str]:
    """Sell until nothing more is taken; answers how each event was answered, and keeps those that were taken."""
    told = Counter[str]()
    for _ in range(100):
        events = [
            door.sale(line("BAG-NOIR", 1), meta={"note": "a" * 100, "more": "b" * 100}) for _ in range(PER_REQUEST)
        ]
        reply = await door.send(events)
        if reply.status == 503:
            assert "journal is full" in reply.json()["detail"]
            assert int(reply.headers["Retry-After"]) >= 1
            return told
        told.update(item["status"] for item in reply.json())
        sent += events
    raise AssertionError(f"it is never full: {told}")


async def rows(dsn: str) -> tuple[list[int], Counter[str]]:
    connection = await asyncpg.connect(dsn)
    try:
        found = await connection.fetch("SELECT seq, kind, id FROM hub.event ORDER BY epoch, seq")
    finally:
        await connection.close()
    return [row["seq"] for row in found], Counter(row["id"] for row in found if row["kind"] == "fact")


async def test_an_outage_of_the_ledger_fills_the_journal_to_its_limit_and_all_is_caught_up(
    redis_url: str,
    postgres_dsn: str,
    redis_client: Redis,
    tmp_path: Path,
    until: Until,
    verify: Verify,  # noqa: F811
) -> None:
    settings = settings_in(tmp_path, redis_url=redis_url, dsn=postgres_dsn, extra=CAPPED)
    async with open_door(settings) as door:
        assert (await door.send(door.receipt(line("BAG-NOIR", 100_000)))).status in (200, 202)
        sent: list[dict[str, Any]] = []
        async with closed_database(postgres_dsn):
            told = await fill(door, sent)
            assert set(told) == {"accepted"}
            assert CAP <= (await redis_client.memory_usage(keys.JOURNAL) or 0) < 2 * CAP
            ready = await door.get("/readyz")
            assert (ready.status, "journal is full" in ready.json()["detail"]) == (503, True)
            # Who only asks is answered.
            assert (await door.get("/v1/availability", pool="online", sku="BAG-NOIR")).status == 200
            length = await redis_client.xlen(keys.JOURNAL)
            assert (await door.send(door.sale(line("BAG-NOIR", 1)))).status == 503
            assert await redis_client.xlen(keys.JOURNAL) == length

        async def is_ready() -> bool:
            return (await door.get("/readyz")).status == 200

        await until(is_ready)
        again = await door.send(sent[:PER_REQUEST])
        assert {item["status"] for item in again.json()} == {"duplicate"}
        last = await door.send(door.sale(line("BAG-NOIR", 1)))
        assert last.status in (200, 202)

        async def has_all() -> bool:
            return (await rows(postgres_dsn))[0][-1] + 1 == int(await redis_client.hget(keys.META, "next") or 0)  # type: ignore[misc]

        await until(has_all)
        numbers, ids = await rows(postgres_dsn)
        assert numbers == list(range(len(numbers)))
        assert all(count == 1 for count in ids.values())
        assert {event["id"] for event in sent} <= set(ids)
        [position] = await door.positions(sku="BAG-NOIR")
        assert position["on_hand"] == 100_000 - len(sent) - 1
    report = await verify()
    assert (report.findings, report.unchecked) == ([], [])
