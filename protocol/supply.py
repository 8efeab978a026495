"""What is said over HTTP of purchase orders and of single pieces."""

from msgspec import Struct


class ExpectedItem(Struct, frozen=True, kw_only=True):
    """Units of one SKU that a purchase order brings to a location."""

    sku: str
    location: str
    purchase_order: str
    # Units ordered in all; 0 where the order was cancelled, or only receipts for it are known.
    quantity: int
    # Units that arrived.
    received: int
    # Units still to come.
    outstanding: int
    # When they are expected, RFC 3339; null where only receipts are known.
    eta: str | None


class ExpectedAnswer(Struct, frozen=True, kw_only=True):
    """One page of what is expected, by location and purchase order."""

    items: tuple[ExpectedItem, ...]
    # The cursor of the next page; null at the end.
    next: str | None


class SerialAnswer(Struct, frozen=True, kw_only=True):
    """Where the piece with a serial number was last."""

    sku: str
    serial: str
    # `shelf`, `sold`, `transit` or `gone`.
    state: str
    # Where it lies, or left from.
    location: str
    # When that happened, RFC 3339.
    time: str
