"""What must hold of the units that somebody keeps: they are what is reserved or promised, and all holds are indexed.

Stored bytes come in as they are; a hold that cannot be read is told where records are compared.
"""

from collections.abc import Iterable, Mapping

import msgspec

from hub.domain.holding.hold import KEPT, Hold
from hub.domain.holding.promises import promised_units
from hub.domain.verifying import Finding, Sku, readable

_decode = msgspec.msgpack.Decoder(Hold).decode
_UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


def read_hold(packed: bytes) -> Hold | None:
    """A hold as it is stored; None when it cannot be read."""
    try:
        return _decode(packed)
    except _UNREADABLE:
        return None


def units_at(sku: str, holds: Iterable[Hold]) -> dict[str, int]:
    """By location: units of a SKU that are kept there."""
    units: dict[str, int] = {}
    parts = (part for hold in holds for part in hold.parts if part.sku == sku and part.state in KEPT)
    for each in (each for part in parts for each in part.allocations if each.is_placed):
        units[each.location] = units.get(each.location, 0) + each.quantity
    return units


def check_reserved(sku: Sku, kept: Mapping[str, int]) -> list[Finding]:
    """Compare what the positions of a SKU have reserved with the units that holds keep, by location, of that moment."""
    found: list[Finding] = []
    for location in dict.fromkeys([*sku.positions, *kept]):
        position, held = sku.positions.get(location), kept.get(location, 0)
        reserved = position.reserved if position is not None else 0
        if reserved != held and location not in sku.unreadable:
            detail = f"reserved is {reserved}, but live reservations hold {held}"
            found.append(Finding("reserved_differs", detail, sku.name, location))
    return found


def promised_by(sku: str, holds: Iterable[Hold]) -> dict[tuple[str, str, str], tuple[int, int]]:
    """By location, purchase order and pool: units of a SKU, (held, sold), that are still to come and kept by holds."""
    units: dict[tuple[str, str, str], tuple[int, int]] = {}
    for hold in holds:
        for (of_sku, location, order), (held, sold) in promised_units(hold).items():
            if of_sku == sku:
                place = (location, order, hold.pool)
                before = units.get(place, (0, 0))
                units[place] = (before[0] + held, before[1] + sold)
    return units


def check_promises(sku: Sku, kept: Mapping[tuple[str, str, str], tuple[int, int]]) -> list[Finding]:
    """Compare what is promised of purchase orders with the units that holds keep of them, all of one moment."""
    if sku.expected is None:
        return []
    found: list[Finding] = []
    told = {(line.location, line.purchase_order, pool): (h, s) for line in sku.expected for pool, h, s in line.promises}
    for place in dict.fromkeys([*told, *kept]):
        has, wanted = told.get(place, (0, 0)), kept.get(place, (0, 0))
        if has != wanted:
            location, order, pool = place
            detail = f"of {order} {has[0]} are promised to be held and {has[1]} sold, "
            detail += f"but live holds keep {wanted[0]} and {wanted[1]}"
            found.append(Finding("promise_differs", detail, sku.name, location, pool))
    for line in sku.expected:
        if line.promised > line.outstanding:
            detail = f"of {line.purchase_order} {line.promised} are promised, but {line.outstanding} are still to come"
            found.append(Finding("promised_beyond", detail, sku.name, line.location))
    return found


def entries_of(name: str, hold: Hold | None) -> set[bytes]:
    """What the index of who keeps units must have of a hold; None: there is none."""
    if hold is None:
        return set()
    skus = {part.sku for part in hold.parts if part.state in KEPT}
    return {f"{sku}\0{hold.number:016d}\0{name}".encode() for sku in skus}


def name_in(entry: bytes) -> str:
    """The name of the hold that an entry of that index is about; empty where it names none."""
    return readable(entry.split(b"\0", 2)[-1]) if entry.count(b"\0") > 1 else ""


def check_indexes(
    name: str, hold: Hold | None, due_at_ms: float | None, entries: Mapping[bytes, bool]
) -> list[Finding]:
    """Compare a hold with the indexes: when it is said to be over, and which entries there are; all of one moment."""
    found: list[Finding] = []
    wanted = entries_of(name, hold)
    for entry, is_there in entries.items():
        if is_there != (entry in wanted):
            sku = readable(entry.partition(b"\0")[0])
            detail = f"{name} is {'' if is_there else 'not '}listed among those that keep units of it, wrongly"
            found.append(Finding("hold_index", detail, sku))
    due = hold.due_at_ms if hold is not None else 0
    if (due_at_ms or 0) != due:
        listed = f"{due_at_ms:.0f}" if due_at_ms is not None else "never"
        detail = f"{name} is listed to be over at {listed}, but its first units are given back at {due or 'never'}"
        found.append(Finding("hold_index", detail))
    return found
