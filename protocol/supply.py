"""What is said over HTTP of purchase orders."""

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
