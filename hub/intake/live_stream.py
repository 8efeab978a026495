"""`/v1/live/sse`: what the live socket says, as Server-Sent Events; for whom a WebSocket does not reach."""

from collections.abc import AsyncIterator

import msgspec
from aiohttp import web

from hub.intake.exchange import Stopped, caller
from hub.intake.parts import Parts
from hub.intake.questions import malformed, no_pool, question_in, required, sku_in
from hub.intake.readers import HEADERS, Reader
from protocol.frames import Subscribe
from protocol.limits import SKUS_PER_GET_MAX
from protocol.questions import StreamQuery

# The answer repeats the number of the request; over a stream there is but one.
_REF = 0

_decode = msgspec.json.Decoder(StreamQuery)


async def get_live_stream(request: web.Request) -> web.StreamResponse:
    """`GET /v1/live/sse?pool=&sku=&sku=`, for an `EventSource`."""
    skus = request.query.getall("sku", [])
    if not 1 <= len(skus) <= SKUS_PER_GET_MAX:
        raise malformed(f"Name 1 to {SKUS_PER_GET_MAX} SKUs with `sku`; send more with POST.")
    wish = Subscribe(ref=_REF, pool=required(request, "pool"), skus=tuple(map(sku_in, skus)))
    return await _stream(request, wish)


async def post_live_stream(request: web.Request) -> web.StreamResponse:
    """`POST /v1/live/sse {"pool", "skus", "known"?}`, for `fetch`."""
    return await _stream(request, await _wish(request))


async def _wish(request: web.Request) -> Subscribe:
    parts: Parts = request.app[Parts.KEY]
    query = await question_in(request, parts, _decode)
    return Subscribe(ref=_REF, pool=query.pool, skus=query.skus, known=query.known)


async def _stream(request: web.Request, wish: Subscribe) -> web.StreamResponse:
    parts: Parts = request.app[Parts.KEY]
    claims, pool = caller(request, parts.access), wish.pool or ""
    following = parts.live.follow(claims, wish)
    # A wish for 10,000 SKUs takes most of a megabyte, and the stream may be long.
    del wish
    async with following as events:
        if events is None:
            raise Stopped(no_pool(pool))
        response = web.StreamResponse(headers=HEADERS)
        reader = Reader(request, response)
        try:
            await response.prepare(request)
            await parts.streams.readers.serve(reader, _write(reader, events))
        except ConnectionError:
            # The reader went away, which is how a stream usually ends; one that was waited for is a plain one.
            pass
        return response


async def _write(reader: Reader, events: AsyncIterator[bytes]) -> None:
    """Write each event as fast as the reader takes them."""
    async for event in events:
        await reader.write(event)
        # The first may have megabytes, and the next may be long in coming.
        del event
