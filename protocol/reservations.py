"""Reservations on the wire: what may be asked, and how a reservation is told.

The rules of `protocol.events` hold here too: unknown fields are refused, and a field left out and one sent with its
default, or as null, are the same request.
"""

from typing import Annotated, Any, Final

from msgspec import Meta, Struct
from msgspec.json import Decoder
from msgspec.structs import force_setattr

from protocol.codec import decode_body, refuse_long_skus
from protocol.events import Places, Tags
from protocol.identifiers import Name, OpaqueId, Quantity, Sku
from protocol.limits import LINES_PER_EVENT_MAX, TTL_SECONDS_MAX

DEFAULT_KIND: Final = "cart"

Seconds = Annotated[int, Meta(ge=1, le=TTL_SECONDS_MAX)]


class AskedLine(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Units of one SKU; at this location, where one is named."""

    sku: Sku
    quantity: Quantity
    location: Name | None = None


_Lines = Annotated[tuple[AskedLine, ...], Meta(min_length=1, max_length=LINES_PER_EVENT_MAX)]


class Reserve(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """`POST /v1/reservations`: hold units for somebody, all of them or none."""

    # Unique within the hub.
    id: OpaqueId
    pool: Name
    lines: _Lines
    kind: Name = DEFAULT_KIND
    # None: as long as is usual for the kind.
    ttl_seconds: Seconds | None = None
    # Over several locations if need be.
    split: bool = False
    # Only these, best first.
    locations: Places | None = None
    # Rather these.
    prefer: Places | None = None
    # None: whoever asks.
    owner: OpaqueId | None = None
    # The order that it is for.
    order: OpaqueId | None = None
    # Kept with the request, never read.
    tags: Tags = ()

    def __post_init__(self) -> None:
        # As in `protocol.events.AdjustmentLine`: an encoder leaves out a default only where it is this very object.
        if self.kind == DEFAULT_KIND:
            force_setattr(self, "kind", DEFAULT_KIND)


class Change(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """`POST /v1/reservations/{id}/confirm`, `/release`, `/fulfil` or `/reallocate`."""

    # None: all units that it can be about.
    lines: _Lines | None = None
    # Tells two equal requests about some of the units apart.
    id: OpaqueId | None = None


class Extend(Change, frozen=True, kw_only=True):
    """`POST /v1/reservations/{id}/extend`."""

    # From now; None: as long as is usual for the kind.
    ttl_seconds: Seconds | None = None


class ToldAllocation(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Where units are kept, or what brings them: one of the three is there."""

    location: str | None = None
    # On their way by it.
    transfer: str | None = None
    # Promised out of what it is expected to bring.
    purchase_order: str | None = None
    quantity: int
    # When a purchase order is expected, RFC 3339; left out where that is not known any more.
    eta: str | None = None


class ToldLine(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One SKU of a reservation; the counts that are left out are 0."""

    sku: str
    # Units asked for, whatever became of them.
    quantity: int
    # Where those are that are kept now, held or confirmed, or what is to bring them.
    allocations: tuple[ToldAllocation, ...]
    confirmed: int = 0
    fulfilled: int = 0
    released: int = 0
    expired: int = 0
    # Taken by something that came first, and nowhere else to be had.
    broken: int = 0
    # Taken over by an order, which tells what becomes of them.
    ordered: int = 0


class Reservation(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A reservation as it is now."""

    id: str
    # `held`, `confirmed`, `fulfilled`, `released`, `expired` or `broken`; of one that an order took over, the order's.
    state: str
    # When the first of its units are given back, RFC 3339; null when none are by themselves.
    expires_at: str | None
    pool: str
    kind: str
    owner: str
    order: str | None = None
    lines: tuple[ToldLine, ...]
    # Only in the answer to the request that had them.
    tags: tuple[str, ...] = ()
    # Only in the answer to a request: false while the ledger does not have it, so that it would go with Redis's disk.
    durable: bool = True


class ReservationsAnswer(Struct, frozen=True, kw_only=True):
    """One page of reservations."""

    items: tuple[Reservation, ...]
    # The cursor of the next page; null at the end.
    next: str | None


_decoders: Final[dict[type, Any]] = {of: Decoder(of) for of in (Reserve, Change, Extend)}


def decode_reserve(body: bytes) -> Reserve:
    """Read a request for a new reservation.

    Raises:
        Malformed: it is not JSON, no such request, or says something twice.
    """
    reserve: Reserve = decode_body(_decoders[Reserve], body, omits_defaults=True)
    refuse_long_skus(reserve.lines)
    return reserve


def decode_change(body: bytes, of: type[Change]) -> Change:
    """Read a request about a reservation; an empty body asks for all of its units.

    Raises:
        Malformed: as `decode_reserve`.
    """
    change: Change = decode_body(_decoders[of], body or b"{}", omits_defaults=True)
    refuse_long_skus(change.lines or ())
    return change
