"""`GET /v1/feed/stream`: the feed as Server-Sent Events, from any cursor on and then as it happens.

A stream is read from the ledger as its reader takes it: nothing waits for a slow one but what is on its way to it. At
the end it sleeps until the ledger has more; nobody asks Postgres meanwhile.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from time import time

import structlog
from aiohttp import web

from hub.access import Claims, ending_of
from hub.domain.entry import Seq
from hub.domain.feed import Place
from hub.faults import Fault, Unavailable
from hub.intake.exchange import Stopped, caller_with
from hub.intake.feed import SCOPE, Types, place_in, teller, types_in
from hub.intake.feed_pages import Page, page_behind
from hub.intake.parts import Parts
from hub.intake.readers import HEADERS, PIECE_BYTES, Reader
from protocol.limits import HEARTBEAT_SECONDS, STALLED_SECONDS
from protocol.problems import problem

log = structlog.get_logger()

# Items read at once: what waits in memory for a slow reader.
ITEMS_PER_PAGE = 500
# What comes within this goes into one look at the ledger.
TICK_SECONDS = 0.05
# How often a sleeping stream looks whether its token and its reader are still there.
LOOK_SECONDS = 0.5
# After the ledger could not be read.
AWAY_SECONDS = 1.0
# How long a reader waits before it comes back.
_HELLO = b"retry: 2000\n\n"


async def get_feed_stream(request: web.Request) -> web.StreamResponse:
    """Everything behind `Last-Event-ID`, else `after`, until the reader or its token goes; scope feed:read."""
    parts: Parts = request.app[Parts.KEY]
    ends_at = ending_of(caller_with(request, parts.access, SCOPE), time())
    types = types_in(request)
    # A browser that comes back asks for the same address as before, so its newest cursor is in the header.
    place = await place_in(request.headers.get("Last-Event-ID") or request.query.get("after"), parts)
    with parts.streams.opened():
        response = web.StreamResponse(headers=HEADERS)
        reader = Reader(request, response)
        await response.prepare(request)
        stream = _Stream(request, reader, parts, types, place, ends_at)
        try:
            await parts.streams.readers.serve(reader, stream.run())
            if request.transport is not None and request.transport.get_write_buffer_size():
                # The hub stops, or the token ended: who takes nothing would make everybody wait.
                request.transport.abort()
        except (ConnectionError, TimeoutError) as error:
            # The reader went, or takes nothing.
            parts.streams.readers.stalled += isinstance(error, TimeoutError)
            if request.transport is not None:
                request.transport.abort()
        except Exception:
            log.exception("A stream met a defect.", path=request.path)
        return response


class _Stream:
    """One open stream."""

    def __init__(
        self,
        request: web.Request,
        reader: Reader,
        parts: Parts,
        types: Types,
        place: Place,
        ends_at: float | None,
    ) -> None:
        self._request = request
        self._reader = reader
        self._parts = parts
        self._types = types
        self._place = place
        # When the token ends, seconds since 1970; None: it does not.
        self._ends_at = ends_at
        self._clock: Callable[[], float] = asyncio.get_running_loop().time
        self._beat_at = 0.0

    async def run(self) -> None:
        """Tell everything until there is a reason to end.

        Raises:
            TimeoutError: the reader took nothing for too long.
            ConnectionError: it went.
        """
        await self._write(_HELLO)
        while self._goes_on():
            began = self._clock()
            known = self._parts.watermark.at
            try:
                page = await self._page()
            except Stopped:
                return
            except Fault:
                await self._parts.streams.unless_closing(asyncio.sleep(AWAY_SECONDS))
                await self._beat()
                continue
            self._place = page.end
            if page.items:
                await self._write(b"".join(b"id: %b\ndata: %b\n\n" % (id.encode(), body) for id, body in page.items))
            await self._beat()
            if page.is_last:
                await self._news(known)
                await self._parts.streams.unless_closing(asyncio.sleep(began + TICK_SECONDS - self._clock()))

    def _goes_on(self) -> bool:
        transport = self._request.transport
        return not self._parts.streams.is_closing and transport is not None and not transport.is_closing()

    async def _page(self) -> Page:
        """The next items, as the token and the house of now let see them."""
        parts = self._parts
        claims = self._caller()
        return await page_behind(self._place, parts.followed, teller(parts, claims, self._types), ITEMS_PER_PAGE)

    def _caller(self) -> Claims:
        """Who reads, as the keys of now have it. Raises Stopped where the token ended, or may not do so any more."""
        if self._ends_at is not None and self._ends_at <= time():
            raise Stopped(problem("unauthenticated", "The token has ended; get a new one."))
        return caller_with(self._request, self._parts.access, SCOPE)

    async def _news(self, known: Seq | None) -> None:
        """Sleep until the ledger has more than `known`, the token ends, the reader goes, or a beat is due."""
        beyond = Seq(1, 0) if known is None else Seq(known.epoch, known.number + 1)
        parts = self._parts
        while self._goes_on() and parts.watermark.at == known:
            try:
                self._caller()
            except Stopped:
                return
            with suppress(Unavailable):
                await parts.streams.unless_closing(parts.watermark.wait(beyond, LOOK_SECONDS))
            await self._beat()

    async def _beat(self) -> None:
        """Tell that the stream lives, and where it is: a reader that sees little need not begin where it saw something.

        It comes when it is due, whatever happens, and its cursor is another each time.
        """
        if self._clock() >= self._beat_at:
            self._beat_at = self._clock() + HEARTBEAT_SECONDS
            cursor = self._parts.sealing.sealed_anew(self._place)
            await self._write(f": heartbeat\nid: {cursor}\n\n".encode())

    async def _write(self, frames: bytes) -> None:
        await self._parts.streams.unless_closing(self._written(frames))

    async def _written(self, frames: bytes) -> None:
        for begin in range(0, len(frames), PIECE_BYTES):
            async with asyncio.timeout(STALLED_SECONDS):
                await self._reader.write(frames[begin : begin + PIECE_BYTES])
