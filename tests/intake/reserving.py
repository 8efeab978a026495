"""What somebody with a basket does at the door."""

from collections.abc import Sequence
from itertools import count
from typing import Any

from tests.intake.door import Door, Reply, line

SCOPES = ("reservations:write",)
CLERK_SCOPES = ("reservations:write", "reservations:any")

_numbers = count(1)


class Basket:
    """One caller's reservations; new ids each time."""

    def __init__(self, door: Door, token: str) -> None:
        self.door = door
        self.token = token

    async def reserve(self, *lines: dict[str, Any], **fields: Any) -> Reply:
        body = {"id": f"r-{next(_numbers)}", "pool": "online", "lines": list(lines) or [line()], **fields}
        return await self.again(body)

    async def again(self, body: Any) -> Reply:
        return await self.door.post("/v1/reservations", body, token=self.token)

    async def held(self, *lines: dict[str, Any], **fields: Any) -> dict[str, Any]:
        """A new reservation that was granted."""
        reply = await self.reserve(*lines, **fields)
        assert reply.status == 201, reply.body
        told: dict[str, Any] = reply.json()
        return told

    async def change(self, verb: str, id: str, body: Any = b"") -> Reply:
        return await self.door.post(f"/v1/reservations/{id}/{verb}", body, token=self.token)

    async def changed(self, verb: str, id: str, body: Any = b"") -> dict[str, Any]:
        reply = await self.change(verb, id, body)
        assert reply.status == 200, reply.body
        told: dict[str, Any] = reply.json()
        return told

    async def get(self, id: str) -> Reply:
        return await self.door.get(f"/v1/reservations/{id}", token=self.token)

    async def list(self, **params: Any) -> list[str]:
        """The ids of a whole list, page by page."""
        found: list[str] = []
        cursor: dict[str, str] = {}
        while True:
            reply = await self.door.get("/v1/reservations", token=self.token, **params, **cursor)
            assert reply.status == 200, reply.body
            page = reply.json()
            assert len(page["items"]) <= params.get("limit", 1_000)
            found += [item["id"] for item in page["items"]]
            if page["next"] is None:
                return found
            cursor = {"cursor": page["next"]}


def basket(door: Door, sub: str, scope: Sequence[str] = SCOPES, **claims: Any) -> Basket:
    """Somebody with a token of their own."""
    return Basket(door, door.token(scope, sub=sub, **claims))


async def stocked(door: Door, sku: str, **units: int) -> str:
    """A SKU with units at locations: `LON_KNB=2`."""
    for location, quantity in units.items():
        reply = await door.send(door.receipt(line(sku, quantity), location=location.replace("_", "-")))
        assert reply.status == 200, reply.body
    return sku


async def available(door: Door, sku: str, pool: str = "online") -> int:
    [item] = await door.shown(pool, sku, token=door.till)
    units: int = item["available"]
    return units
