"""What the HTTP door asks of channels; the ledger's own class and the settings are given to it by the assembly."""

from typing import Protocol

from hub.domain.channels import ChannelTally
from hub.domain.offers import Remembered


class Configured(Protocol):
    """A channel of this process's file; `hub.settings.tree.Channel` is one."""

    @property
    def id(self) -> str:
        """Its id."""

    @property
    def pool(self) -> str:
        """The pool that is told."""

    @property
    def source(self) -> str:
        """The account that is told; empty: a file is."""

    @property
    def file(self) -> object:
        """The file."""


class Offered(Protocol):
    """What was told to whom; `hub.ledger.offered.Offered` is one. Each call may raise Unavailable."""

    async def tallies(self) -> list[ChannelTally]:
        """Every channel that is known, by name."""
        ...

    async def dead(self, id: str, behind: str, most: int) -> list[Remembered]:
        """What was given up, behind a SKU, by SKU."""
        ...

    async def retry(self, id: str, sku: str | None) -> int | None:
        """Have what was given up or not sold tried again; how many, None: there is no such channel."""
        ...
