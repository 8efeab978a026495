"""What third parties are answered, and what is told of what they delivered."""

from typing import Literal

from msgspec import Struct

from protocol.answers import EventAnswer

DeliveryStatus = Literal["applied", "accepted", "duplicate", "ignored", "parked"]
InboxState = Literal["kept", "booked", "ignored", "parked", "dismissed"]


class WebhookAnswer(Struct, frozen=True, omit_defaults=True):
    """The answer to a delivery: it is kept, and this became of it so far."""

    # `applied`: booked and in the ledger. `accepted`: not yet. `duplicate`: it was here before and is booked.
    # `ignored`: it says nothing about stock. `parked`: it waits for a person.
    status: DeliveryStatus
    # What became of the events that it stands for, where they were booked just now.
    events: tuple[EventAnswer, ...] = ()
    # What it waits for, a sentence.
    why: str | None = None


class InboxItem(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A delivery in a list."""

    id: int
    source: str
    # The third party's own id of it.
    delivery: str
    # The third party's word for what it is about.
    topic: str
    received_at: str
    state: InboxState
    # What keeps it from being booked.
    why: str | None = None
    # Tries that failed at the third party's.
    attempts: int = 0


class InboxAnswer(Struct, frozen=True):
    """Deliveries, in the order they came."""

    items: tuple[InboxItem, ...]
    # The cursor of the next page; null at the end.
    next: str | None


class InboxDelivery(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A delivery whole, as it is kept: without what vouched for it."""

    item: InboxItem
    headers: dict[str, str]
    query: dict[str, str]
    # The body; as base64 where it is no UTF-8.
    body: str
    is_base64: bool = False


class InboxReplayAnswer(Struct, frozen=True):
    """What became of parked deliveries that were tried again."""

    # Booked by now, or found to say nothing about stock.
    replayed: int
    # Tried again later, for example because something must be fetched.
    under_way: int
    still_parked: int


class InboxDismissedAnswer(Struct, frozen=True):
    """A delivery that nobody waits for any more."""

    id: int
    status: Literal["dismissed"] = "dismissed"


class AskedStream(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How far one stream of a source was asked for what happened."""

    # `orders`, or `levels`, which are compared and not kept.
    stream: str
    # What happened since then is asked for next; of levels, all.
    since: str
    # When it is asked next.
    due_at: str
    # When it was asked to the end; left out where it never was.
    done_at: str | None = None
    # Whether a walk over its pages is under way.
    is_under_way: bool = False
    # Deliveries of the walk that is under way, or else of the last one, that were new to the inbox.
    found: int
    # Why the last attempt failed.
    problem: str | None = None


class ReconcileAnswer(Struct, frozen=True):
    """How far a source was asked for what happened."""

    source: str
    streams: tuple[AskedStream, ...]
