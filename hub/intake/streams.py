"""How many streams are open on the HTTP door, and their end when the hub stops."""

import asyncio
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

from hub.faults import Unavailable
from hub.intake.readers import Readers
from hub.tasks import end

# Each reads the ledger over a connection that they share.
STREAMS_MAX = 64
RETRY_SECONDS = 5


class Streams:
    """The open streams of one process, and who reads them."""

    def __init__(self, streams_max: int = STREAMS_MAX) -> None:
        self._streams_max = streams_max
        self._closing = asyncio.Event()
        self.open = 0
        self.readers = Readers()

    @property
    def is_closing(self) -> bool:
        """Whether the hub stops."""
        return self._closing.is_set()

    @contextmanager
    def opened(self) -> Iterator[None]:
        """A stream is open inside the block.

        Raises:
            Unavailable: all that may be open are, or the hub stops.
        """
        if self.open >= self._streams_max or self.is_closing:
            raise Unavailable("No more streams can be opened for now", RETRY_SECONDS)
        self.open += 1
        try:
            yield
        finally:
            self.open -= 1

    async def unless_closing(self, job: Coroutine[Any, Any, Any]) -> None:
        """Do a job, or what can be done of it until the hub stops; what it raises is raised here."""
        doing = asyncio.ensure_future(job)
        closing = asyncio.ensure_future(self._closing.wait())
        try:
            await asyncio.wait((doing, closing), return_when=asyncio.FIRST_COMPLETED)
            if doing.done():
                doing.result()
        finally:
            await end((doing, closing))

    def close(self) -> None:
        """Have every stream end; no other is opened."""
        self._closing.set()
