"""Subscribers that remember what they were told, whichever hub told it, and whether it ever went back."""

import asyncio
from random import Random
from typing import Any

import msgspec
from jsonschema_rs import ValidationError
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidHandshake, WebSocketException

from tests.faults.clients import ASKED, SOLD
from tests.faults.town import Town
from tests.specs.schemas import check_heard, check_said

Item = dict[str, Any]

POOL = "online"
SKUS = (*SOLD, *ASKED)


class Watcher:
    """One screen: it connects again whenever it is cut off, and says then what it knows."""

    def __init__(
        self, town: Town, name: str, seed: object, *, drops: float = 0.0, skus: tuple[str, ...] = SKUS
    ) -> None:
        self._town = town
        self.name = name
        self._skus = skus
        self._random = Random(f"{seed}-{name}")
        # How often, 0 to 1, it drops the connection after a frame.
        self._drops = drops
        # SKU -> the newest item.
        self.view: dict[str, Item] = {}
        # Sentences about what it must never see.
        self.wrong: list[str] = []
        self.connections = 0
        self.frames = 0

    async def watch(self) -> None:
        """Watch until cancelled."""
        while True:
            try:
                await self._watch_once()
            except (WebSocketException, InvalidHandshake, OSError, TimeoutError):
                await asyncio.sleep(0.05)

    async def _watch_once(self) -> None:
        hub = self._town.hub(self._random)
        if not hub.url:
            raise OSError("no hub is up")
        async with connect(f"{hub.live}/v1/live", subprotocols=["hub.v1.json"], open_timeout=2) as client:  # type: ignore[list-item]
            known = {sku: item["rev"] for sku, item in self.view.items()} if self._random.random() < 0.8 else {}
            message = {"op": "subscribe", "ref": 1, "pool": POOL, "skus": self._skus, "known": known}
            sent = msgspec.json.encode(message)
            check_said(msgspec.json.decode(sent))
            await client.send(sent.decode())
            self.connections += 1
            # Each hub tells what it knows; over one connection nothing goes back.
            revs: dict[str, int] = {}
            async for raw in client:
                frame = msgspec.json.decode(raw)
                self._check(frame)
                self.frames += 1
                for item in frame.get("items", ()):
                    self._take(item, revs)
                if self._random.random() < self._drops:
                    return

    def _check(self, frame: Any) -> None:
        try:
            check_heard(frame)
        except ValidationError as error:
            # Not raised here: a watcher that ends would be missed by nobody.
            self.wrong.append(f"{self.name} was told what is not described: {error.message}")

    def _take(self, item: Item, revs: dict[str, int]) -> None:
        sku, rev = item["sku"], item["rev"]
        if rev < revs.get(sku, -1):
            self.wrong.append(f"{self.name} saw {sku} go back from {revs[sku]} to {rev}")
        revs[sku] = rev
        known = self.view.get(sku)
        if known is None or rev > known["rev"]:
            self.view[sku] = item
        elif rev == known["rev"] and _shown(item) != _shown(known):
            self.wrong.append(f"{self.name} saw {sku} at {rev} as {_shown(known)} and as {_shown(item)}")

    def behind(self, fresh: dict[str, Item]) -> list[str]:
        """SKUs of which it was told something else than what is so."""
        return [
            f"{self.name} was told {sku} {_told(self.view.get(sku))}, but it is {_told(item)}"
            for sku, item in fresh.items()
            if _told(self.view.get(sku)) != _told(item)
        ]


def _shown(item: Item) -> tuple[Any, ...]:
    return item.get("available"), item.get("capped", False), item["status"]


def _told(item: Item | None) -> tuple[Any, ...]:
    """What must agree; nothing told is as good as never shown."""
    return (*_shown(item), item["rev"]) if item and item["rev"] else (0, False, "out_of_stock", 0)
