"""What was applied twice is taken back: each movement of the second time, the other way round.

Whether that may be done without a person depends on what the second time did. An entry that only moved units can be
taken back; one that also changed holds, orders, transfers, counts, voids or expected supply is told to people. What is
not where it went any more is looked for as an adjustment's minus is, and at last owed: so `on_hand - deficit` is again
the plain sum of the facts, each counted once. Between two buckets of the shelf only what lies there moves.
"""

import msgspec

from hub.domain import buckets
from hub.domain.buckets import DEFICIT, FREE, RESERVED, Change, Move, is_shelf
from hub.domain.command import Fact, Line, Raising, Reversing
from hub.domain.draft import NO_SKU, Draft, House
from hub.domain.entry import Entry, Seq
from hub.domain.noticing import digest_of, own_alert
from hub.domain.position import Position
from hub.domain.voids import put_back

# Entry type of a reversal, and the alerts about what was applied twice: taken back, or left to people.
REVERSAL, REVERSED, APPLIED_TWICE = "reversal", "reversed", "applied_twice"
# Facts that only move units, and the tables in which they may set a record: where a piece was last is said again by
# the second time, and is as true as before.
_PLAIN = frozenset(("sale", "return", "receipt", "adjustment", "moved"))
_HARMLESS = frozenset(("serials",))
MOVEMENTS_MAX = 10_000
# Of the year 9999, the last that the ledger takes.
_TIME_MAX_MS = 253_402_300_799_999


class _Sold(msgspec.Struct):
    pool: str = ""


_decode_sold = msgspec.json.Decoder(_Sold).decode


def is_plain(entry: Entry) -> bool:
    """Whether the entry did nothing but move units that nobody holds."""
    held = any(RESERVED in (move.from_bucket, move.to_bucket) for move in entry.movements)
    records = {record.table for record in entry.records}
    is_small = len(entry.movements) <= MOVEMENTS_MAX
    return entry.type in _PLAIN and records <= _HARMLESS and not held and not entry.counted and is_small


def place_of(seq: Seq) -> str:
    """How a reversal names the entry that it takes back."""
    return seq.stream_id


def reversal_of(seq: Seq, entry: Entry) -> Fact:
    """The command that takes back an entry that was booked at `seq` and is plain; its id is the entry's own."""
    lines = tuple(
        Line(entry.skus[move.sku], move.location, move.quantity, move.from_bucket, move.to_bucket, (), move.time_ms)
        for move in entry.movements
    )
    pool = _decode_sold(entry.payload).pool if entry.type == "sale" else ""
    fact = _own(REVERSAL, seq, entry)
    time_ms = entry.time_ms
    detail = Reversing(place_of(seq))
    return msgspec.structs.replace(
        fact, verb="reverse", time_ms=time_ms, stated_ms=time_ms, pool=pool, lines=lines, detail=detail
    )


def alert_about(type: str, seq: Seq, entry: Entry | None) -> Fact:
    """The command that tells people about an entry that was set aside; `entry` where it can be read."""
    return msgspec.structs.replace(_own(type, seq, entry), detail=Raising(place_of(seq), 1))


def _own(type: str, seq: Seq, entry: Entry | None) -> Fact:
    """A command of the hub's own about one entry; its id is made of the entry's place, so that it is booked once."""
    content = place_of(seq)
    # What cannot be booked may name a time that nobody can take.
    time_ms = entry.time_ms if entry is not None and 0 <= entry.time_ms <= _TIME_MAX_MS else 0
    about = {"entry": str(seq)} | ({"source": entry.source, "id": entry.id} if entry is not None else {})
    payload = msgspec.json.encode(about, order="sorted").decode()
    return own_alert(type, content, digest_of(content), time_ms, payload)


def book_reversal(draft: Draft, fact: Fact, house: House) -> None:
    """Move each line's units back: from where they went, `to`, to where they were taken from, `bucket`."""
    assert isinstance(fact.detail, Reversing)
    draft.about = fact.detail.entry
    for line in fact.lines:
        position = draft.touch(line)
        if RESERVED in (line.bucket, line.to):
            draft.refuse("held units move with their holds")
            return
        _undo(draft, line, position, fact.pool, house)
        draft.alert(REVERSED, draft.sku_number(line.sku), line.location, line.quantity)
    if not fact.lines:
        draft.alert(REVERSED, NO_SKU, "", 1)


def _undo(draft: Draft, line: Line, position: Position, pool: str, house: House) -> None:
    comes_back, was_here = is_shelf(line.bucket), is_shelf(line.to)
    pools = list(house.pool_index)
    if not comes_back and not was_here:
        draft.move(line, line.to, line.bucket, line.quantity)
    elif comes_back and was_here:
        # A count says how much lies there, not in which state.
        draft.keep(line, _shift_back(position, line))
    elif draft.has_counted(line):
        draft.pass_by(line, line.quantity if comes_back else -line.quantity, line.to if comes_back else line.bucket)
    elif comes_back:
        draft.keep(line, _bring_back(position, line, pool, pools))
    else:
        own = line.to if buckets.fence_of_bucket(line.to) else ""
        anywhere = [line.to, *buckets.everywhere(position, FREE, pools, house.statuses)]
        draft.keep(line, buckets.take(position, line.quantity, anywhere, own=own, to=line.bucket))


def _bring_back(position: Position, line: Line, pool: str, pools: list[str]) -> Change:
    """Units that left the shelf come back as those of a sale that is voided do, or aside where they were."""
    status = buckets.status_of_bucket(line.bucket)
    if status:
        return buckets.put_aside(position, line.quantity, status, source=line.to)
    return put_back(position, line.quantity, line.bucket, pool, pools=pools, source=line.to)


def _shift_back(position: Position, line: Line) -> Change:
    """Units that changed their bucket change it back as far as they are there; what a fence lacks no more is free."""
    units = line.quantity if line.to == DEFICIT else min(line.quantity, buckets.units_in(position, line.to))
    pool = buckets.fence_of_bucket(line.bucket)
    room, rest = units, 0
    if line.bucket == DEFICIT:
        room = min(units, position.deficit)
    elif pool:
        fence = buckets.fence_of(position, pool)
        room = min(units, max(0, fence.lacking)) if fence is not None else 0
        rest = units - room if line.to != FREE else 0
    moves: list[Move] = []
    position = buckets.move(position, Move(line.to, line.bucket, room), moves)
    position = buckets.move(position, Move(line.to, FREE, rest), moves)
    return Change(position, tuple(moves))
