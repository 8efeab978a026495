"""How a reservation is told at a time: what is over is over, given back already or not."""

import msgspec

from hub.access import Claims
from hub.domain.holding.hold import Allocation, Hold, Part, State, reservation_name
from hub.domain.holding.orders import Order, OrderLine
from hub.intake.orders import told_order
from hub.intake.reserved import Beside, as_of, may_place, may_see, reservation

HOLD = Hold(
    number=7,
    pool="online",
    owner="anna",
    kind="cart",
    hash="content",
    made_at_ms=0,
    parts=(
        Part("BAG", 2, State.held, 1_000, (Allocation("LON", 1), Allocation("PAR", 1))),
        Part("BAG", 1, State.confirmed, 0, (Allocation("LON", 1),)),
        Part("BOX", 1, State.held, 2_000, (Allocation("PAR", 1),)),
        Part("BOX", 3, State.released),
    ),
)
NAME = reservation_name("r-1")


def test_the_first_units_to_end_say_when_and_places_are_told_together() -> None:
    told = reservation(NAME, HOLD, 999)

    assert (told.id, told.state, told.expires_at) == ("r-1", "held", "1970-01-01T00:00:01.000Z")
    bag, box = told.lines
    assert (bag.quantity, bag.confirmed, bag.expired) == (3, 1, 0)
    assert [(each.location, each.quantity) for each in bag.allocations] == [("LON", 2), ("PAR", 1)]
    assert (box.quantity, box.released) == (4, 3)


def test_units_whose_time_is_over_are_told_as_expired_and_lie_nowhere() -> None:
    told = reservation(NAME, HOLD, 1_000)

    assert (told.state, told.expires_at) == ("held", "1970-01-01T00:00:02.000Z")
    assert (told.lines[0].expired, told.lines[0].confirmed) == (2, 1)
    assert [(each.location, each.quantity) for each in told.lines[0].allocations] == [("LON", 1)]

    later = reservation(NAME, HOLD, 2_000)
    assert (later.state, later.expires_at, later.lines[1].allocations) == ("confirmed", None, ())
    assert as_of(HOLD, 2_000).due_at_ms == 0


def test_who_may_see_it_is_its_owner_or_a_clerk_for_its_pool_and_places() -> None:
    def sees(sub: str = "anna", scope: str = "", pool: str = "*", *locations: str) -> bool:
        claims = Claims(sub, sub, frozenset({scope}), frozenset({pool}), frozenset(locations or ("*",)))
        return may_see(HOLD, claims)

    assert sees()
    assert not sees("bert")
    assert sees("bert", "reservations:any")
    assert not sees("anna", "", "vip")
    assert sees("anna", "", "online", "LON", "PAR")
    assert not sees("anna", "", "online", "LON")


def test_units_are_found_anew_only_where_both_the_reservation_and_the_token_allow() -> None:
    shop = Claims("anna", "anna", locations=frozenset({"LON", "PAR"}))
    only_london = Hold(7, "online", "anna", "cart", "content", 0, only=("LON",))
    also_lyon = Hold(7, "online", "anna", "cart", "content", 0, only=("LON", "LYS"))

    assert [may_place(hold, shop) for hold in (HOLD, only_london, also_lyon)] == [False, True, False]
    assert may_place(HOLD, Claims("anna", "anna", locations=frozenset({"*"})))


COMING = Hold(
    number=8,
    pool="online",
    owner="anna",
    kind="cart",
    hash="content",
    made_at_ms=0,
    parts=(
        Part("BAG", 3, State.held, 1_000, (Allocation("LON", 2, 0, "purchase_order:PO-1"), Allocation("LON", 1))),
        Part("BAG", 2, State.confirmed, 0, (Allocation("LON", 1, 0, "purchase_order:PO-1"), Allocation("PAR", 1))),
        Part("BOX", 2, State.confirmed, 0, (Allocation("PAR", 1, 0, "transfer:T-1"), Allocation("", 1))),
        Part("HAT", 1, State.held, 1_000, (Allocation("LON", 1, 0, "purchase_order:PO-1"),)),
    ),
)


def test_what_is_to_bring_units_is_told_in_place_of_where_they_lie() -> None:
    told = reservation(NAME, COMING, 1, Beside(etas={("BAG", "LON", "PO-1"): 2_000}))

    bag, box, hat = (msgspec.json.decode(msgspec.json.encode(line.allocations)) for line in told.lines)
    assert bag == [
        {"purchase_order": "PO-1", "quantity": 3, "eta": "1970-01-01T00:00:02.000Z"},
        {"location": "LON", "quantity": 1},
        {"location": "PAR", "quantity": 1},
    ]
    # What is owed is nowhere, and of a purchase order that is forgotten nobody knows when.
    assert box == [{"transfer": "T-1", "quantity": 1}]
    assert hat == [{"purchase_order": "PO-1", "quantity": 1}]


def test_what_is_to_come_counts_by_its_location_for_who_may_see_it() -> None:
    def sees(*locations: str) -> bool:
        return may_see(COMING, Claims("anna", "anna", pools=frozenset({"*"}), locations=frozenset(locations)))

    assert sees("LON", "PAR")
    assert not sees("LON")
    assert not sees("PAR")


def test_an_order_tells_what_is_to_come_apart_from_what_is_owed() -> None:
    order = Order("online", 1, 0, lines=(OrderLine("BOX", 2), OrderLine("BAG", 4)))

    told = told_order("o-1", order, COMING, {("BAG", "LON", "PO-1"): 2_000})

    box, bag = msgspec.json.decode(msgspec.json.encode(told.lines))
    assert (box["allocations"], box["shortfall"]) == ([{"transfer": "T-1", "quantity": 1}], 1)
    assert bag["allocations"][0] == {"purchase_order": "PO-1", "quantity": 3, "eta": "1970-01-01T00:00:02.000Z"}
    assert bag["shortfall"] == 0
