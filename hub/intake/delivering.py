"""What the HTTP door does with deliveries of third parties; `hub.webhooks` is given to it by the assembly."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from adapters.contract import Delivery, Reply
from hub.domain.inbox import Kept, State, Told
from hub.domain.polling import Progress
from protocol.webhooks import WebhookAnswer


class Taking(Protocol):
    """Takes deliveries; `hub.webhooks.deliveries.Deliveries` is one."""

    def takes(self, source: str) -> bool:
        """Whether there is such an account."""
        ...

    async def take(self, source: str, delivery: Delivery) -> Reply | WebhookAnswer | str:
        """Keep a delivery and answer what became of it; a reply to whoever only looks; or why it is not the vendor's.

        Raises:
            Unavailable: it could not be kept, or too much waits of this source; the vendor sends it again.
        """
        ...


class Inbox(Protocol):
    """What was delivered; `hub.ledger.inbox.Inbox` is one. Each call may raise Unavailable."""

    async def page(self, state: State, behind: int, source: str | None, most: int) -> list[Told]:
        """Some in this state, of one source or of all, behind a number, in the order they came."""
        ...

    async def one(self, number: int) -> tuple[Kept, State, str] | None:
        """A delivery whole, its state and why."""
        ...

    async def dismiss(self, number: int) -> bool:
        """Wait no more for one that is parked; False where it is not."""
        ...


class Tried(Protocol):
    """What became of a delivery."""

    @property
    def state(self) -> State:
        """`kept` is still under way."""
        ...


class Asking(Protocol):
    """Asks third parties what happened; `hub.webhooks.polling.Polling` is one. Each call may raise a Fault."""

    def streams(self, source: str) -> tuple[str, ...]:
        """What is asked of a source; nothing where there is no such source that can be asked."""
        ...

    async def states(self, source: str) -> Mapping[str, Progress]:
        """How far each stream of a source was asked."""
        ...

    async def ask(self, source: str, since_ms: int | None) -> None:
        """Have a source asked soon, from a time on or from where it is, whichever process does."""
        ...


class Webhooks(Protocol):
    """`hub.webhooks.working.Webhooks` is one."""

    @property
    def taking(self) -> Taking:
        """Who takes them."""
        ...

    @property
    def polling(self) -> Asking:
        """Who asks for what they did not deliver."""
        ...

    @property
    def inbox(self) -> Inbox:
        """Where they are kept."""
        ...

    async def replay(self, number: int | None = None) -> Sequence[Tried]:
        """Try parked ones again now, one or the first thousand; what became of each.

        Raises:
            Fault: the ledger did not answer.
        """
        ...
