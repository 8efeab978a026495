"""The channels of one hub, put together."""

from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import Protocol

from hub.journal.reader import Tail
from hub.ledger.connection import Link
from hub.ledger.offered import Offered
from hub.outbound.calling import Caller
from hub.outbound.following import Following
from hub.outbound.means import Means
from hub.outbound.sending import Channels
from hub.outbound.told import Told
from hub.settings.tree import Channel
from hub.stock.allowances import Allowances
from hub.stock.reads import Reads
from hub.telemetry import Metrics
from hub.webhooks.working import Webhooks


class Memories(Protocol):
    """`hub.memories.Memories` is one."""

    offered: Offered


class Stores(Protocol):
    """What channels work with; `hub.stores.Stores` is one."""

    reads: Reads
    allowances: Allowances
    webhooks: Webhooks

    @property
    def memories(self) -> Memories:
        """For questions beside the work."""

    async def tail_from_now(self) -> Tail:
        """A tail from the journal's present end."""


def channels_of(
    stores: Stores, channels: Sequence[Channel], exits: AsyncExitStack, dsn: str, metrics: Metrics
) -> Channels:
    """The channels of a hub; `exits` ends them. Vendors' own numbers are compared with theirs."""
    taking, memory, caller = stores.webhooks.taking, Offered(Link(dsn, "channels")), Caller()
    means = Means(
        memory=memory,
        reads=stores.reads,
        following=Following(stores.tail_from_now),
        accounts=taking.accounts,
        allowances=stores.allowances,
        fetcher=taking.fetcher,
        caller=caller,
        on_outcome=metrics.channel_told,
    )
    made = Channels(channels, means)
    exits.push_async_callback(made.aclose)
    taking.offers = Told(stores.memories.offered, lambda: made.channels)
    return made
