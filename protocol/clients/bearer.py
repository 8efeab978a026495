"""Who a client is: a token, or whoever makes new ones."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable

from protocol.clients.faults import TokenRefused

# A token or an opaque key; what makes a new one, also by waiting; None watches and reads what is public.
Token = str | Callable[[], str | Awaitable[str]] | None


class Bearer:
    """The token that all requests and connections of one client use, and replace together."""

    def __init__(self, token: Token) -> None:
        self._make = token if callable(token) else None
        self._current = None if callable(token) else token
        self._asking = asyncio.Lock()

    async def token(self) -> str | None:
        """The present token; what the maker of tokens raises passes through.

        Raises:
            TokenRefused: what was given can be none, so no hub is asked.
        """
        if self._current is None and self._make is not None:
            await self.renew(None)
        token = self._current
        if token is not None and not (token and token.isascii() and token.isprintable()):
            # It is not quoted: it may hold a part of the right one.
            raise TokenRefused("A token has printable ASCII characters only; mind the line's end if it is from a file.")
        return token

    async def renew(self, refused: str | None) -> None:
        """Have another token than the refused one.

        Raises:
            TokenRefused: there is no other.
        """
        async with self._asking:
            if self._current != refused:
                # Another request was refused too, and was here before.
                return
            if self._make is None:
                raise TokenRefused("The hub does not accept the token, and the client can make no other.")
            made = self._make()
            fresh = await made if inspect.isawaitable(made) else made
            if fresh == refused:
                raise TokenRefused("The hub does not accept the token, and was given the same again.")
            self._current = fresh
