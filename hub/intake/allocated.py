"""How units are told that are kept for somebody: where they lie, or what is to bring them, and when."""

from collections.abc import Iterable, Mapping, Sequence

from hub.domain.holding.hold import KEPT, PURCHASE_ORDER, TRANSFER, Allocation, Hold
from hub.intake.parts import Parts
from protocol.answers import rfc3339
from protocol.reservations import ToldAllocation

# (SKU, location, purchase order) → when it is expected there, UTC milliseconds.
Etas = Mapping[tuple[str, str, str], int]


async def etas_of(parts: Parts, holds: Iterable[Hold]) -> Etas:
    """When those units are expected that are promised to holds; what is not known any more is left out.

    Raises:
        Unavailable: Redis did not answer, or is not the one this process works with.
    """
    promised = (
        part.sku for hold in holds for part in hold.parts if part.state in KEPT and _is_promised(part.allocations)
    )
    skus = list(dict.fromkeys(promised))
    lines = await parts.reads.expected_among(skus) if skus else {}
    return {
        (sku, line.location, line.purchase_order): line.eta_ms
        for sku, of_sku in lines.items()
        for line in of_sku
        if line.set_at_ms is not None
    }


def allocated(sku: str, allocations: Iterable[Allocation], etas: Etas) -> tuple[ToldAllocation, ...]:
    """Units of a SKU by place, in the order of the first of each; those that are owed are at none."""
    places = dict[tuple[str, str], int]()
    for each in allocations:
        if not each.is_owed:
            place = (each.location, each.coming_by)
            places[place] = places.get(place, 0) + each.quantity
    return tuple(_told(sku, place, units, etas) for place, units in places.items())


def _told(sku: str, place: tuple[str, str], units: int, etas: Etas) -> ToldAllocation:
    location, coming_by = place
    if coming_by.startswith(TRANSFER):
        return ToldAllocation(transfer=coming_by.removeprefix(TRANSFER), quantity=units)
    if coming_by.startswith(PURCHASE_ORDER):
        order = coming_by.removeprefix(PURCHASE_ORDER)
        eta_ms = etas.get((sku, location, order))
        return ToldAllocation(purchase_order=order, quantity=units, eta=None if eta_ms is None else rfc3339(eta_ms))
    return ToldAllocation(location=location, quantity=units)


def _is_promised(allocations: Sequence[Allocation]) -> bool:
    return any(each.is_promised for each in allocations)
