"""What follows for promises when a purchase order is received, late or short.

Units that came of a line are for those to whom its units were promised, first come, first served, as far as the deficit
and fences of the location left any free. Where more is promised than still comes, the newest hold loses its promise
first, one that nobody confirmed before one that somebody did: it gets other units or another promise, else an order's
are owed and a reservation's are broken.
"""

import msgspec

from hub.domain.draft import Draft, House
from hub.domain.expected import TABLE, ExpectedLine, line_of, lines_in
from hub.domain.holding.account import Account
from hub.domain.holding.hold import KEPT, LIVE, PURCHASE_ORDER, Part, State, detach, hold_from, units_of
from hub.domain.holding.keeping import keep_hold, taken
from hub.domain.holding.orders import id_of, is_order
from hub.domain.holding.owing import LINE_UP, owed_parts, sorted_parts
from hub.domain.holding.placing import Wish, demands_of, find
from hub.domain.holding.promises import waiting_for
from hub.domain.holding.replacing import promised_parts, replaced, standing_in, tell_arrived, tell_late


class WaitingOrder(Account):
    """An order to which units of purchase orders are promised."""

    def receive(self, sku: str, location: str, coming_by: str, units: int) -> int:
        """Units that were promised came: what is free of them at the location is kept; how many."""
        assert self.hold is not None
        more = self._forced(sku, units, only=(location,))
        found = units_of(more)
        if found:
            _, parts = detach(self.hold.parts, sku, found, KEPT, fits=lambda each: each.is_from(location, coming_by))
            self._keep_parts([*parts, *more])
            self.fulfil_what_waited(sku)
            self.keep()
        return found

    def lose_promise(self, sku: str, line: ExpectedLine, units: int) -> None:
        """Units that a purchase order was to bring do not come: others are kept or promised, or they are owed."""
        assert self.hold is not None
        location, coming_by = line.location, PURCHASE_ORDER + line.purchase_order
        _, parts = detach(self.hold.parts, sku, units, KEPT, fits=lambda each: each.is_from(location, coming_by))
        parts, coming, owed = sorted_parts(parts, sku)
        more = self._forced(sku, units)
        tell_arrived(self._draft, (self._name, self.hold.pool), more)
        anew = self._promised_anew(sku, units - units_of(more))
        tell_late(self._draft, (self._name, self.hold.pool), anew, line.eta_ms)
        more += anew
        lacking = units - units_of(more)
        self._draft.alert("promise_short", self._draft.sku_number(sku), location, lacking, self.hold.pool, self._name)
        self._draft.alert("oversold", self._draft.sku_number(sku), "", lacking, "", self._name)
        self._keep_parts([*parts, *more, *coming, *owed_parts(sku, owed + lacking)])
        self.fulfil_what_waited(sku)
        self.keep()

    def promise(self, sku: str) -> None:
        """Promise to the order what is owed to it, as far as enough is still to come."""
        assert self.hold is not None
        parts, coming, owed = sorted_parts(self.hold.parts, sku)
        more = self._promised_anew(sku, owed)
        if more:
            left = owed - units_of(more)
            self._keep_parts([*parts, *coming, *more, *owed_parts(sku, left)])
            self.keep()

    def _promised_anew(self, sku: str, units: int) -> list[Part]:
        assert self.hold is not None
        parts = promised_parts(self._draft, self._house, self.hold, sku, units)
        return [msgspec.structs.replace(part, state=State.confirmed) for part in parts]


def promise_owed(draft: Draft, house: House) -> None:
    """Promise to orders what is owed to them, the first in line first; they stay in line for what comes before.

    What an order has found neither there nor to be promised, and is owed still, nobody has.
    """
    touched, lacking = (sku for sku, _ in draft.touched()), (sku for sku, _ in draft.lacking)
    for sku in dict.fromkeys([*touched, *draft.fields_set(TABLE), *lacking]):
        for name in draft.record(LINE_UP, sku) or () if draft.record(TABLE, sku) else ():
            WaitingOrder(draft, house, id_of(name)).promise(sku)
    for (sku, name), units in draft.lacking.items():
        hold = draft.record(LIVE, name)
        owed = sorted_parts(hold_from(hold).parts, sku)[2] if hold is not None else 0
        draft.alert("oversold", draft.sku_number(sku), "", min(units, owed), "", name)


def tell_delays(draft: Draft) -> None:
    """Say to whom units are promised that are expected later than before."""
    for sku, location, order in draft.delayed:
        for each in waiting_for(draft, sku, location, order):
            number, units = draft.sku_number(sku), each.held + each.sold
            draft.alert("promise_late", number, location, units, each.pool, each.name)


def serve_promises(draft: Draft, house: House) -> None:
    """Keep what arrived of purchase orders for those to whom it was promised."""
    for (sku, location, order), arrived in draft.arrived.items():
        units = min(arrived, line_of(draft, sku, location, order).promised)
        for each in waiting_for(draft, sku, location, order):
            served = _serve(draft, house, each.name, (sku, location, order), min(units, each.held + each.sold))
            units -= served
            draft.alert("promise_arrived", draft.sku_number(sku), location, served, each.pool, each.name)


def mend_promises(draft: Draft, house: House) -> None:
    """Take back what is promised beyond what still comes; of those that lose the first gets others first."""
    for sku in draft.fields_set(TABLE):
        for line in lines_in(draft.record(TABLE, sku)):
            for name, units, state in reversed(_losing(draft, sku, line)):
                _lose(draft, house, name, sku, line, units, state)


def _losing(draft: Draft, sku: str, line: ExpectedLine) -> list[tuple[str, int, State]]:
    """Who loses units of a line of which more is promised than comes, the one that loses first at the front."""
    excess = line.promised - line.outstanding
    found: list[tuple[str, int, State]] = []
    if excess <= 0:
        return found
    waiting = waiting_for(draft, sku, line.location, line.purchase_order)
    for state in (State.held, State.confirmed):
        for each in reversed(waiting):
            units = min(excess, each.held if state == State.held else each.sold)
            if units:
                found.append((each.name, units, state))
                excess -= units
    return found


def _serve(draft: Draft, house: House, name: str, place: tuple[str, str, str], units: int) -> int:
    """Keep so many units of those that arrived for a hold that waits for them; how many there were."""
    sku, location, order = place
    coming_by = PURCHASE_ORDER + order
    if is_order(name):
        return WaitingOrder(draft, house, id_of(name)).receive(sku, location, coming_by, units)
    hold = hold_from(draft.record(LIVE, name))
    wish = Wish(hold.pool, (location,), is_split=True, is_forced=True)
    found = find(draft, house, wish, demands_of([(sku, "", units)] if units else []))
    came = sum(each.quantity for each in found.places)
    if came:
        gone, rest = detach(hold.parts, sku, came, KEPT, fits=lambda each: each.is_from(location, coming_by))
        parts = standing_in(taken(draft, hold.pool, found.places, State.held), gone)
        keep_hold(draft, name, msgspec.structs.replace(hold, parts=(*parts, *rest)))
    return came


def _lose(draft: Draft, house: House, name: str, sku: str, line: ExpectedLine, units: int, state: State) -> None:
    """Take back so many units in one state that a line was to bring for a hold."""
    if is_order(name):
        WaitingOrder(draft, house, id_of(name)).lose_promise(sku, line, units)
        return
    hold = hold_from(draft.record(LIVE, name))
    coming_by = PURCHASE_ORDER + line.purchase_order
    gone, rest = detach(hold.parts, sku, units, (state,), fits=lambda each: each.is_from(line.location, coming_by))
    for part in gone:
        kept = replaced(draft, house, (name, hold), part, line.location, eta_ms=line.eta_ms)
        lacking = sum(each.quantity for each in kept if each.state == State.broken)
        draft.alert("promise_short", draft.sku_number(sku), line.location, lacking, hold.pool, name)
        rest += kept
    keep_hold(draft, name, msgspec.structs.replace(hold, parts=tuple(rest)))
