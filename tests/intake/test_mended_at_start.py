"""A hub whose file was mended books at its start what waited for that."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg

from tests.intake.door import HOUSE, line, open_door, settings_in
from tests.intake.test_parked import parked

MENDED = HOUSE.replace(
    '    { id = "DC-LYON"', '    { id = "PAR-NEW", kind = "store", country = "FR" },\n    { id = "DC-LYON"'
)


async def test_a_mended_house_books_at_its_start_what_waited(
    redis_url: str,
    postgres_dsn: str,
    tmp_path: Path,
    until: Callable[[Callable[[], Awaitable[bool]]], Awaitable[None]],
) -> None:
    """With the time it was given when it came, in the order it came, and once."""
    settings = settings_in(tmp_path, redis_url=redis_url, dsn=postgres_dsn)
    stated = datetime.now(UTC) - timedelta(hours=3)
    async with open_door(settings) as door:
        clock = {"Hub-Sent-At": (datetime.now(UTC) - timedelta(hours=1)).isoformat()}
        sale = door.sale(line("BAG-NOIR", 2), location="PAR-NEW", time=stated.isoformat())
        receipt = door.receipt(line("BAG-NOIR", 3), location="PAR-NEW")
        nowhere = door.receipt(location="NYC-NEW")
        for event in (sale, receipt, nowhere):
            assert (await door.send(event, headers=clock)).json()["status"] == "parked"

    async with open_door(settings_in(tmp_path, redis_url=redis_url, dsn=postgres_dsn, house=MENDED)) as door:

        async def has_booked() -> bool:
            return [item["free"] for item in await door.positions(sku="BAG-NOIR")] == [1]

        await until(has_booked)
        again = await door.send(sale)

        assert again.json()["status"] == "duplicate"
        discrepancy = {"type": "discrepancy", "sku": "BAG-NOIR", "location": "PAR-NEW", "quantity": 2}
        assert discrepancy in again.json()["alerts"]
        told = await parked(door, token=door.token(["admin"]))
        assert [item["id"] for item in told["items"]] == [nowhere["id"]]

    connection = await asyncpg.connect(postgres_dsn)
    try:
        rows = await connection.fetch("SELECT kind, time FROM hub.event WHERE id = $1 ORDER BY seq", sale["id"])
    finally:
        await connection.close()
    assert [row["kind"] for row in rows] == ["parked", "fact"]
    assert rows[0]["time"] == rows[1]["time"]
    assert timedelta(minutes=59) < rows[1]["time"] - stated < timedelta(minutes=61)
