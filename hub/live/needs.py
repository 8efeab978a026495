"""What the live door needs of the rest of the hub, as small protocols; the assembly hands the parts in."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol

from hub.access import Claims
from hub.domain.entry import Entry, Seq
from protocol.answers import AvailabilityItem, PositionItem


class PoolFacts(Protocol):
    """What a session must know of a pool."""

    @property
    def id(self) -> str:
        """Its id."""

    @property
    def public(self) -> bool:
        """Whether anyone may watch it."""

    @property
    def show_status(self) -> bool:
        """Whether it shows no numbers."""


class HouseFacts(Protocol):
    """What a session must know of the house."""

    @property
    def pools(self) -> Sequence[PoolFacts]:
        """All pools, in configuration order."""

    @property
    def pool_index(self) -> Mapping[str, int]:
        """The place of each pool in `pools`, by id."""

    @property
    def locations(self) -> Mapping[str, Any]:
        """All locations, by id."""

    def sku(self, name: str) -> str:
        """The house's SKU for a SKU or any alias of it; a name nobody knows is itself."""


class Credentials(Protocol):
    """Says whose a token is, and what whoever was granted something may still do."""

    def authenticate_token(self, token: str, now: float) -> Claims:
        """What a token grants at `now`, in seconds since 1970; raises `Unauthenticated`."""

    def still(self, claims: Claims) -> Claims | None:
        """What these claims grant by now; None: nothing any more."""


class StockReader(Protocol):
    """Reads the present state; raises `Unavailable` when it cannot."""

    async def read(self, pool: str, skus: Sequence[str]) -> list[AvailabilityItem]:
        """What the pool shows of each SKU, one item each, in any order."""

    async def positions_at(self, location: str) -> list[PositionItem]:
        """All positions of a location."""


class JournalTail(Protocol):
    """The journal from some place on."""

    @property
    def at(self) -> Seq | None:
        """The last place that was handed out; None before the journal's first entry."""

    async def read(self, count_max: int, block_ms: int) -> list[tuple[Seq, Entry]]:
        """The next entries, oldest first; empty when none came within `block_ms`.

        Raises:
            JournalGap: entries are missing before the next one.
            EntryUnreadable: the next entry cannot be decoded; the tail goes on behind it.
            Unavailable: Redis did not answer.
        """

    async def last(self) -> Seq | None:
        """The place of the journal's last entry; raises `Unavailable`."""


# The house may be exchanged while sessions run (reload), so it is asked for each time.
CurrentHouse = Callable[[], HouseFacts]
# A tail that begins at the journal's present end.
OpenTail = Callable[[], Awaitable[JournalTail]]
# Seconds since 1970.
WallClock = Callable[[], float]
# Told of each entry that is about the house and not about stock; must not wait.
HearEntry = Callable[[Entry], None]
