"""Counts of the shelf, each as of its own time.

A count is two entries. *Open* notes the count's time on each position; from then on a fact that happened at or before
it leaves the shelf alone, for the count has seen it. *Close* books the fixed difference between what was counted and
what the book said for that time: the sum of the facts journalled before *open* that had happened by then. Only the
ledger knows that sum, so a count may stay open while it is away.

The shelf is set by what was booked on it; what is told of the book counts the facts too that went by the shelf, where
the count that was to have seen them was overtaken or is a newer one.

The record of an open count: [source, event id, location, counted at, kind, scope, rows], a row for each SKU:
[SKU, counted, on_hand when opened, deficit when opened]. The rest of a complete count has the source and id of that.
"""

from typing import Any

import msgspec

from hub.domain import buckets, serials
from hub.domain.command import REST, Closing, Counting, Fact, Line
from hub.domain.draft import Draft, House
from hub.domain.entry import Counted

TABLE = "counts"
# Counts that wait to be closed; a ledger that is away for long must not fill Redis with them.
OPEN_MAX = 10_000

PHYSICAL = "physical"
# Told instead of the kind, where the rest of a complete count and the book agree: it is no item of anybody's accuracy,
# but which facts it has seen must be known.
UNLISTED = "unlisted"


def open_count(draft: Draft, fact: Fact, house: House) -> None:
    """Note the count; one that is older than the newest of its position changes nothing there."""
    counting = fact.detail
    assert isinstance(counting, Counting)
    counted_at_ms = min(counting.counted_at_ms, draft.now_ms)
    rows: dict[str, list[Any]] = {}
    for line in fact.lines:
        draft.lines.append((draft.sku_number(line.sku), line.quantity))
        serials.found(draft, msgspec.structs.replace(line, time_ms=counted_at_ms))
        position = draft.touch(line)
        row = rows.setdefault(line.sku, [line.sku, 0, position.on_hand, position.deficit])
        row[1] += line.quantity
        if position.counted_at_ms is None or position.counted_at_ms <= counted_at_ms:
            noted = msgspec.structs.replace(position, counted_at_ms=counted_at_ms, counted_by=draft.seq.number)
            draft.keep(line, buckets.Change(noted))
    location = fact.lines[0].location if fact.lines else counting.location
    sent = [counting.source or fact.source, counting.id or fact.id]
    content = [*sent, location, counted_at_ms, counting.kind, counting.scope, list(rows.values())]
    draft.set_record(TABLE, draft.seq.stream_id, content)


def close_count(draft: Draft, fact: Fact, house: House) -> None:
    """Book the differences; where a newer count stands, only the count itself is told."""
    closing = fact.detail
    assert isinstance(closing, Closing)
    _, _, location, counted_at_ms, kind, scope, rows = draft.record(TABLE, closing.opened)
    draft.about = closing.opened
    opened_by = int(closing.opened.split("-")[1])
    passed = closing.passed or (0,) * len(rows)
    for (sku, counted, on_hand, deficit), since, by in zip(rows, closing.since, passed, strict=True):
        line = Line(sku, location, counted)
        lay, position = on_hand - deficit - since, draft.touch(line)
        book = lay + by
        is_newest = (position.counted_at_ms, position.counted_by) == (counted_at_ms, opened_by)
        if is_newest:
            pools, statuses = list(house.pool_index), house.statuses
            draft.keep(line, buckets.settle(position, counted - lay, deficit, pools=pools, statuses=statuses))
        n = draft.sku_number(sku)
        # The rest of a complete count says nothing about a SKU that neither the shelf nor the book has.
        told = kind if scope != REST or counted != book else UNLISTED
        if told != UNLISTED or is_newest:
            draft.counted.append(Counted(n, location, counted_at_ms, told, counted, book, int(is_newest), opened_by))
        if kind == PHYSICAL:
            draft.alert("discrepancy", n, location, abs(counted - book))
    draft.set_record(TABLE, closing.opened, None)
