"""What is known of one order and what is kept for it, as a command changes them."""

from collections.abc import Iterable

import msgspec

from hub.domain import buckets
from hub.domain.command import Line
from hub.domain.draft import Draft, House
from hub.domain.holding import reserving
from hub.domain.holding.hold import KEPT, Hold, Part, State, detach, units_of
from hub.domain.holding.in_transit import came_unsaid
from hub.domain.holding.keeping import keep_hold, known_hold, leave, let_go, taken
from hub.domain.holding.orders import (
    ENDED_ORDERS,
    ORDERS,
    Order,
    OrderLine,
    order_from,
    order_name,
    renamed,
    stored_order,
)
from hub.domain.holding.owing import owed_parts, sorted_parts, stand_in_line
from hub.domain.holding.placing import Wish, demands_of, find
from hub.domain.holding.replacing import promised_parts


def known_order(draft: Draft, id: str) -> Order:
    """What is remembered of an order; an empty one when nothing is."""
    value = draft.record(ORDERS, id) or draft.record(ENDED_ORDERS, id)
    return renamed(order_from(value), draft.house_name) if value is not None else Order()


class Account:
    """An order and its hold; `keep` remembers both."""

    def __init__(self, draft: Draft, house: House, id: str) -> None:
        self._draft = draft
        self._house = house
        self._id = id
        self._name = order_name(id)
        self.order = known_order(draft, id)
        # None while the order was not placed.
        self.hold: Hold | None = known_hold(draft, self._name)
        # (location, units) that left where they were kept, by the last fulfilment.
        self._left_at: list[tuple[str, int]] = []

    def keep(self) -> None:
        """Remember the order and its hold, and whether it stands in line for anything."""
        if self.hold is not None:
            for line in self.order.lines:
                self._settle_waiting(line)
            for sku in dict.fromkeys([*self.hold.skus, *(line.sku for line in self.order.lines)]):
                stand_in_line(self._draft, self._name, self.hold, sku)
            keep_hold(self._draft, self._name, self.hold)
        if not self.order.is_over:
            self._draft.set_record(ORDERS, self._id, stored_order(self.order))
            return
        if self._draft.record(ORDERS, self._id) is not None:
            self._draft.set_record(ORDERS, self._id, None)
        self._draft.set_record(ENDED_ORDERS, self._id, stored_order(self.order))

    def sell(self, line: Line) -> int:
        """A till sold units for the order; how many left, less those that a fulfilment has seen leave already."""
        old = self.order.line(line.sku)
        new = msgspec.structs.replace(old, sold=old.sold + line.quantity)
        out = self._tell(old, new, line.location)
        self._correct(line, line.quantity - out)
        return out

    def join(self, reserved: Hold) -> None:
        """Count units that left for a reservation as sold; what a fulfilment counted before comes back."""
        for part in (part for part in reserved.parts if part.state == State.fulfilled):
            old = self.order.line(part.sku)
            new = msgspec.structs.replace(old, sold=old.sold + part.quantity)
            twice = old.out + part.quantity - new.out
            if twice and old.left_from:
                self._come_back(Line(part.sku, old.left_from, twice))
            self.order = self.order.with_line(new)

    def regret(self, line: Line) -> None:
        """A sale for the order did not stand and its units are back; what a fulfilment has seen leave leaves again."""
        old = self.order.line(line.sku)
        new = msgspec.structs.replace(old, sold=max(0, old.sold - line.quantity))
        gone = line.quantity - (old.out - new.out)
        self.order = self.order.with_line(new)
        if gone:
            self._take(msgspec.structs.replace(line, quantity=gone))
        self.bring(Line(line.sku, "", 0), 0)

    def fulfil(self, line: Line) -> None:
        """Units left: from the line's location, or from where they are kept; or they wait to be anywhere."""
        old = self.order.line(line.sku)
        new = msgspec.structs.replace(old, fulfilled=old.fulfilled + line.quantity)
        if not line.location:
            waiting = max(0, new.out - old.out - self._placed(line.sku))
            new = msgspec.structs.replace(new, fulfilled=new.fulfilled - waiting, waiting=old.waiting + waiting)
        out = self._tell(old, new, line.location)
        self._left_at.clear()
        left = self.bring(line, out)
        if not line.location:
            own = self.order.line(line.sku)
            self.order = self.order.with_line(msgspec.structs.replace(own, guessed=(*own.guessed, *self._left_at)))
        if left and line.location:
            self._take(msgspec.structs.replace(line, quantity=left))

    def fulfil_what_waited(self, sku: str) -> None:
        """Units that were fulfilled before they were anywhere leave from where they are by now."""
        line = self.order.line(sku)
        if line.waiting:
            self.order = self.order.with_line(msgspec.structs.replace(line, waiting=0))
            self.fulfil(Line(sku, "", line.waiting))

    def bring(self, line: Line, out: int) -> int:
        """Keep what is due of a SKU, `out` units of it leaving as the line says.

        They leave from the line's location, or where they are kept when it names none. Answers how many of them were
        not kept there.
        """
        if self.hold is None:
            return out
        sku = line.sku
        parts, coming, owed = sorted_parts(self.hold.parts, sku)
        kept = self._placed(sku)
        coming, units = came_unsaid(parts, coming, line, out)
        gone, parts = detach(parts, sku, min(out - units, kept), KEPT, at=line.location)
        left = out - self._leave(line, gone)
        kept, units = kept - units_of(gone), units + units_of(gone)
        surplus = kept + units_of(coming) + owed - self.order.due(sku)
        ended = [Part(sku, units, State.fulfilled)] if units else []
        if surplus > 0:
            ended.append(Part(sku, surplus, State.released))
            owed, surplus = max(0, owed - surplus), max(0, surplus - owed)
            # What is still to come goes before what lies ready.
            back, parts = detach([*coming, *parts], sku, surplus, KEPT)
            coming = []
            for each in (each for part in back for each in part.allocations):
                let_go(self._draft, self.hold.pool, sku, each)
        elif surplus < 0:
            more, lacking = self._had(sku, -surplus)
            parts, owed = [*parts, *more], owed + lacking
            self._draft.lack(sku, self._name, lacking)
        self._keep_parts([*parts, *coming, *ended, *owed_parts(sku, owed)])
        return left

    def serve(self, sku: str, location: str) -> None:
        """Take for what the order stands in line for what is free at a location, as far as it may have it."""
        assert self.hold is not None
        parts, coming, owed = sorted_parts(self.hold.parts, sku)
        if self.hold.only and location not in self.hold.only:
            return
        promised = sum(each.quantity for part in coming for each in part.allocations if each.is_promised)
        more = self._forced(sku, owed + promised, only=(location,))
        found = units_of(more)
        if found:
            left = max(0, owed - found)
            _, coming = detach(coming, sku, found - (owed - left), KEPT, fits=lambda each: each.is_promised)
            self._keep_parts([*parts, *more, *coming, *owed_parts(sku, left)])
            self.fulfil_what_waited(sku)
            self.keep()

    def lose(self, sku: str, location: str, units: int) -> int:
        """Something else took units that were kept at a location: others are kept, or they are owed; how many."""
        assert self.hold is not None
        there = [
            each
            for part in self._kept(sku)
            for each in part.allocations
            if each.is_placed and each.location == location
        ]
        lost = min(units, sum(each.quantity for each in there))
        if not lost:
            return 0
        parts, coming, owed = sorted_parts(self.hold.parts, sku)
        gone, parts = detach(parts, sku, lost, KEPT, at=location)
        fenced = sum(each.fenced for part in gone for each in part.allocations)
        position = self._draft.position(sku, location)
        self._draft.keep_held(Line(sku, location, lost), reserving.forget(position, fenced, self.hold.pool))
        more = self._forced(sku, lost)
        lacking = lost - units_of(more)
        self._draft.alert("reservation_broken", self._draft.sku_number(sku), location, lacking, "", self._name)
        self._keep_parts([*parts, *more, *coming, *owed_parts(sku, owed + lacking)])
        self.keep()
        return lost

    def _settle_waiting(self, line: OrderLine) -> None:
        """More was fulfilled, nobody says where, than is owed: nothing that comes will be that."""
        owed = sum(each.quantity for part in self._kept(line.sku) for each in part.allocations if not each.is_placed)
        beyond = line.waiting - owed
        if beyond > 0:
            self.order = self.order.with_line(msgspec.structs.replace(line, waiting=owed))
            self._draft.alert("discrepancy", self._draft.sku_number(line.sku), "", beyond)

    def _correct(self, line: Line, units: int) -> None:
        """A till sold units that a fulfilment has seen leave: where that only guessed, they left from the till."""
        own = self.order.line(line.sku)
        kept: list[tuple[str, int]] = []
        for location, guessed in own.guessed:
            some = min(units, guessed)
            units -= some
            if some and location != line.location:
                self._come_back(Line(line.sku, location, some))
                self._take(Line(line.sku, line.location, some))
            if guessed > some:
                kept.append((location, guessed - some))
        if tuple(kept) != own.guessed:
            self.order = self.order.with_line(msgspec.structs.replace(own, guessed=tuple(kept)))

    def _come_back(self, line: Line) -> None:
        """Units that had left come back to where they left."""
        if self._draft.has_counted(line):
            self._draft.pass_by(line, line.quantity, buckets.CUSTOMER)
            return
        position = self._draft.position(line.sku, line.location)
        pools = list(self._house.pool_index)
        self._draft.keep(line, buckets.arrive(position, line.quantity, source=buckets.CUSTOMER, pools=pools))

    def _tell(self, old: OrderLine, new: OrderLine, location: str) -> int:
        out = new.out - old.out
        if out and location:
            new = msgspec.structs.replace(new, left_from=location)
        self.order = self.order.with_line(new)
        return out

    def _kept(self, sku: str) -> list[Part]:
        return [part for part in self.hold.parts if part.sku == sku and part.state in KEPT] if self.hold else []

    def _placed(self, sku: str) -> int:
        return sum(each.quantity for part in self._kept(sku) for each in part.allocations if each.is_placed)

    def _keep_parts(self, parts: Iterable[Part]) -> None:
        assert self.hold is not None
        self.hold = msgspec.structs.replace(self.hold, parts=tuple(parts))

    def _forced(self, sku: str, units: int, *, only: tuple[str, ...] | None = None) -> list[Part]:
        """Parts with units found by force, as many as there are."""
        hold = self.hold
        assert hold is not None
        wish = Wish(hold.pool, hold.only if only is None else only, hold.prefer, is_split=True, is_forced=True)
        found = find(self._draft, self._house, wish, demands_of([(sku, "", units)] if units else []))
        return taken(self._draft, hold.pool, found.places, State.confirmed)

    def _had(self, sku: str, units: int) -> tuple[list[Part], int]:
        """Parts with units found by force, else promised; and how many neither are there nor may be promised."""
        assert self.hold is not None
        parts = self._forced(sku, units)
        left = units - units_of(parts)
        more = promised_parts(self._draft, self._house, self.hold, sku, left, is_anew=False)
        parts += [msgspec.structs.replace(part, state=State.confirmed) for part in more]
        return parts, units - units_of(parts)

    def _leave(self, line: Line, gone: Iterable[Part]) -> int:
        """Units go to the customer from where the line says, or where they are; those kept elsewhere go back there."""
        assert self.hold is not None
        units = 0
        for each in (each for part in gone for each in part.allocations):
            serials = line.serials if each.quantity == line.quantity else ()
            here = msgspec.structs.replace(line, location=each.location, quantity=each.quantity, serials=serials)
            if line.location not in ("", each.location):
                let_go(self._draft, self.hold.pool, line.sku, each)
            elif self._draft.has_counted(here):
                # A count that has seen the units leave has seen them gone: what they were kept for is all that ends.
                let_go(self._draft, self.hold.pool, line.sku, each)
                if not line.location:
                    self._draft.pass_by(here, -each.quantity, buckets.CUSTOMER)
                    units += each.quantity
            else:
                leave(self._draft, self.hold.pool, here, each)
                units += each.quantity
                self._left_at.append((each.location, each.quantity))
        return units

    def _take(self, line: Line) -> None:
        """Units that were not kept there left all the same, as if sold."""
        if self._draft.has_counted(line):
            self._draft.pass_by(line, -line.quantity, buckets.CUSTOMER)
            return
        position = self._draft.position(line.sku, line.location)
        pools = list(self._house.pool_index)
        self._draft.keep(line, buckets.sell(position, line.quantity, self.order.pool, pools=pools))
