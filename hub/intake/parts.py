"""What the HTTP door works with; the assembly puts it together."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import ClassVar, Protocol

import msgspec
from aiohttp import web

from hub.access import Access, Claims
from hub.domain.rules import House
from hub.imports.running import Imports
from hub.intake.channel_parts import Configured, Offered
from hub.intake.delivering import Webhooks
from hub.intake.memories import Alerts, Closings, Counts, Happened, Past, Waiting
from hub.intake.sealing import Sealing
from hub.intake.streams import Streams
from hub.journal.watermark import Watermark
from hub.settings.tree import LimitsSettings
from hub.stock.booking import Booking
from hub.stock.counting import Closer
from hub.stock.current_house import CurrentHouse
from hub.stock.described import Described
from hub.stock.describing import Describing
from hub.stock.held import Held
from hub.stock.reads import Reads
from hub.stock.requesting import Requests
from hub.telemetry import Metrics
from protocol.frames import Subscribe


class LiveStreams(Protocol):
    """What the live door tells over another door; `hub.live.server.LiveDoor` is one."""

    def follow(self, claims: Claims, message: Subscribe) -> AbstractAsyncContextManager[AsyncIterator[bytes] | None]:
        """The events of one stream; None: no such pool for whoever has these claims.

        Raises:
            Unavailable: the state cannot be read, or there are too many connections.
        """

    def end_streams(self) -> None:
        """Let every stream end."""


class Parts(msgspec.Struct, frozen=True):
    """One process's share of the hub, as the routes see it."""

    KEY: ClassVar[web.AppKey["Parts"]]

    access: Access
    current: CurrentHouse
    booking: Booking
    closer: Closer
    describing: Describing
    described: Described
    reads: Reads
    held: Held
    requests: Requests
    imports: Imports
    webhooks: Webhooks
    # The channels of this process's file, and what was told to whichever.
    channels: Callable[[], Sequence[Configured]]
    offered: Offered
    watermark: Watermark
    # What the ledger tells when it is asked: what was shown, what counts found and how they ended, what is parked,
    # and what the hub noticed.
    past: Past
    counts: Counts
    closings: Closings
    waiting: Waiting
    alerts: Alerts
    # Everything that happened: for pages, and for streams, which do not hold each other up.
    happened: Happened
    followed: Happened
    sealing: Sealing
    streams: Streams
    live: LiveStreams
    metrics: Metrics
    limits: LimitsSettings
    # Why this process takes no events, whatever its stores do; None when it does.
    not_ready: Callable[[], str | None]
    # How the ledger is, for people: "current", "behind", …
    ledger_state: Callable[[], str]
    # Origins that browsers may ask from.
    origins: frozenset[str]

    @property
    def house(self) -> House:
        """The house of now; whoever waits in between asks again."""
        return self.current.house


Parts.KEY = web.AppKey("parts", Parts)
