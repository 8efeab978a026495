"""What is said over HTTP of purchase orders, of what is promised of them, and of single pieces."""

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


class PromiseDate(Struct, frozen=True):
    """How many units may be promised of what is expected by a date."""

    # RFC 3339.
    eta: str
    # In all by then.
    available: int


class ToldSupply:
    """Supply of a purchase order, or the rest in one sum; it has no tag, for its fields say which it is."""

    __slots__ = ()


class PromisedSupply(ToldSupply, Struct, frozen=True, kw_only=True):
    """Units still to come that a pool sees, or has promised."""

    purchase_order: str
    location: str
    # RFC 3339.
    eta: str
    quantity: int
    received: int
    # Units still to come, and those of them that are promised, by whatever pool.
    outstanding: int
    promised: int


class OtherSupply(ToldSupply, Struct, frozen=True, kw_only=True):
    """The units still to come at locations that the caller may not see, in one sum."""

    outstanding: int
    promised: int
    locations: str = "other"


class PromiseAnswer(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a pool may promise of a SKU before it arrives, and what it has promised."""

    pool: str
    sku: str
    # The most that may be promised at any time.
    limit: int
    # Units that may still be promised (ATP); 0 while the pool has anything in stock.
    available: int
    # Units that are promised, confirmed or ordered; and those that are promised and only held.
    sold: int
    reserved: int
    # When the first that may be promised is expected, RFC 3339.
    eta: str | None = None
    # ATP by date, where it grows.
    dates: tuple[PromiseDate, ...]
    # By ETA.
    supply: tuple[ToldSupply, ...]


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
