"""What booking asks of the ledger: the memory behind Redis's few days."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from hub.domain.answer import Answer
from hub.domain.entry import Seq

# Source and id.
EventId = tuple[str, str]


class Recalled(Protocol):
    """What the ledger knows of an id that was booked."""

    @property
    def hash(self) -> str:
        """Of its content."""

    @property
    def seq(self) -> Seq:
        """Where it was booked."""

    @property
    def answer(self) -> Answer:
        """What its first answer said."""

    @property
    def entry(self) -> bytes:
        """Its journal entry, packed."""


class LongMemory(Protocol):
    """The ledger's lookup."""

    async def recall(self, ids: Sequence[EventId]) -> Mapping[EventId, Recalled]:
        """The ids among these that were booked, each a (source, id).

        Raises:
            Unavailable: the ledger is away, so nobody can tell.
        """
        ...


class VoidMemory(Protocol):
    """What the ledger knows of voids."""

    async def voids_of(self, sales: Sequence[EventId]) -> Mapping[EventId, Sequence[bytes]]:
        """The packed journal entries of the voids of each sale among these, each a (source, id).

        Raises:
            Unavailable: the ledger is away, so nobody can tell.
        """
        ...
