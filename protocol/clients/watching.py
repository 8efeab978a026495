"""The socket of a watch: it carries out what a conversation decides.

A task of its own reads the socket, so whoever takes items slowly gets fewer and newer ones, and the hub never waits.
"""

import asyncio
import logging
import random
import ssl
from collections.abc import AsyncGenerator
from typing import Final

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus
from websockets.typing import Subprotocol

from protocol.answers import AvailabilityItem
from protocol.clients.bearer import Bearer
from protocol.clients.conversation import Conversation, Ending
from protocol.clients.faults import NotAHub, TokenRefused, WatchRefused
from protocol.clients.patience import Patience, retry_after
from protocol.frames import SUBPROTOCOL

log = logging.getLogger(__name__)

# The answer to the longest message: 1,000 items of the longest names, and then some.
FRAME_BYTES_MAX: Final = 4 * 1024 * 1024
# A peer that is gone says no goodbye.
_CLOSING_SECONDS: Final = 1.0
_CANCEL_SECONDS: Final = 0.5


class _Connect(connect):
    """One try at one address."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        """Follow none: the token goes nowhere else by itself."""
        return exc


class Watch:
    """One watch at one address; `items` is run once."""

    def __init__(self, url: str, conversation: Conversation, bearer: Bearer, patience: Patience) -> None:
        self._url = url
        self._conversation = conversation
        self._bearer = bearer
        self._patience = patience
        self._news = asyncio.Event()
        self._listening: asyncio.Task[None] | None = None
        self._is_over = False
        # What the last handshake asked for.
        self._retry_after_seconds = 0.0

    async def items(self) -> AsyncGenerator[AvailabilityItem]:
        """Yield what changed, of each SKU only the newest, until `end`.

        Raises:
            WatchRefused: the hub does not take the watch, or not any more.
            TokenRefused: it accepts neither the token nor a new one.
            NotAHub: what is at the address speaks otherwise, or is not trusted.
        """
        listening = self._listening = asyncio.create_task(self._listen(), name="hub watch")
        listening.add_done_callback(lambda _: self._news.set())
        try:
            while not self._is_over:
                self._news.clear()
                while (item := self._conversation.newest.take()) is not None:
                    yield item
                if listening.done() and not self._is_over:
                    listening.result()
                await self._news.wait()
        finally:
            await self.end()

    async def end(self) -> None:
        """Leave the connection; whoever takes items is told of no more."""
        self._is_over = True
        self._news.set()
        listening = self._listening
        while listening is not None and not listening.done():
            # A cancellation that meets the very end of a wait can get lost.
            listening.cancel()
            await asyncio.wait([listening], timeout=_CANCEL_SECONDS)

    async def _listen(self) -> None:
        """Keep a connection, until the hub says not to come back."""
        tries, is_renewed = 0, False
        while True:
            token = await self._bearer.token()
            ending = await self._connect(token)
            if self._conversation.is_answered:
                tries = 0
            if self._conversation.is_authorized:
                is_renewed = False
            if ending.next == "no":
                raise WatchRefused(ending.code, ending.detail)
            if ending.next == "with a new token":
                if is_renewed:
                    raise TokenRefused(f"The hub accepts no token that it is given: {ending.detail}")
                await self._bearer.renew(token)
                is_renewed = True
            is_failure = not self._conversation.is_answered
            # Of the first failure, the second, the fourth, …: an address may be wrong, or the hub be starting.
            level = logging.WARNING if is_failure and (tries + 1).bit_count() == 1 else logging.INFO
            log.log(level, "The watch of %s ended (%s %s) and goes on.", self._url, ending.code, ending.detail)
            await asyncio.sleep(self._patience.pause(tries, random.random(), self._retry_after_seconds))
            tries += 1

    async def _connect(self, token: str | None) -> Ending:
        """Hold one connection until it ends.

        Raises:
            NotAHub: it leads to none.
        """
        conversation = self._conversation
        conversation.begin()
        self._retry_after_seconds = 0.0
        try:
            async with _Connect(
                self._url,
                subprotocols=[Subprotocol(SUBPROTOCOL)],
                compression=None,
                max_size=FRAME_BYTES_MAX,
                open_timeout=self._patience.try_seconds,
                close_timeout=_CLOSING_SECONDS,
                # Heartbeats tell more than pings: they come through whatever stands between.
                ping_interval=None,
                proxy=None,
            ) as socket:
                async with asyncio.timeout(self._patience.silence_seconds):
                    for message in conversation.opened(token):
                        await socket.send(message, text=True)
                while True:
                    async with asyncio.timeout(self._patience.silence_seconds):
                        heard = conversation.heard(await socket.recv())
                    if isinstance(heard, Ending):
                        return heard
                    if heard:
                        self._news.set()
        except ConnectionClosed as closed:
            close = closed.rcvd
            return conversation.closed(None if close is None else close.code, "" if close is None else close.reason)
        except InvalidStatus as refused:
            if refused.response.status_code < 400:
                raise self._not_a_hub(refused) from refused
            self._retry_after_seconds = retry_after(refused.response.headers.get("Retry-After"))
            return conversation.turned_away(refused.response.status_code)
        except TimeoutError:
            return conversation.closed(None, "The hub says nothing.")
        except (InvalidHandshake, OSError, EOFError) as error:
            if _is_spoken_otherwise(error):
                raise self._not_a_hub(error) from error
            return conversation.closed(None, str(error))

    def _not_a_hub(self, error: Exception) -> NotAHub:
        return NotAHub(f"No hub's live door is at {self._url}, or it is not trusted: {error}")


def _is_spoken_otherwise(error: Exception) -> bool:
    """Whether another try would meet the same, and not a hub that was just starting, stopping or out of reach."""
    if isinstance(error, ssl.SSLError):
        return not isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError | ssl.SSLSyscallError)
    # A connection that ended within the handshake is an answer that could not be read, too.
    return isinstance(error, InvalidHandshake) and not isinstance(error.__cause__, EOFError | OSError)
