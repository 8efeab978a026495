"""What happened, as its source says it: one struct per event type of `POST /v1/events`.

Rules:
- Unknown fields are refused: a typo must not lose a sale.
- An optional id, or list of lines or locations, may also be null, which is the same as left out.
- A field left out and one sent with its default are the same event, so they have one canonical form.
"""

from typing import Annotated, Final, Literal

from msgspec import Meta, Struct, field
from msgspec.structs import force_setattr

from protocol.identifiers import (
    Name,
    OpaqueId,
    Quantity,
    QuantityOrNone,
    SignedQuantity,
    Sku,
    Text,
    Time,
)
from protocol.limits import (
    LINES_PER_EVENT_MAX,
    LOCATIONS_PER_ORDER_MAX,
    META_PER_EVENT_MAX,
    QUANTITY_MAX,
    TAGS_PER_EVENT_MAX,
)

# The bucket of units that any pool seeing the location may sell.
FREE: Final = "free"
# Where `moved` may send units that are no more.
WRITTEN_OFF: Final = "written_off"
# The bucket of held units; no event puts any there or takes them out by name.
RESERVED: Final = "reserved"

Reason = Annotated[Text, Meta(min_length=1)]
Serials = Annotated[tuple[OpaqueId, ...], Meta(max_length=QUANTITY_MAX)]
Tags = Annotated[tuple[Text, ...], Meta(max_length=TAGS_PER_EVENT_MAX)]
OpaqueTexts = Annotated[dict[Name, Text], Meta(max_length=META_PER_EVENT_MAX)]
Places = Annotated[tuple[Name, ...], Meta(min_length=1, max_length=LOCATIONS_PER_ORDER_MAX)]
_LINES: Final = Meta(min_length=1, max_length=LINES_PER_EVENT_MAX)


class _Line(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    sku: Sku
    # Serial numbers of some or all of the units.
    serials: Serials = ()


class Line(_Line, frozen=True, kw_only=True):
    """Units of one SKU."""

    quantity: Quantity

    def __post_init__(self) -> None:
        # Tested here first: almost no line has serials, and this runs for every line of every event.
        if self.serials:
            _check_serials(self.serials, self.quantity)


class ReturnLine(Line, frozen=True, kw_only=True):
    """Units that came back, and into what: `free` or a status."""

    to: Name


class MovedLine(Line, frozen=True, kw_only=True):
    """Units that changed their status on the shelf, or left it as `written_off`."""

    from_: Name = field(name="from")
    to: Name
    reason: Reason | None = None


class OrderLine(Line, frozen=True, kw_only=True):
    """Units ordered, and from where if the order says so."""

    location: Name | None = None


class AbsoluteLine(_Line, frozen=True, kw_only=True):
    """How many units there are, should be or will be; 0 is a statement too."""

    quantity: QuantityOrNone

    def __post_init__(self) -> None:
        if self.serials:
            _check_serials(self.serials, self.quantity)


class AdjustmentLine(_Line, frozen=True, kw_only=True):
    """Units found (plus) or missing (minus), in `free` or a status."""

    quantity: SignedQuantity
    bucket: Name = FREE

    def __post_init__(self) -> None:
        if self.quantity == 0:
            raise ValueError("Expected a `quantity` that is not 0")
        _check_serials(self.serials, abs(self.quantity))
        # An encoder leaves out a default text only where it is this very object, and the canonical form
        # must not depend on whether the sender wrote the default.
        if self.bucket == FREE:
            force_setattr(self, "bucket", FREE)


def _check_serials(serials: tuple[str, ...], quantity: int) -> None:
    if len(serials) > quantity:
        raise ValueError(f"Expected at most {quantity} `serials`, one for each unit")


class Fact(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, tag_field="type"):
    """What every event says: something already happened, whatever the book says."""

    # Unique within the source, for ever.
    id: OpaqueId
    # When it happened, by the source's clock.
    time: Time
    # Kept, never read by the hub.
    meta: OpaqueTexts = {}
    tags: Tags = ()


class Sale(Fact, frozen=True, kw_only=True, tag="sale"):
    """Units left a location, sold by a pool."""

    location: Name
    pool: Name
    lines: Annotated[tuple[Line, ...], _LINES]
    reservation: OpaqueId | None = None
    order: OpaqueId | None = None


class SaleVoided(Fact, frozen=True, kw_only=True, tag="sale.voided"):
    """A sale, or some lines of it, did not stand; it may be told before the sale."""

    # The id of the sale's event, of the same source.
    sale: OpaqueId
    # None: all of it.
    lines: Annotated[tuple[Line, ...], _LINES] | None = None


class Return(Fact, frozen=True, kw_only=True, tag="return"):
    """Units came back to a location."""

    location: Name
    lines: Annotated[tuple[ReturnLine, ...], _LINES]
    order: OpaqueId | None = None
    # The id of the event that sold them.
    sale: OpaqueId | None = None


class Receipt(Fact, frozen=True, kw_only=True, tag="receipt"):
    """Units arrived from outside."""

    location: Name
    lines: Annotated[tuple[Line, ...], _LINES]
    purchase_order: OpaqueId | None = None


class Moved(Fact, frozen=True, kw_only=True, tag="moved"):
    """Units went between `free` and statuses on one shelf, or were written off."""

    location: Name
    lines: Annotated[tuple[MovedLine, ...], _LINES]


class TransferDispatched(Fact, frozen=True, kw_only=True, tag="transfer.dispatched"):
    """Units left one location for another."""

    transfer: OpaqueId
    from_: Name = field(name="from")
    to: Name
    lines: Annotated[tuple[Line, ...], _LINES]
    order: OpaqueId | None = None


class TransferReceived(Fact, frozen=True, kw_only=True, tag="transfer.received"):
    """What really arrived of a transfer."""

    transfer: OpaqueId
    # An empty list only of a final one: nothing of what is under way arrived.
    lines: Annotated[tuple[Line, ...], Meta(max_length=LINES_PER_EVENT_MAX)]
    # Nothing more will arrive: what lacks is a discrepancy.
    final: bool = True


class Count(Fact, frozen=True, kw_only=True, tag="count"):
    """What lay on the whole shelf at `counted_at`."""

    location: Name
    counted_at: Time
    # None at all only of a complete one: the shelf is empty.
    lines: Annotated[tuple[AbsoluteLine, ...], Meta(max_length=LINES_PER_EVENT_MAX)]
    # SKUs that are not listed were counted as zero.
    complete: bool = False
    # `system` is another system's book, not a count of the shelf.
    kind: Literal["physical", "system"] = "physical"


class Adjustment(Fact, frozen=True, kw_only=True, tag="adjustment"):
    """Units found or missing, with a reason."""

    location: Name
    reason: Reason
    lines: Annotated[tuple[AdjustmentLine, ...], _LINES]


class RingFence(Fact, frozen=True, kw_only=True, tag="ring_fence"):
    """How many units of a location are set aside for one pool."""

    location: Name
    pool: Name
    # The targets.
    lines: Annotated[tuple[AbsoluteLine, ...], _LINES]
    # The target stays and refills when the pool buys from it.
    standing: bool = False


class Expected(Fact, frozen=True, kw_only=True, tag="expected"):
    """Lines of a purchase order that will arrive, new or changed."""

    purchase_order: OpaqueId
    location: Name
    eta: Time
    lines: Annotated[tuple[AbsoluteLine, ...], _LINES]


class OrderPlaced(Fact, frozen=True, kw_only=True, tag="order.placed"):
    """An order was taken elsewhere."""

    order: OpaqueId
    pool: Name
    lines: Annotated[tuple[OrderLine, ...], _LINES]
    reservation: OpaqueId | None = None
    owner: OpaqueId | None = None
    # Only these, best first.
    locations: Places | None = None
    # Rather these.
    prefer: Places | None = None


class OrderChanged(Fact, frozen=True, kw_only=True, tag="order.changed"):
    """An order has another set of lines."""

    order: OpaqueId
    # The whole new set.
    lines: Annotated[tuple[OrderLine, ...], _LINES]


class OrderCancelled(Fact, frozen=True, kw_only=True, tag="order.cancelled"):
    """An order, or some lines of it, will not be sent; it may be told before the order."""

    order: OpaqueId
    # None: all of it.
    lines: Annotated[tuple[Line, ...], _LINES] | None = None


class OrderFulfilled(Fact, frozen=True, kw_only=True, tag="order.fulfilled"):
    """An order, or some lines of it, left the house."""

    order: OpaqueId
    location: Name | None = None
    # None: all of it.
    lines: Annotated[tuple[Line, ...], _LINES] | None = None


Event = (
    Sale
    | SaleVoided
    | Return
    | Receipt
    | Moved
    | TransferDispatched
    | TransferReceived
    | Count
    | Adjustment
    | RingFence
    | Expected
    | OrderPlaced
    | OrderChanged
    | OrderCancelled
    | OrderFulfilled
)
# Every field of an event that is an instant; the canonical form has them in UTC.
TIME_FIELDS: Final = ("time", "counted_at", "eta")
