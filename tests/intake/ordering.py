"""What a web shop tells of its orders at the door."""

from itertools import count
from typing import Any

from tests.intake.door import Door, Reply

_numbers = count(1)


class Order:
    """One order and who tells of it, under a new id."""

    def __init__(self, door: Door, token: str | None = None) -> None:
        self.door = door
        self.token = token or door.till
        self.id = f"o-{next(_numbers)}"

    async def try_to_tell(self, type: str, *lines: dict[str, Any], **fields: Any) -> Reply:
        event = self.door.event(type, **{"location": ..., "order": self.id, **fields})
        event["lines"] = list(lines)
        if not lines:
            del event["lines"]
        return await self.door.send(event, token=self.token)

    async def tell(self, type: str, *lines: dict[str, Any], **fields: Any) -> dict[str, Any]:
        """A fact that was booked."""
        reply = await self.try_to_tell(type, *lines, **fields)
        assert reply.status == 200, reply.body
        told: dict[str, Any] = reply.json()
        return told

    async def place(self, *lines: dict[str, Any], **fields: Any) -> dict[str, Any]:
        return await self.tell("order.placed", *lines, **{"pool": "online", **fields})

    async def get(self, **more: Any) -> Reply:
        return await self.door.get(f"/v1/orders/{self.id}", **{"token": self.token, **more})

    async def state(self) -> dict[str, Any]:
        """The order as it is told now."""
        reply = await self.get()
        assert reply.status == 200, reply.body
        told: dict[str, Any] = reply.json()
        return told


def told_line(sku: str, ordered: int, **counts: Any) -> dict[str, Any]:
    """A line of an order as it is told; `at` are the units kept at each location: `at={"LON-KNB": 2}`."""
    at = counts.pop("at", {})
    allocations = [{"location": location, "quantity": quantity} for location, quantity in at.items()]
    return {"sku": sku, "ordered": ordered, "cancelled": 0, "fulfilled": 0, "allocations": allocations} | {
        "shortfall": 0,
        **counts,
    }


async def shelf(door: Door, sku: str) -> dict[str, tuple[int, int]]:
    """Units on hand less what is owed, and units reserved, by location."""
    return {
        each["location"]: (each["on_hand"] - each["deficit"], each["reserved"])
        for each in await door.positions(sku=sku)
    }


def alerts(told: dict[str, Any]) -> list[tuple[str, str, int]]:
    return [(alert["type"], alert.get("location", ""), alert["quantity"]) for alert in told.get("alerts", ())]
