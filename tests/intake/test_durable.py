"""Whoever reserves is told where the ledger does not have it yet."""

from pathlib import Path
from typing import Any

from hub.embedded.servers import EmbeddedServers
from tests.databases import closed_database
from tests.intake.door import Door, line, open_door, settings_in
from tests.intake.reserving import basket, stocked


async def test_what_only_redis_has_is_granted_and_told_as_such_until_the_ledger_has_it(
    door: Door, database: str, servers: EmbeddedServers, tmp_path: Path
) -> None:
    sku = await stocked(door, "DURABLE", LON_KNB=5)
    patient = basket(door, "anna")
    body = {"id": "durable-1", "pool": "online", "lines": [line(sku, 2)]}
    stores: dict[str, Any] = {"redis_url": servers.redis_url, "dsn": database}
    settings = settings_in(tmp_path, **stores, extra="[limits]\nledger_wait_ms = 1\n")
    async with open_door(settings) as hasty, closed_database(database):
        anna = basket(hasty, "anna")
        granted = await anna.again(body)
        assert (granted.status, granted.json()["durable"]) == (201, False)
        assert (await anna.again(body)).json()["durable"] is False
        assert (await anna.changed("confirm", "durable-1"))["durable"] is False
        # It says how the reservation is, and nothing was asked for.
        assert "durable" not in (await anna.get("durable-1")).json()

    assert "durable" not in (await patient.again(body)).json()
    assert "durable" not in await patient.changed("release", "durable-1")
