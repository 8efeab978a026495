"""One transfer, as a command changes it: units are sent, received, and at last lost."""

from hub.domain import buckets, serials
from hub.domain.buckets import HAND, LOST, UNANNOUNCED, VARIANCE, Change, Move
from hub.domain.command import Line
from hub.domain.draft import Draft, House
from hub.domain.entry import Movement
from hub.domain.holding.keeping import let_go
from hub.domain.holding.travelling import (
    Journey,
    arrive_held,
    arrive_with,
    depart_with,
    miss_held,
    traveller,
    units_held,
)
from hub.domain.serials import Piece
from hub.domain.shifting import paired
from hub.domain.transit import CLOSED, OPEN, Record, known_transfer, stored_transfer

# What of a transfer is kept for somebody: pairs of a SKU and a hold. Each takes some 0.3 ms of Redis when it arrives.
HELD_MAX = 500


class Account:
    """What was sent and received of one transfer, as this command changes it."""

    def __init__(self, draft: Draft, house: House, id: str, to: str, known: Record) -> None:
        self._draft = draft
        self._house = house
        self._pools = list(house.pool_index)
        self._id = id
        self._to = to
        self._journey = Journey(id, to)
        self._transit = buckets.transit_bucket(id)
        self._is_final = known.is_final
        # By SKU: sent, received.
        self._sums = {sku: (sent, received) for sku, sent, received in known.sums}
        # By SKU and location, in their order; and the SKUs alone.
        self._unnamed = dict.fromkeys(known.unnamed)
        self._unnamed_skus = {sku for sku, _ in known.unnamed}
        self._since_ms = known.since_ms if known.version else draft.now_ms

    def send(self, line: Line, order: str = "") -> None:
        """Take units off the shelf: for what arrived unannounced, then into transit, where an order keeps its own."""
        serials.sent(self._draft, line, self._id, self._to)
        if line.quantity > len(line.serials):
            self._unnamed[line.sku, line.location] = None
            self._unnamed_skus.add(line.sku)
        sent, received = self._sums.get(line.sku, (0, 0))
        cancelled = min(line.quantity, max(0, received - sent))
        rest = line.quantity - cancelled
        onto = LOST if self._is_final else self._transit
        given = (Move(HAND, UNANNOUNCED, cancelled), Move(HAND, onto, rest))
        self._depart(line, order, given, 0 if self._is_final else rest)
        self._sums[line.sku] = (sent + line.quantity, received)
        if self._is_final:
            self._draft.alert("discrepancy", self._draft.sku_number(line.sku), self._to, rest)

    def _depart(self, line: Line, order: str, given: tuple[Move, ...], room: int) -> None:
        """Units leave the shelf; so many of them may stay an order's on the way."""
        account = traveller(self._draft, self._house, order, line.sku, self._journey)
        pool = account.hold.pool if account is not None and account.hold is not None else ""
        gone = account.leave_with(line) if account is not None else []
        own = sum(each.quantity for each in gone)
        if self._draft.has_counted(line):
            change = Change(self._draft.touch(line), (Move(VARIANCE, HAND, line.quantity),))
            self._draft.keep(line, Change(change.position, paired(change.moves, given)))
            # The count has seen them gone: what they were kept for is all that ends here.
            for each in gone:
                let_go(self._draft, pool, line.sku, each)
        else:
            change = depart_with(self._draft.touch(line), line.quantity, gone, pool, pools=self._pools)
            moves = paired(change.moves, given)
            self._draft.keep(line, Change(change.position, moves, change.alerts), own=own)
        if account is not None:
            account.travel(line.sku, own, room)

    def receive(self, line: Line) -> None:
        """Bring units onto the shelf, out of transit, then unannounced; a person looks at suspect ones."""
        suspects = serials.received(self._draft, line, self._id, lambda known: self._may_bring(line, known))
        held = units_held(self._draft, self._journey, line.sku)
        if self._draft.has_counted(line):
            self._bring(line, Change(self._draft.touch(line), (Move(HAND, VARIANCE, line.quantity),)))
            miss_held(self._draft, self._house, self._journey, line.sku, min(held, line.quantity))
            return
        clean, doubtful = serials.parted(line, suspects)
        held = min(held, clean.quantity)
        change = arrive_with(self._draft.touch(line), clean.quantity, held, pools=self._pools)
        self._bring(clean, change)
        change = buckets.put_aside(self._draft.touch(line), doubtful.quantity, serials.INSPECTION, source=HAND)
        self._bring(doubtful, change)
        arrive_held(self._draft, self._house, self._journey, line.sku, held)
        # Units that a person looks at are none of theirs yet.
        sent, received = self._sums[line.sku]
        beyond = units_held(self._draft, self._journey, line.sku) - max(0, sent - received)
        miss_held(self._draft, self._house, self._journey, line.sku, max(0, beyond), newest_first=True)

    def _bring(self, line: Line, change: Change) -> None:
        sent, received = self._sums.get(line.sku, (0, 0))
        found = min(line.quantity, max(0, sent - received))
        source = LOST if self._is_final else self._transit
        taken = (Move(source, HAND, found), Move(UNANNOUNCED, HAND, line.quantity - found))
        self._draft.keep(line, Change(change.position, paired(taken, change.moves)))
        self._sums[line.sku] = (sent, received + line.quantity)
        if self._is_final:
            self._draft.alert("discrepancy", self._draft.sku_number(line.sku), self._to, line.quantity - found)

    def _may_bring(self, line: Line, known: Piece | None) -> bool:
        """Whether the piece is one that was sent, or may be one of those that were sent without saying which."""
        if known is None:
            return line.sku in self._unnamed_skus
        if known.state == serials.TRANSIT:
            return known.transfer in ("", self._id)
        is_here = known.location == line.location
        return known.state == serials.SHELF and (is_here or (line.sku, known.location) in self._unnamed)

    def finish(self) -> None:
        """Nothing more will arrive: what is still in transit is lost, and somebody hears of what was never sent."""
        if self._is_final:
            return
        self._is_final = 1
        for sku, (sent, received) in self._sums.items():
            if sent == received:
                continue
            number = self._draft.sku_number(sku)
            if sent > received:
                self._draft.movements.append(Movement(number, self._to, self._transit, LOST, sent - received))
            self._draft.alert("discrepancy", number, self._to, abs(sent - received))
            miss_held(self._draft, self._house, self._journey, sku, units_held(self._draft, self._journey, sku))

    def keep(self, version: int) -> None:
        """Remember the transfer, in another place once it is final."""
        sums = tuple((sku, sent, received) for sku, (sent, received) in self._sums.items())
        table = CLOSED if self._is_final else OPEN
        if self._is_final and self._draft.record(OPEN, self._id) is not None:
            self._draft.set_record(OPEN, self._id, None)
        unnamed, since_ms = tuple(self._unnamed), self._since_ms
        # As the holds are by now.
        held = known_transfer(self._draft, self._id).held
        if len(held) > HELD_MAX:
            self._draft.park(f"a transfer keeps units for at most {HELD_MAX} lines of orders")
        record = Record(version, self._to, self._is_final, sums, unnamed=unnamed, since_ms=since_ms, held=held)
        self._draft.set_record(table, self._id, stored_transfer(record))
