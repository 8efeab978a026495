"""Transfers: units that leave one location for another.

What is received before anything was dispatched waits in `early`, for nobody knows yet where it is; it takes effect with
the dispatch, in the dispatch's own entry, but not at a location that its sender may not touch: that is told instead.

Cost: each early receipt writes all that waits for its dispatch into the journal again, so n of them write (n + 1) / 2
times what they say; EARLY_MAX bounds that to 50 times. Each distinct reach stands there once.
"""

from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from hub.domain.command import Fact, Line, Transfer, reaches
from hub.domain.draft import NO_SKU, Draft, House
from hub.domain.sending import Account
from hub.domain.transit import OPEN, Early, Record, keep_waiting, known_transfer, record_from

# SKUs of one transfer, and pairs of a SKU and a location where units left without their serials.
SKUS_MAX = 2_000
# What waits for one dispatch; all of it is in that dispatch's entry, and with its own 100 lines a transfer takes it.
EARLY_MAX = 100
EARLY_LINES_MAX = 1_900
EARLY_SERIALS_MAX = 2_000

_TOO_MANY_SKUS = f"a transfer has at most {SKUS_MAX} SKUs"
_TOO_MUCH_EARLY = (
    f"a transfer has at most {EARLY_MAX} receipts with {EARLY_LINES_MAX} lines and {EARLY_SERIALS_MAX} serials before "
    "it is dispatched"
)


def with_record(fact: Fact, known: Record | None, house_name: Callable[[str], str] = str) -> Fact:
    """Complete a `dispatch` or `receive` by what is known of its transfer; `house_name` says what names mean now."""
    known, transfer = known or Record(), fact.detail
    assert isinstance(transfer, Transfer)
    if fact.verb == "dispatch":
        early = [
            msgspec.structs.replace(line, time_ms=each.time_ms)
            for each in known.early
            if reaches(known.reach_of(each), transfer.to)
            for line in _lines_of(each.units, transfer.to, house_name)
        ]
        detail = msgspec.structs.replace(transfer, version=known.version)
        return msgspec.structs.replace(fact, lines=(*fact.lines, *early), detail=detail)
    if not known.to:
        return msgspec.structs.replace(fact, detail=msgspec.structs.replace(transfer, version=known.version))
    lines = _lines_of(transfer.early, known.to, house_name)
    lost = [Line(sku, known.to, 0) for sku in _lost_by(transfer, known, lines)]
    detail = msgspec.structs.replace(
        transfer, to=known.to, version=known.version, own_lines=len(lines), early=(), reach=()
    )
    return msgspec.structs.replace(fact, lines=(*lines, *lost), detail=detail)


def _lost_by(transfer: Transfer, known: Record, lines: Iterable[Line]) -> list[str]:
    """SKUs that are kept for somebody and never arrive: others are kept instead, so the fact may touch them."""
    told = {line.sku for line in lines}
    return [sku for sku in dict.fromkeys(sku for sku, _, _ in known.held) if transfer.is_final and sku not in told]


def _lines_of(units: Iterable[tuple[Any, ...]], to: str, house_name: Callable[[str], str]) -> list[Line]:
    """Units that were received, as lines where they arrive."""
    return [
        Line(house_name(sku), to, quantity, serials=tuple(named[0]) if named else ()) for sku, quantity, *named in units
    ]


def book_dispatch(draft: Draft, fact: Fact, house: House) -> None:
    """Units left; those received early arrive now."""
    transfer = fact.detail
    assert isinstance(transfer, Transfer)
    draft.about = transfer.id
    known = known_transfer(draft, transfer.id)
    if known.version != transfer.version:
        draft.look_again()
        return
    if known.to not in ("", transfer.to):
        draft.refuse(f"transfer {transfer.id} goes to {known.to}, not to {transfer.to}")
        return
    own, early = fact.lines[: transfer.own_lines], fact.lines[transfer.own_lines :]
    unnamed = {(line.sku, line.location) for line in own if line.quantity > len(line.serials)}
    if _skus_in(known, fact.lines) > SKUS_MAX or len(unnamed.union(known.unnamed)) > SKUS_MAX:
        draft.park(_TOO_MANY_SKUS)
        return
    within = [each for each in known.early if reaches(known.reach_of(each), transfer.to)]
    beyond = [each for each in known.early if not reaches(known.reach_of(each), transfer.to)]
    draft.alert("out_of_reach", NO_SKU, "", units_of(beyond))
    account = Account(draft, house, transfer.id, transfer.to, known)
    for line in own:
        draft.lines.append((draft.sku_number(line.sku), line.quantity))
        account.send(line, transfer.order)
    for line in early:
        account.receive(line)
    if any(each.is_final for each in within):
        account.finish()
    account.keep(known.version if known.to else known.version + 1)


def book_receive(draft: Draft, fact: Fact, house: House) -> None:
    """Units arrived, or wait for the dispatch to say where."""
    transfer = fact.detail
    assert isinstance(transfer, Transfer)
    draft.about = transfer.id
    known = known_transfer(draft, transfer.id)
    if known.to != transfer.to:
        draft.look_again()
        return
    if not known.to:
        _wait(draft, transfer, known)
        return
    own = fact.lines[: transfer.own_lines]
    if not set(_lost_by(transfer, known, own)) <= {line.sku for line in fact.lines}:
        draft.look_again()
        return
    if _skus_in(known, fact.lines) > SKUS_MAX:
        # Its sender may touch where it goes today; another transfer of that name would be another matter.
        draft.park(_TOO_MANY_SKUS, (transfer.to,))
        return
    account = Account(draft, house, transfer.id, transfer.to, known)
    for line in own:
        draft.lines.append((draft.sku_number(line.sku), line.quantity))
        account.receive(line)
    if transfer.is_final:
        account.finish()
    account.keep(known.version)


def units_of(early: Iterable[Early]) -> int:
    """All units of some receipts; one that only says that nothing more arrives counts as one unit."""
    return sum(sum(units for _, units, *_ in each.units) or 1 for each in early)


def lapse_early(draft: Draft, id: str, before_ms: int) -> int:
    """Forget what waits for its dispatch since that time or longer; answers its units, 0 for none."""
    value = draft.record(OPEN, id)
    known = Record() if value is None else record_from(value)
    lapsed = [each for each in known.early if each.since_ms <= before_ms]
    if lapsed:
        left = [(each, known.reach_of(each)) for each in known.early if each.since_ms > before_ms]
        keep_waiting(draft, id, known, left)
    return units_of(lapsed)


def _wait(draft: Draft, transfer: Transfer, known: Record) -> None:
    """Keep a receipt until the dispatch is told."""
    early = Early(draft.time_ms, transfer.is_final, transfer.early, 0, draft.now_ms)
    units = [each for kept in (*known.early, early) for each in kept.units]
    named = sum(len(pieces) for _, _, *told in units for pieces in told)
    if len(known.early) >= EARLY_MAX or len(units) > EARLY_LINES_MAX or named > EARLY_SERIALS_MAX:
        draft.park(_TOO_MUCH_EARLY, transfer.reach)
        return
    draft.lines.extend((draft.sku_number(sku), quantity) for sku, quantity, *_ in transfer.early)
    waiting = [(each, known.reach_of(each)) for each in known.early]
    keep_waiting(draft, transfer.id, known, [*waiting, (early, transfer.reach)])


def _skus_in(known: Record, lines: tuple[Line, ...]) -> int:
    return len({sku for sku, _, _ in known.sums} | {line.sku for line in lines})
