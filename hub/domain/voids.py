"""Voids: sales that did not stand, wholly or in part.

The units go back into the buckets they came from, in the order in which the sale took them. No unit is given back
twice: `voided` remembers of a sale how many of each SKU were. A piece that the sale did not name is suspect. A void
that comes before its sale waits in `voids` and takes effect with it, in the sale's own entry, as of its own time; but
not if it is about a location that its sender may not touch, which is told instead.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from hub.domain import serials
from hub.domain.buckets import CUSTOMER, Change, arrive, fence_of_bucket, put_aside
from hub.domain.command import Asked, Fact, Line, Voiding, reaches
from hub.domain.draft import NO_SKU, Draft, House
from hub.domain.entry import Entry, Movement
from hub.domain.holding.account import Account
from hub.domain.holding.orders import id_of, is_order
from hub.domain.position import Position

WAITING, VOIDED = "voids", "voided"
# Voids that wait for one sale.
WAITING_PER_SALE_MAX = 100


class _SoldLine(msgspec.Struct):
    serials: tuple[str, ...] = ()


class _Sold(msgspec.Struct):
    """The only part of a sale's payload that a void needs."""

    pool: str = ""
    # In the order of the entry's.
    lines: tuple[_SoldLine, ...] = ()


_decode_sold = msgspec.json.Decoder(_Sold).decode


def record_field(source: str, sale: str) -> str:
    """The field of a sale in both tables."""
    return f"{source}:{sale}"


def with_sale(fact: Fact, sale: Entry, given_back: Mapping[str, int]) -> Fact:
    """Complete a `void` by the entry of its sale, and what the ledger knows of earlier voids."""
    voiding = fact.detail
    assert isinstance(voiding, Voiding)
    asked = {each[0] for each in voiding.asked}
    lines = tuple(line for line in _taken(sale.skus, sale.movements) if not asked or line.sku in asked)
    known = tuple((sku, units) for sku, units in given_back.items() if not asked or sku in asked)
    order = id_of(sale.about) if is_order(sale.about) else ""
    told = _decode_sold(sale.payload)
    named = [(sale.skus[sku], units, line.serials) for (sku, units), line in zip(sale.lines, told.lines, strict=False)]
    sold = tuple(each for each in named if each[2] and (not asked or each[0] in asked))
    detail = msgspec.structs.replace(voiding, is_found=1, given_back=known, reach=(), order=order, sold=sold)
    return msgspec.structs.replace(fact, lines=lines, pool=told.pool, detail=detail)


def given_back_in(entries: Iterable[Entry], field: str) -> dict[str, int]:
    """How many units of each SKU of a sale were given back, as the entries about it say."""
    units: dict[str, int] = {}
    for entry in entries:
        for each in entry.records:
            if (each.table, each.field) == (VOIDED, field):
                for sku, number in each.value or ():
                    units[sku] = max(units.get(sku, 0), number)
    return units


def _taken(skus: Sequence[str], movements: Iterable[Movement]) -> list[Line]:
    """What a sale took, from which buckets."""
    return [
        Line(skus[move.sku], move.location, move.quantity, move.from_bucket, serials=move.serials)
        for move in movements
        if move.to_bucket == CUSTOMER
    ]


def book_void(draft: Draft, fact: Fact, house: House) -> None:
    """Give back what a sale took, or wait for the sale."""
    voiding = fact.detail
    assert isinstance(voiding, Voiding)
    draft.about = voiding.sale
    if voiding.sale == fact.id:
        draft.refuse("an event does not void itself")
        return
    field = record_field(fact.source, voiding.sale)
    if not voiding.is_found:
        waiting = draft.record(WAITING, field) or []
        if len(waiting) >= WAITING_PER_SALE_MAX:
            draft.park(f"{WAITING_PER_SALE_MAX} voids wait for this sale already", voiding.reach)
            return
        kept = [draft.time_ms, list(map(_stored, voiding.asked)), list(voiding.reach), draft.now_ms]
        draft.set_record(WAITING, field, [*waiting, kept])
        return
    sale = _Sale(draft, field, fact.pool, house, voiding.given_back, voiding.sold)
    given = sale.give_back(fact.lines, voiding.asked)
    draft.lines.extend((draft.sku_number(sku), units) for sku, units in given.items())
    _keep_again(draft, house, voiding.order, given, fact.lines)


def give_back_waiting(draft: Draft, fact: Fact, house: House) -> None:
    """Give back what of a sale was voided before it came."""
    field = record_field(fact.source, fact.id)
    waiting = draft.record(WAITING, field)
    if waiting is None:
        return
    draft.set_record(WAITING, field, None)
    taken = _taken(draft.skus, draft.movements)
    sold = [(line.sku, line.quantity, line.serials) for line in fact.lines]
    sale = _Sale(draft, field, fact.pool, house, (), sold)
    # What waits since before senders' reaches were kept has none.
    for time_ms, waited, *kept in waiting:
        reach = tuple(kept[0]) if kept else ()
        asked = [(draft.house_name(sku), *more) for sku, *more in waited]
        names = {each[0] for each in asked}
        wanted = [line for line in taken if not names or line.sku in names]
        if not all(reaches(reach, line.location) for line in wanted):
            draft.alert("out_of_reach", NO_SKU, "", sum(each[1] for each in asked) or sale.left_of(taken))
            continue
        given = sale.give_back([msgspec.structs.replace(line, time_ms=time_ms) for line in taken], asked)
        _keep_again(draft, house, id_of(draft.about) if is_order(draft.about) else "", given, taken)


def _keep_again(draft: Draft, house: House, order: str, given: Mapping[str, int], taken: Sequence[Line]) -> None:
    """The order that the sale was for has its units again, but for those that a fulfilment has seen leave as well."""
    if not order or not given:
        return
    account = Account(draft, house, order)
    for sku, units in given.items():
        location = next(line.location for line in taken if line.sku == sku)
        account.regret(Line(sku, location, units))
    account.keep()


def since_ms(waiting: Sequence[Any]) -> int:
    """Since when a void waits, UTC milliseconds: since its booking; where that was not kept, since its own time."""
    at_ms: int = waiting[3] if len(waiting) > 3 else waiting[0]
    return at_ms


def lapse_waiting(draft: Draft, field: str, before_ms: int) -> int:
    """Forget the voids that wait for their sale since that time or longer; answers their units, 0 for none.

    A void of a whole sale counts as one unit, for nobody knows how many those were.
    """
    waiting = draft.record(WAITING, field) or []
    lapsed = [each for each in waiting if since_ms(each) <= before_ms]
    if lapsed:
        draft.set_record(WAITING, field, [each for each in waiting if since_ms(each) > before_ms] or None)
    return sum(sum(asked[1] for asked in each[1]) or 1 for each in lapsed)


def _stored(asked: Asked) -> list[object]:
    """As the journal has it."""
    return [*asked[:2], *map(list, asked[2:])]


class _Sale:
    """A sale of which something is given back."""

    def __init__(
        self,
        draft: Draft,
        field: str,
        pool: str,
        house: House,
        given_back: Iterable[tuple[str, int]],
        sold: Iterable[Sequence[Any]],
    ) -> None:
        self._draft = draft
        self._field = field
        self._pool = pool
        self._pools = list(house.pool_index)
        # By SKU, in the order of the record.
        self._done: dict[str, int] = dict(draft.record(VOIDED, field) or ())
        for sku, units in given_back:
            self._done[sku] = max(self._done.get(sku, 0), units)
        # By SKU, the pieces that the sale named.
        self._sold = _named_in(sold)

    def left_of(self, taken: Iterable[Line]) -> int:
        """The units of what was taken that were not given back."""
        return sum(line.quantity for line in taken) - sum(self._done.values())

    def give_back(self, taken: Sequence[Line], asked: Sequence[Sequence[Any]]) -> dict[str, int]:
        """Give back what was asked for, or all that is left of what was taken; answers the units of each SKU."""
        wanted: dict[str, int] = {}
        for sku, units, *_ in asked:
            wanted[sku] = wanted.get(sku, 0) + units
        is_all, skip, given = not wanted, dict(self._done), dict[str, int]()
        # By SKU, where it is said or follows which pieces came back.
        named = self._rests(taken, None if is_all else wanted) | _named_in(asked)
        for line in taken:
            passed = min(line.quantity, skip.get(line.sku, 0))
            skip[line.sku] = skip.get(line.sku, 0) - passed
            units = line.quantity - passed if is_all else min(line.quantity - passed, wanted.get(line.sku, 0))
            if not is_all and units:
                wanted[line.sku] -= units
            if line.sku in named:
                pieces = tuple(named[line.sku])[:units]
                for serial in pieces:
                    del named[line.sku][serial]
            else:
                # Which of several pieces came back nobody says; all of them did, or none is known to.
                pieces = line.serials if units == line.quantity else ()
            self._put_back(msgspec.structs.replace(line, quantity=units, serials=pieces))
            if units:
                given[line.sku] = given.get(line.sku, 0) + units
        self._draft.alert("discrepancy", NO_SKU, "", sum(wanted.values()))
        for sku, units in given.items():
            self._done[sku] = self._done.get(sku, 0) + units
        if given:
            self._draft.set_record(VOIDED, self._field, [[sku, units] for sku, units in self._done.items()])
        return given

    def _rests(self, taken: Sequence[Line], wanted: Mapping[str, int] | None) -> dict[str, dict[str, None]]:
        """Of each SKU whose last units come back now, after others of it: the pieces that are still sold.

        None is known to come back where they are more than the units: one of them was sold again meanwhile.
        """
        rests: dict[str, dict[str, None]] = {}
        for sku, pieces in self._sold.items():
            lines, done = [line for line in taken if line.sku == sku], self._done.get(sku, 0)
            left = sum(line.quantity for line in lines) - done
            if done and left > 0 and (wanted is None or left <= wanted.get(sku, 0)):
                rest = serials.still_sold(self._draft, lines[0], pieces)
                rests[sku] = dict.fromkeys(rest if len(rest) <= left else ())
        return rests

    def _put_back(self, line: Line) -> None:
        suspects = serials.taken_back(self._draft, line, self._sold.get(line.sku, ()))
        if self._draft.has_counted(line):
            self._draft.pass_by(line, line.quantity, CUSTOMER)
            return
        clean, doubtful = serials.parted(line, suspects)
        position = self._draft.touch(line)
        self._draft.keep(clean, put_back(position, clean.quantity, line.bucket, self._pool, pools=self._pools))
        if suspects:
            position = self._draft.touch(line)
            self._draft.keep(doubtful, put_aside(position, doubtful.quantity, serials.INSPECTION, source=CUSTOMER))


def _named_in(units: Iterable[Sequence[Any]]) -> dict[str, dict[str, None]]:
    """By SKU, of what says which: the pieces, each once."""
    named: dict[str, dict[str, None]] = {}
    for sku, _, *pieces in units:
        if pieces and pieces[0]:
            named.setdefault(sku, {}).update(dict.fromkeys(pieces[0]))
    return named


def put_back(
    position: Position, quantity: int, bucket: str, pool: str, *, pools: Sequence[str], source: str = CUSTOMER
) -> Change:
    """Bring units back that a pool bought: after the deficit into the fence they came from, the rest as an arrival.

    The target of the pool's own fence, which fell with the sale, rises again unless the fence is standing.
    """
    fence = fence_of_bucket(bucket)
    if fence and fence == pool:
        fences = tuple(
            msgspec.structs.replace(each, target=each.target + quantity)
            if each.pool == fence and not each.standing
            else each
            for each in position.fences
        )
        position = msgspec.structs.replace(position, fences=fences)
    order = [fence, *(each for each in pools if each != fence)]
    return arrive(position, quantity, source=source, pools=order)
