"""Clients of a hub, for programs of any kind: `async with HubClient(url, token) as hub`. They know the wire only."""

from protocol.clients.client import HubClient
from protocol.clients.delivery import NotBooked
from protocol.clients.faults import (
    ClientFault,
    CursorRefused,
    NotAHub,
    OutboxFull,
    OutboxInUse,
    RequestRefused,
    TokenRefused,
    Unanswered,
    WatchRefused,
)
from protocol.clients.feed import Feed, Happening
from protocol.clients.outbox import Outbox
from protocol.clients.patience import Patience
from protocol.clients.reservations import Denied, Insufficient

__all__ = [
    "ClientFault",
    "CursorRefused",
    "Denied",
    "Feed",
    "Happening",
    "HubClient",
    "Insufficient",
    "NotAHub",
    "NotBooked",
    "Outbox",
    "OutboxFull",
    "OutboxInUse",
    "Patience",
    "RequestRefused",
    "TokenRefused",
    "Unanswered",
    "WatchRefused",
]
