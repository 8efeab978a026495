"""What must hold of units that travel: a transfer says of each hold what the hold has in it.

Stored bytes come in as they are; what cannot be read is told where records are compared.
"""

from collections.abc import Mapping

import msgspec

from hub.domain.holding.hold import Hold
from hub.domain.holding.in_transit import units_in_transit
from hub.domain.transit import Record
from hub.domain.verifying import Finding
from hub.domain.verifying_holds import read_hold

_decode = msgspec.msgpack.Decoder(Record).decode
_UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)

# By (SKU, name of a hold): units.
Units = dict[tuple[str, str], int]


def holds_of_transfer(packed: bytes) -> list[str]:
    """The names of the holds that a transfer brings units for; none of one that cannot be read."""
    record = _read_transfer(packed)
    return [] if record is None else list(dict.fromkeys(name for _, name, _ in record.held))


def transfers_of_hold(packed: bytes) -> list[str]:
    """The transfers that bring units for a hold; none of one that cannot be read."""
    hold = read_hold(packed)
    return [] if hold is None else list(dict.fromkeys(id for id, _ in units_in_transit(hold)))


def check_travelling(transfers: Mapping[str, bytes | None], holds: Mapping[str, bytes | None]) -> list[Finding]:
    """Compare what some transfers and some holds say of each other, all of one moment; None where there is none."""
    found: list[Finding] = []
    told = {name: {} if packed is None else _told_by(packed) for name, packed in holds.items()}
    for id, packed in transfers.items():
        record = Record() if packed is None else _read_transfer(packed)
        if record is None:
            continue
        ours = {(sku, name): units for sku, name, units in record.held}
        theirs: Units = {
            (sku, name): units
            for name, own in told.items()
            for (of_id, sku), units in (own or {}).items()
            if of_id == id
        }
        for sku, name in sorted(ours.keys() | theirs.keys()):
            has, keeps = ours.get((sku, name), 0), theirs.get((sku, name), 0)
            # Of a hold that was not looked at, or that cannot be read, nothing can be said.
            if told.get(name) is not None and has != keeps:
                detail = f"the transfer {id} brings {has} units for {name}, which has {keeps} on the way by it"
                found.append(Finding("transfer_held_differs", detail, sku))
    return found


def _told_by(packed: bytes) -> dict[tuple[str, str], int] | None:
    hold: Hold | None = read_hold(packed)
    return None if hold is None else units_in_transit(hold)


def _read_transfer(packed: bytes) -> Record | None:
    try:
        return _decode(packed)
    except _UNREADABLE:
        return None
