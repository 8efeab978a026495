"""What every sender of one process works with."""

import random
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from time import time

import msgspec

from hub.domain.hook_addresses import Network, networks_of
from hub.hooks.pace import Pace
from hub.hooks.resolving import LookUp, look_up
from hub.intake.memories import Happened
from hub.intake.sealing import Sealing
from hub.journal.watermark import Watermark
from hub.ledger import feed
from hub.ledger.connection import Link
from hub.ledger.feed import FeedEntries
from hub.ledger.hooks import Hooks
from hub.memories import asking
from hub.settings import Settings
from hub.telemetry import Metrics


class Means(msgspec.Struct, frozen=True):
    """Where messages come from, how fast and whereto they may go, and who hears of it."""

    memory: Hooks
    happened: Happened
    watermark: Watermark
    sealing: Sealing
    pace: Pace
    # Networks that hooks may reach besides the open one.
    allowed: Sequence[Network] = ()
    # Told of each attempt: the hook, and "delivered", "failed", "dead" or "gone".
    on_attempt: Callable[[str, str], None] = lambda hook, outcome: None
    # Seconds since 1970.
    clock: Callable[[], float] = time
    # Drawn from 0 to 1.
    jitter: Callable[[], float] = random.random
    look_up: LookUp = look_up


def means_of(
    settings: Settings, exits: AsyncExitStack, dsn: str, watermark: Watermark, sealing: Sealing, metrics: Metrics
) -> Means:
    """What the senders of a hub work with; `exits` closes it."""
    memory = Hooks(Link(dsn, "hooks"))
    exits.push_async_callback(memory.aclose)
    return Means(
        memory=memory,
        happened=FeedEntries(asking(exits, dsn, "hook feed", feed.DEADLINE_SECONDS)),
        watermark=watermark,
        sealing=sealing,
        pace=Pace(settings.limits.hook_messages_per_second),
        allowed=networks_of(settings.hub.hooks_may_reach),
        on_attempt=lambda hook, outcome: metrics.hook_messages.labels(hook, outcome).inc(),
    )
