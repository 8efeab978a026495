"""What the HTTP door works with; the assembly puts it together."""

from collections.abc import Callable
from typing import ClassVar

import msgspec
from aiohttp import web

from hub.access import Access
from hub.credentials import JwtKey
from hub.domain.rules import House
from hub.imports.running import Imports
from hub.journal.watermark import Watermark
from hub.settings.tree import LimitsSettings
from hub.stock.booking import Booking
from hub.stock.counting import Closer
from hub.stock.reads import Reads
from hub.telemetry import Metrics


class Parts(msgspec.Struct, frozen=True):
    """One process's share of the hub, as the routes see it."""

    KEY: ClassVar[web.AppKey["Parts"]]

    access: Access
    house: House
    booking: Booking
    closer: Closer
    reads: Reads
    imports: Imports
    watermark: Watermark
    metrics: Metrics
    limits: LimitsSettings
    # Why this process takes no events, whatever its stores do; None when it does.
    not_ready: Callable[[], str | None]
    # How the ledger is, for people: "current", "behind", …
    ledger_state: Callable[[], str]
    # What `POST /v1/tokens` signs with; None when the hub can only verify.
    signing_key: JwtKey | None
    # Origins that browsers may ask from.
    origins: frozenset[str]


Parts.KEY = web.AppKey("parts", Parts)
