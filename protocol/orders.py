"""How an order that was taken elsewhere is told."""

from msgspec import Struct

from protocol.reservations import ToldAllocation


class ToldOrderLine(Struct, frozen=True, kw_only=True):
    """One SKU of an order, in units, over all that was told of it."""

    sku: str
    ordered: int
    cancelled: int
    # Units that left, by fulfilments or by till sales that name the order; what both tell of counts once.
    fulfilled: int
    # Where units are kept for it now, or what is to bring them.
    allocations: tuple[ToldAllocation, ...]
    # Units that are owed to it and lie nowhere yet.
    shortfall: int


class ToldOrder(Struct, frozen=True, kw_only=True):
    """An order as it is now."""

    order: str
    pool: str
    # `open`; once nothing of it is to come, `fulfilled` when anything left for it, else `cancelled`.
    state: str
    lines: tuple[ToldOrderLine, ...]
