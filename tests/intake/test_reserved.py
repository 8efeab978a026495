"""How a reservation is told at a time: what is over is over, given back already or not."""

from hub.access import Claims
from hub.domain.holding.hold import Allocation, Hold, Part, State, reservation_name
from hub.intake.reserved import as_of, may_place, may_see, reservation

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
