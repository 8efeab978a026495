"""`/openapi.json` and `/asyncapi.json`: what describes the doors, for anyone."""

import asyncio

import msgspec
from aiohttp import web

from hub.intake.exchange import public_response
from protocol.specs.documents import document


async def get_openapi(request: web.Request) -> web.Response:
    """What describes the HTTP door."""
    return await _described(request, "openapi")


async def get_asyncapi(request: web.Request) -> web.Response:
    """What describes the live door."""
    return await _described(request, "asyncapi")


async def _described(request: web.Request, name: str) -> web.Response:
    # Made in a thread: the first time takes too long for those who wait for an answer meanwhile.
    body = await asyncio.to_thread(document, name)
    return public_response(request, msgspec.Raw(body), body)
