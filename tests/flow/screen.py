"""A screen in a browser: a WebSocket client that watches what a pool shows."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
from websockets.asyncio.client import ClientConnection, connect

from tests.specs.schemas import check_heard, check_said

PATIENCE_SECONDS = 10


class Screen:
    """One connection; heartbeats are passed over, everything else is kept."""

    def __init__(self, client: ClientConnection) -> None:
        self._client = client
        self.heard: list[dict[str, Any]] = []

    async def ask(self, **message: Any) -> dict[str, Any]:
        sent = msgspec.json.encode(message)
        check_said(msgspec.json.decode(sent))
        await self._client.send(sent.decode())
        return await self.hear()

    async def hear(self) -> dict[str, Any]:
        while True:
            async with asyncio.timeout(PATIENCE_SECONDS):
                heard: dict[str, Any] = msgspec.json.decode(await self._client.recv())
            check_heard(heard)
            if heard["op"] != "heartbeat":
                self.heard.append(heard)
                return heard

    async def sees(self, sku: str) -> dict[str, Any]:
        """The next update of a SKU."""
        while True:
            heard = await self.hear()
            for item in heard["items"]:
                if item["sku"] == sku:
                    found: dict[str, Any] = item
                    return found

    async def subscribe(self, pool: str, *skus: str, **more: Any) -> list[dict[str, Any]]:
        answer = await self.ask(op="subscribe", ref=1, pool=pool, skus=skus, **more)
        assert answer["op"] == "subscribed", answer
        items: list[dict[str, Any]] = answer["items"]
        return items


@asynccontextmanager
async def screen(address: str, token: str | None = None) -> AsyncIterator[Screen]:
    """Connect to a live door, and say who is there."""
    async with connect(f"{address}/v1/live", subprotocols=["hub.v1.json"]) as client:
        opened = Screen(client)
        if token is not None:
            answer = await opened.ask(op="auth", token=token)
            assert answer["op"] == "authorized", answer
        yield opened
