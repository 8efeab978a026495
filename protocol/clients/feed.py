"""The feed as a program takes it: pages from a cursor on, then the stream, without a gap and without a double.

A cursor says exactly where the hub goes on, so nothing has to be compared: whatever breaks, the next connection asks
for what follows the item that was taken last. After each break pages come first, so that a hub that has no room for
another stream is asked now and then instead.
"""

import asyncio
import random
from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from typing import Any, Final, Self

import msgspec
from msgspec import Raw, Struct

from protocol import feed
from protocol.clients.exchange import Exchange, Reply
from protocol.clients.faults import CursorRefused, NotAHub, Unanswered
from protocol.clients.patience import Patience
from protocol.clients.server_sent import ServerSentEvents, TooLong
from protocol.feed import FeedAnswer, FeedData, FeedItem
from protocol.limits import PAGE_ITEMS_MAX

PATH: Final = "/v1/feed"
STREAM_PATH: Final = "/v1/feed/stream"
# One item with what stands around it: an event and all that is told of it may have as much.
ITEM_BYTES_MAX: Final = 8 * 1024 * 1024
CURSOR_CHARS_MAX: Final = 256

_PAGE: Final = msgspec.json.Decoder(FeedAnswer)
_decode_item: Final = msgspec.json.Decoder(FeedItem).decode
_DATA: Final[dict[str, msgspec.json.Decoder[Any]]] = {
    feed.MOVEMENT: msgspec.json.Decoder(feed.FeedMovement),
    feed.RESERVATION: msgspec.json.Decoder(feed.FeedReservation),
    feed.ORDER: msgspec.json.Decoder(feed.FeedOrder),
    feed.ALERT: msgspec.json.Decoder(feed.FeedAlert),
    feed.AVAILABILITY_CHANGED: msgspec.json.Decoder(feed.FeedAvailability),
    feed.RULE_CHANGED: msgspec.json.Decoder(feed.FeedRules),
}


class Happening(Struct, frozen=True):
    """One thing that happened."""

    # For ever the same, and unique with `source`, which is the hub.
    id: str
    source: str
    type: str
    # When it happened, RFC 3339.
    time: str
    # As JSON where its type came after this client.
    data: FeedData | Raw
    # What follows it is asked for by it.
    cursor: str


class Feed:
    """What happens, for ever, as `async for`; one loop at a time. `aclose` ends it, as does `contextlib.aclosing`.

    Raises:
        ValueError: too many types, or no cursor that any hub makes.
    """

    def __init__(self, exchange: Exchange, patience: Patience, types: Iterable[str], after: str | None) -> None:
        names = tuple(dict.fromkeys(types))
        if len(names) > feed.TYPES_ASKED_MAX:
            raise ValueError(f"At most {feed.TYPES_ASKED_MAX} types are named, not {len(names)}.")
        if after is not None and not _may_be_cursor(after):
            raise ValueError("A cursor is a text that a hub gave, of letters, digits and signs.")
        # Behind the item taken last, or further, where nothing that was asked for lies between: keep it, and the next
        # process goes on there.
        self.cursor = after
        self._exchange = exchange
        self._patience = patience
        self._types = [("types", ",".join(names))] if names else []
        # Connections in a row that brought nothing.
        self._tries = 0
        self._items = self._run()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Happening:
        return await anext(self._items)

    async def aclose(self) -> None:
        """End it."""
        await self._items.aclose()

    async def _run(self) -> AsyncGenerator[Happening]:
        while True:
            asked_for_seconds = 0.0
            try:
                for source in (self._pages, self._stream):
                    async with aclosing(source()) as items:
                        async for item in items:
                            self.cursor, self._tries = item.cursor, 0
                            yield item
            except Unanswered as fault:
                asked_for_seconds = fault.retry_after_seconds
            # A stream that was ended in order too: all its readers have lost it at once.
            await asyncio.sleep(self._patience.pause(self._tries, random.random(), asked_for_seconds))
            self._tries += 1

    async def _pages(self) -> AsyncGenerator[Happening]:
        """What has happened until now, in pages, up to one that is not full."""
        while True:
            after = [] if self.cursor is None else [("after", self.cursor)]
            params = [*self._types, *after, ("limit", str(PAGE_ITEMS_MAX))]
            page = _taken(await self._exchange.ask("GET", PATH, params=params)).read(_PAGE)
            for raw in page.items:
                yield _happening(raw)
            self._move(page.next)
            if len(page.items) < PAGE_ITEMS_MAX:
                return

    async def _stream(self) -> AsyncGenerator[Happening]:
        """What happens from now on, until the stream ends."""
        parts = ServerSentEvents(ITEM_BYTES_MAX)
        headers = {} if self.cursor is None else {"Last-Event-ID": self.cursor}
        async with aclosing(self._exchange.listen(STREAM_PATH, params=self._types, headers=headers)) as answer:
            async for piece in answer:
                if isinstance(piece, Reply):
                    _taken(piece)
                    continue
                try:
                    for event in parts.events(piece):
                        if event.data is not None:
                            yield _happening(event.data)
                        else:
                            self._move(event.id)
                            self._tries = 0
                except TooLong as error:
                    raise NotAHub(f"An item of over {ITEM_BYTES_MAX:,} bytes came.") from error

    def _move(self, cursor: str) -> None:
        """Everything before this place was taken."""
        if not _may_be_cursor(cursor):
            raise NotAHub(f"{cursor[:CURSOR_CHARS_MAX]!r} is no cursor.")
        self.cursor = cursor


def _may_be_cursor(text: str) -> bool:
    return 0 < len(text) <= CURSOR_CHARS_MAX and text.isascii() and text.isprintable() and " " not in text


def _taken(reply: Reply) -> Reply:
    """The same reply, if the hub took the question."""
    if reply.status == 400 and (problem := reply.problem()).path == "after":
        raise CursorRefused(problem)
    return reply.check(200)


def _happening(raw: bytes | Raw) -> Happening:
    """An item with its data read; the cursor is where the hub said that it is.

    Raises:
        NotAHub: it cannot be read; nothing behind it was taken.
    """
    try:
        item = _decode_item(raw)
        decoder = next((decoder for prefix, decoder in _DATA.items() if item.type.startswith(prefix)), None)
        data: FeedData | Raw = item.data.copy() if decoder is None else decoder.decode(item.data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise NotAHub(f"An item of the feed cannot be read: {error}") from error
    if not _may_be_cursor(item.cursor):
        raise NotAHub(f"An item of the feed has no cursor: {item.id[:CURSOR_CHARS_MAX]!r}")
    return Happening(item.id, item.source, item.type, item.time, data, item.cursor)
