"""A door that misbehaves on purpose: it stands in for a hub in trouble, or for something that is no hub."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

Behaviour = Callable[[web.Request, list[dict[str, Any]]], Awaitable[web.StreamResponse]]


async def applied(request: web.Request, events: list[dict[str, Any]]) -> web.StreamResponse:
    """Answer as a hub does that books everything."""
    return web.json_response([{"id": event["id"], "status": "applied", "lines": event["lines"]} for event in events])


class Door:
    """Answers each request by the next behaviour in `script`, and by `otherwise` when it is empty."""

    def __init__(self) -> None:
        self.script: list[Behaviour] = []
        self.otherwise: Behaviour = applied
        # The ids of every request, in order of arrival, and its Authorization.
        self.requests: list[list[str]] = []
        self.authorization: list[str | None] = []
        # When each request came, by the loop's clock.
        self.came_at: list[float] = []
        self.in_flight = 0
        self.in_flight_highest = 0
        self.url = ""

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.came_at.append(asyncio.get_running_loop().time())
        self.in_flight += 1
        self.in_flight_highest = max(self.in_flight_highest, self.in_flight)
        try:
            events = json.loads(await request.read())
            self.requests.append([event["id"] for event in events])
            self.authorization.append(request.headers.get("Authorization"))
            behaviour = self.script.pop(0) if self.script else self.otherwise
            return await behaviour(request, events)
        finally:
            self.in_flight -= 1
