"""Two hubs in processes of their own over one stock, and what a shop asks of either."""

import os
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from time import time
from typing import Any

import aiohttp

from hub.commands.token import make_token
from hub.settings import load
from tests.flow.process import ForkedHub, HubProcess
from tests.intake.door import ALL_SCOPES, line
from tests.intake.reserving import CLERK_SCOPES

TIME = "2026-11-22T10:00:00Z"
# Requests under way at one hub.
CONNECTIONS = 32

# Status, and the body.
Told = tuple[int, dict[str, Any]]


class Shop:
    """A shop that asks one of the hubs."""

    _ids = count(1)

    def __init__(self, hub: HubProcess, session: aiohttp.ClientSession) -> None:
        self.hub = hub
        self._session = session

    async def post(self, path: str, body: Any) -> Told:
        async with self._session.post(self.hub.url + path, json=body) as response:
            return response.status, await response.json(content_type=None)

    async def get(self, path: str, **params: str) -> Any:
        async with self._session.get(self.hub.url + path, params=params) as response:
            assert response.status == 200, await response.text()
            return await response.json()

    async def reserve(self, id: str, *lines: dict[str, Any], **fields: Any) -> Told:
        return await self.post("/v1/reservations", {"id": id, "pool": "online", "lines": list(lines), **fields})

    async def change(self, verb: str, id: str, **body: Any) -> Told:
        return await self.post(f"/v1/reservations/{id}/{verb}", body)

    async def tell(self, type: str, *lines: dict[str, Any], **fields: Any) -> Told:
        event = {"id": f"{self.hub.folder.name}-{next(self._ids)}", "type": type, "time": TIME, "lines": list(lines)}
        return await self.post("/v1/events", {**event, **fields})

    async def stock(self, sku: str, location: str, quantity: int) -> None:
        status, told = await self.tell("receipt", line(sku, quantity), location=location)
        assert status in (200, 202), told

    async def places(self, sku: str) -> dict[str, tuple[int, int]]:
        """Units free and reserved at each location."""
        items = (await self.get("/v1/positions", sku=sku))["items"]
        return {item["location"]: (item["free"] - item["deficit"], item["reserved"]) for item in items}

    async def reservations(self) -> list[dict[str, Any]]:
        """All that units are kept for."""
        found: list[dict[str, Any]] = []
        cursor: dict[str, str] = {}
        while True:
            page = await self.get("/v1/reservations", **cursor)
            found += page["items"]
            if page["next"] is None:
                return found
            cursor = {"cursor": page["next"]}


@asynccontextmanager
async def two_shops(folder: Path, redis_url: str, dsn: str) -> AsyncIterator[Sequence[Shop]]:
    """A shop at each of two hubs on these servers; those that still run at the end are stopped."""
    stores = {**os.environ, "HUB_REDIS_URL": redis_url, "HUB_LEDGER_DSN": dsn}
    hubs: list[HubProcess] = []
    sessions: list[aiohttp.ClientSession] = []
    try:
        for name in ("one", "two"):
            (folder / name).mkdir()
            hubs.append(ForkedHub(folder / name))
            await hubs[-1].start(env=stores)
            token = make_token(
                load(hubs[-1].config, {}),
                sub="shop",
                source=None,
                scope=(*ALL_SCOPES, *CLERK_SCOPES),
                pool=(),
                location=(),
                ttl="1h",
                now=time(),
            )
            connector = aiohttp.TCPConnector(limit=CONNECTIONS)
            headers = {"Authorization": f"Bearer {token}"}
            sessions.append(aiohttp.ClientSession(headers=headers, connector=connector))
        yield [Shop(hub, session) for hub, session in zip(hubs, sessions, strict=True)]
    finally:
        for session in sessions:
            await session.close()
        for hub in hubs:
            if hub.process.returncode is None:
                hub.signal(signal.SIGTERM)
                assert await hub.ended() == 0
