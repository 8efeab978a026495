"""The end of one stream of Server-Sent Events: what was said waits for its reader, values only with the newest.

Whoever writes the events takes them one after the other and waits for the reader, so a slow reader is owed at most
one value per watched SKU, and nobody else notices.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from random import random

from hub.live.fanout import MESSAGE_BYTES_AIM, Change, Counters
from hub.live.framing import ValueKey
from hub.live.session import Close
from protocol.frames import HEARTBEAT, CloseCode, LiveError, encode_frame, update_frame

# How much of its interval a heartbeat may come early.
_EARLIER_MAX = 0.25


class LiveStream:
    """One client's stream, a line without a way back."""

    def __init__(self, counters: Counters, heartbeat_seconds: float) -> None:
        self._counters = counters
        self._heartbeat_seconds = heartbeat_seconds
        # Answers: one when the stream begins, and one for each pool that is taken away.
        self._said: list[bytes] = []
        # The newest value of each SKU that was not sent yet.
        self._owed: dict[ValueKey, bytes] = {}
        self._news = asyncio.Event()
        self._is_held = False
        self.is_open = True
        self.expiry: asyncio.TimerHandle | None = None

    def push(self, key: ValueKey, item: bytes, frame: bytes) -> None:
        """Keep the item until the reader takes it."""
        if key in self._owed:
            self._counters.conflated += 1
        self._owed[key] = item
        self._news.set()

    def push_several(self, owed: Sequence[Change], frame: bytes | None) -> None:
        """Keep the items until the reader takes them."""
        for change in owed:
            self.push(change.key, change.item, b"")

    def say(self, message: bytes) -> None:
        """Say a whole message, before any value that is owed."""
        self._said.append(message)
        self._news.set()

    def hold(self) -> None:
        """Keep values back until `release`."""
        self._is_held = True

    def release(self) -> None:
        """Send what was kept back."""
        self._is_held = False
        self._news.set()

    def disown(self, keys: Iterable[ValueKey]) -> None:
        """Drop what is owed under these keys."""
        for key in keys:
            self._owed.pop(key, None)

    def take_owed(self, location: str) -> dict[str, bytes]:
        """Nothing: a stream watches no location."""
        return {}

    async def taken(self) -> None:
        """Return at once: whoever takes the events waits for the reader."""

    def end(self, close: Close) -> None:
        """Say why, where the client can do something about it, and let the stream end."""
        if close.code == CloseCode.TOKEN_ENDED:
            self.say(encode_frame(LiveError(code="unauthenticated", detail=close.reason)))
        self.is_open = False
        self._owed.clear()
        self._news.set()

    async def events(self) -> AsyncIterator[bytes]:
        """What goes to the client, event by event, until the stream is ended."""
        while self.is_open:
            try:
                async with asyncio.timeout(self.until_heartbeat_seconds()):
                    await self._news.wait()
            except TimeoutError:
                yield _event(HEARTBEAT)
                continue
            self._news.clear()
            for message in self._messages():
                self._counters.frames += 1
                yield _event(message)
                # The first may have megabytes, and the next may be long in coming.
                del message
        for message in self._said:
            yield _event(message)

    def until_heartbeat_seconds(self) -> float:
        """After so long without news: up to a quarter early, so that streams told the same do not beat as one."""
        return self._heartbeat_seconds * (1 - _EARLIER_MAX * random())

    def _messages(self) -> Iterator[bytes]:
        """What waits now, and what comes while the reader takes it."""
        while self._said or (self._owed and not self._is_held):
            yield self._said.pop(0) if self._said else update_frame(self._some())

    def _some(self) -> list[bytes]:
        """Of what is owed, the oldest, as much as one message should hold."""
        items: list[bytes] = []
        size = 0
        for key in list(self._owed):
            items.append(self._owed.pop(key))
            size += len(items[-1]) + 1
            if size >= MESSAGE_BYTES_AIM:
                break
        return items


def _event(message: bytes) -> bytes:
    # The message is JSON in one line, as an event's data has to be.
    return b"data: " + message + b"\n\n"
