"""Where each piece with a serial number was last: a piece is never in two places, and who says otherwise is suspect.

Facts are judged and remembered by their own time. One that is older than what is known of a piece is booked, but
neither judged nor remembered: what came after it is known already. Only within one transfer no clock decides: a piece
is received after it was sent.
"""

from collections.abc import Callable, Collection, Iterable

import msgspec

from hub.domain.command import Line
from hub.domain.draft import Draft

# The table of records.
TABLE = "serials"
SHELF, SOLD, TRANSIT, GONE = "shelf", "sold", "transit", "gone"
# The alert about pieces that cannot be what they claim, and the status in which a person looks at them.
SUSPECT = "counterfeit_suspect"
INSPECTION = "inspection"


class Piece(msgspec.Struct, frozen=True, array_like=True):
    """What is known of one serial number."""

    # `shelf`, `sold`, `transit` or `gone`.
    state: str
    # Where it lies, or left from.
    location: str
    # The time of the fact that said so, UTC milliseconds.
    time_ms: int
    # The transfer that took it off its shelf, or brought it; empty where that was none, or is not known.
    transfer: str = ""


def field_of(sku: str, serial: str) -> str:
    """The field of a piece's record."""
    return f"{sku}\0{serial}"


def came_in(draft: Draft, line: Line) -> tuple[str, ...]:
    """Pieces came onto the shelf from elsewhere; the serials among them that are known sold or on another shelf."""
    return _tell(
        draft, line, SHELF, lambda known: known is not None and (known.state == SOLD or _elsewhere(known, line))
    )


def came_back(draft: Draft, line: Line) -> tuple[str, ...]:
    """Pieces were returned; the serials among them that this location is not known to have sold."""
    return _tell(draft, line, SHELF, lambda known: not _is_sold_here(known, line))


def sold(draft: Draft, line: Line) -> None:
    """Pieces were sold; what was sold before or lies on another shelf raises an alert."""
    _tell(draft, line, SOLD, lambda known: known is not None and (known.state == SOLD or _elsewhere(known, line)))


def gone(draft: Draft, line: Line) -> None:
    """Pieces left the shelf for good otherwise than sold."""
    _tell(draft, line, GONE, lambda known: False)


def sent(draft: Draft, line: Line, transfer: str, to: str) -> None:
    """Pieces left by a transfer; those that it brought to its destination already lie there."""
    for serial in line.serials:
        known, time_ms = _known(draft, line, serial), draft.time_of(line)
        has_arrived = known is not None and (known.state, known.location, known.transfer) == (SHELF, to, transfer)
        if not has_arrived and (known is None or known.time_ms <= time_ms):
            _remember(draft, line, serial, Piece(TRANSIT, line.location, time_ms, transfer))


def received(draft: Draft, line: Line, transfer: str, is_expected: Callable[[Piece | None], bool]) -> tuple[str, ...]:
    """Pieces arrived by a transfer; the serials among them that are not such as it may bring."""
    suspects: list[str] = []
    for serial in line.serials:
        known, time_ms = _known(draft, line, serial), draft.time_of(line)
        if known is not None and known.time_ms > time_ms:
            if (known.state, known.transfer) != (TRANSIT, transfer):
                continue
            time_ms = known.time_ms
        if not is_expected(known):
            suspects.append(serial)
        _remember(draft, line, serial, Piece(SHELF, line.location, time_ms, transfer))
    draft.alert(SUSPECT, draft.sku_number(line.sku), line.location, len(suspects))
    return tuple(suspects)


def found(draft: Draft, line: Line) -> None:
    """Pieces were counted; what is known on another shelf raises an alert and is not remembered as here."""
    _tell(draft, line, None, lambda known: known is not None and _elsewhere(known, line))


def taken_back(draft: Draft, line: Line, sold: Collection[str]) -> tuple[str, ...]:
    """A sale did not stand: the pieces that this location sold lie on its shelf again; the serials among them that are
    not such as the sale named, `sold`."""
    suspects: list[str] = []
    for serial in line.serials:
        known = _known(draft, line, serial)
        if known is not None and known.time_ms > draft.time_of(line):
            continue
        if serial not in sold:
            suspects.append(serial)
        elif not _is_sold_here(known, line):
            continue
        _remember(draft, line, serial, Piece(SHELF, line.location, draft.time_of(line)))
    draft.alert(SUSPECT, draft.sku_number(line.sku), line.location, len(suspects))
    return tuple(suspects)


def still_sold(draft: Draft, line: Line, serials: Iterable[str]) -> tuple[str, ...]:
    """Those of some pieces of the line's SKU that its location sold last."""
    return tuple(serial for serial in serials if _is_sold_here(_known(draft, line, serial), line))


def parted(line: Line, suspects: tuple[str, ...]) -> tuple[Line, Line]:
    """The line without its suspect units, and the line of these alone; either may be of 0 units."""
    others = tuple(serial for serial in line.serials if serial not in suspects)
    return (
        msgspec.structs.replace(line, quantity=line.quantity - len(suspects), serials=others),
        msgspec.structs.replace(line, quantity=len(suspects), serials=suspects),
    )


def _tell(draft: Draft, line: Line, state: str | None, is_suspect: Callable[[Piece | None], bool]) -> tuple[str, ...]:
    """Judge the pieces of a line, then remember where they are; None remembers nothing. Returns the suspects."""
    suspects: list[str] = []
    for serial in line.serials:
        known = _known(draft, line, serial)
        if known is not None and known.time_ms > draft.time_of(line):
            continue
        if is_suspect(known):
            suspects.append(serial)
        if state is not None:
            _remember(draft, line, serial, Piece(state, line.location, draft.time_of(line)))
    draft.alert(SUSPECT, draft.sku_number(line.sku), line.location, len(suspects))
    return tuple(suspects)


def _is_sold_here(known: Piece | None, line: Line) -> bool:
    return known is not None and (known.state, known.location) == (SOLD, line.location)


def _elsewhere(known: Piece, line: Line) -> bool:
    return known.state == SHELF and known.location != line.location


def _known(draft: Draft, line: Line, serial: str) -> Piece | None:
    stored = draft.record(TABLE, field_of(line.sku, serial))
    return None if stored is None else msgspec.convert(stored, Piece)


def _remember(draft: Draft, line: Line, serial: str, piece: Piece) -> None:
    plain = [piece.state, piece.location, piece.time_ms]
    draft.set_record(TABLE, field_of(line.sku, serial), [*plain, piece.transfer] if piece.transfer else plain)
