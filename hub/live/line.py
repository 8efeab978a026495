"""What a conversation goes over: a socket, or a stream of an HTTP answer."""

import asyncio
from collections.abc import Iterable
from typing import Protocol

from hub.live.fanout import Outlet
from hub.live.framing import ValueKey
from hub.live.session import Close


class Line(Outlet, Protocol):
    """One client's connection; compared by identity."""

    # Closes the line when the client's token ends.
    expiry: asyncio.TimerHandle | None

    @property
    def is_open(self) -> bool:
        """Whether anything may be said."""

    def say(self, message: bytes) -> None:
        """Say a whole message, unless the line is closing."""

    def hold(self) -> None:
        """Keep values back until `release`."""

    def release(self) -> None:
        """Send what was kept back."""

    def disown(self, keys: Iterable[ValueKey]) -> None:
        """Drop what is owed under these keys: it was sent otherwise, or is watched no longer."""

    def take_owed(self, location: str) -> dict[str, bytes]:
        """Take what is owed of a location out: SKU -> item."""

    async def taken(self) -> None:
        """Wait until the reader is not slow, or gone."""

    def end(self, close: Close) -> None:
        """Close, without waiting."""
