"""What is said over HTTP of transfers under way."""

from msgspec import Struct

from protocol.answers import AnswerLine


class TransferLine(Struct, frozen=True, kw_only=True):
    """What of one SKU was sent and received so far."""

    sku: str
    sent: int
    received: int
    # Of what is under way so many are kept for orders.
    reserved: int


class EarlyReceipt(Struct, frozen=True, kw_only=True):
    """What was received before anything was dispatched."""

    # When it was received, RFC 3339.
    time: str
    # Nothing more will arrive.
    final: bool
    lines: tuple[AnswerLine, ...]


class TransferItem(Struct, frozen=True, kw_only=True):
    """Units on their way from one location to another."""

    id: str
    # Where they go; null while nothing was dispatched.
    to: str | None
    # When the first part was booked, RFC 3339; null where an older version of the hub did not keep it.
    since: str | None
    lines: tuple[TransferLine, ...]
    # These wait for the dispatch.
    early: tuple[EarlyReceipt, ...]


class TransfersAnswer(Struct, frozen=True, kw_only=True):
    """One page of transfers under way; a page may be short and still have a `next`."""

    items: tuple[TransferItem, ...]
    # The cursor of the next page; null at the end.
    next: str | None
