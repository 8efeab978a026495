"""Orders taken elsewhere: they cannot be refused, and whatever is told of one may come in any order.

Of each SKU of an order the facts add up: units ordered, cancelled, sold at a till for it, and fulfilled. A till sale
and a fulfilment of the same units count once, so

    out = max(sold, fulfilled)          units that left
    due = max(0, ordered - cancelled - out)   units that are kept for it

and every fact brings both about: units leave by what `out` rises by, and the order's hold is brought to `due`, by
force: out of the own fence, then `free`, whatever is held back. What nobody has is a shortfall, an allocation to
nowhere.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec

# The tables of records: orders of which anything is still to come; those that are over, for as long as ids are known.
ORDERS, ENDED_ORDERS = "orders", "ended_orders"
# SKUs of one order, over all that was told of it.
SKUS_MAX = 200


class OrderLine(msgspec.Struct, frozen=True, array_like=True):
    """What was told of one SKU of an order, in units."""

    sku: str
    ordered: int = 0
    cancelled: int = 0
    # By till sales that name the order.
    sold: int = 0
    # By fulfilments.
    fulfilled: int = 0
    # By fulfilments that say no location, while the units are nowhere.
    waiting: int = 0
    # Where units of it left last.
    left_from: str = ""
    # (location, units) that left by fulfilments that say no location: a till that sold them knows better.
    guessed: tuple[tuple[str, int], ...] = ()

    @property
    def out(self) -> int:
        """Units that left; a till sale and a fulfilment of the same units count once."""
        return max(self.sold, self.fulfilled)

    @property
    def due(self) -> int:
        """Units that must be kept."""
        return max(0, self.ordered - self.cancelled - self.out)


class Order(msgspec.Struct, frozen=True, array_like=True):
    """What is remembered of an order."""

    # Empty while it was not placed: then it keeps nothing.
    pool: str = ""
    # 1 once any fact set what is ordered, and that fact's time, UTC milliseconds.
    is_set: int = 0
    set_at_ms: int = 0
    # 1: it was cancelled as a whole.
    is_cancelled: int = 0
    # 1: it was fulfilled as a whole before it was placed; then where, or nowhere named.
    is_fulfilled: int = 0
    fulfilled_from: str = ""
    lines: tuple[OrderLine, ...] = ()

    def line(self, sku: str) -> OrderLine:
        """What was told of a SKU."""
        return next((line for line in self.lines if line.sku == sku), OrderLine(sku))

    def with_line(self, new: OrderLine) -> "Order":
        """The order with another line for its SKU, in its place or at the end."""
        lines = {line.sku: line for line in self.lines}
        lines[new.sku] = new
        return msgspec.structs.replace(self, lines=tuple(lines.values()))

    def due(self, sku: str) -> int:
        """Units of a SKU that must be kept."""
        return 0 if self.is_cancelled or not self.pool else self.line(sku).due

    @property
    def is_over(self) -> bool:
        """Whether nothing of it is still to come."""
        return bool(self.pool) and not any(self.due(line.sku) or line.waiting for line in self.lines)


_PREFIX = "order:"
_encode = msgspec.msgpack.Encoder().encode


def order_name(id: str) -> str:
    """The name of an order's hold."""
    return _PREFIX + id


def is_order(name: str) -> bool:
    """Whether a hold is an order's."""
    return name.startswith(_PREFIX)


def id_of(name: str) -> str:
    """The id of the order whose hold has this name."""
    return name.removeprefix(_PREFIX)


def order_from(value: Any) -> Order:
    """Read a record as it is stored."""
    return msgspec.convert(value, Order)


def stored_order(order: Order) -> Any:
    """As the journal has it."""
    return msgspec.msgpack.decode(_encode(order))


def renamed(order: Order, house_name: Callable[[str], str]) -> Order:
    """The order with its lines by the names that the house has by now; lines of one SKU are one."""
    if all(house_name(line.sku) == line.sku for line in order.lines):
        return order
    lines: dict[str, OrderLine] = {}
    for line in order.lines:
        name = house_name(line.sku)
        old = lines.get(name, OrderLine(name))
        lines[name] = OrderLine(
            name,
            old.ordered + line.ordered,
            old.cancelled + line.cancelled,
            old.sold + line.sold,
            old.fulfilled + line.fulfilled,
            old.waiting + line.waiting,
            line.left_from or old.left_from,
            old.guessed + line.guessed,
        )
    return msgspec.structs.replace(order, lines=tuple(lines.values()))


def with_ordered(order: Order, wanted: Mapping[str, int], time_ms: int) -> Order:
    """The order with the whole set of what is ordered, unless something newer set it."""
    if order.is_set and order.set_at_ms > time_ms:
        return order
    for line in order.lines:
        order = order.with_line(msgspec.structs.replace(line, ordered=wanted.get(line.sku, 0)))
    for sku, units in wanted.items():
        order = order.with_line(msgspec.structs.replace(order.line(sku), ordered=units))
    return msgspec.structs.replace(order, is_set=1, set_at_ms=time_ms)


def summed(units: Iterable[tuple[str, int]]) -> dict[str, int]:
    """Units by SKU, in the order of the first of each."""
    sums: dict[str, int] = {}
    for sku, number in units:
        sums[sku] = sums.get(sku, 0) + number
    return sums
