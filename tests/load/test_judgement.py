"""Each fault that a load can find is found, and nothing else is."""

from collections.abc import Callable

import msgspec
import pytest

from hub.load.books import Books, SkuBook
from hub.load.judgement import Judgement, judge
from hub.load.stock import Position
from hub.load.telling import SocketsTold

# 100 units of two SKUs; of the first 30 were sold, and 3 of 5 that were held were given back.
BEFORE = [Position("LON", on_hand=100), Position("LON", on_hand=100)]
AFTER = [Position("LON", on_hand=70, reserved=2), Position("LON", on_hand=100)]


def books() -> Books:
    return Books(
        skus={0: SkuBook(sold=30, granted=5, given_back=3, leaving=3)},
        events=30,
        hold_requests=9,
        answers={"applied": 28, "accepted": 2, "reserve": 5, "confirm": 1, "release": 3},
    )


def judged(
    change: Callable[[Books], None] | None = None,
    after: list[Position] | None = None,
    sockets: SocketsTold | None = None,
) -> Judgement:
    found = books()
    if change is not None:
        change(found)
    return judge("LOAD", BEFORE, after or AFTER, found, [sockets or SocketsTold(asked=4, current=4)])


def test_one_story_is_clean() -> None:
    found = judged()

    assert found == Judgement(is_clean=True, findings=[], skus=2, events=30, granted=5, sockets=4)


def test_refusals_and_what_was_unknown_and_settled_are_no_fault() -> None:
    def change(found: Books) -> None:
        found.events += 7
        found.answers["refused"] = 7
        found.refusals["409 conflict"] = 7
        found.unknown["503"] = 9
        found.settled = 9

    assert judged(change).is_clean


@pytest.mark.parametrize("on_hand", [69, 71])
def test_a_unit_more_or_less_than_was_answered_is_found(on_hand: int) -> None:
    [finding] = judged(after=[msgspec.structs.replace(AFTER[0], on_hand=on_hand), AFTER[1]]).findings

    assert (finding.kind, finding.text) == ("stock", f"LOAD-00000: 100 − 30 sold = 70, but {on_hand} are there")


def test_a_sale_of_somebody_else_is_found_where_this_load_sold_nothing() -> None:
    [finding] = judged(after=[AFTER[0], Position("LON", on_hand=99)]).findings

    assert (finding.kind, finding.text[:10]) == ("stock", "LOAD-00001")


def test_what_was_owed_in_the_end_is_part_of_the_sum() -> None:
    def change(found: Books) -> None:
        found.skus[0] = SkuBook(sold=130)

    assert judged(change, after=[Position("LON", on_hand=0, deficit=30), AFTER[1]]).is_clean


def test_units_held_that_nobody_holds_are_found() -> None:
    [finding] = judged(after=[msgspec.structs.replace(AFTER[0], reserved=3), AFTER[1]]).findings

    assert finding.kind == "reserved"


def test_more_granted_than_there_was_is_an_oversell() -> None:
    def change(found: Books) -> None:
        found.skus[0].excess = 2

    [finding] = judged(change).findings
    assert (finding.kind, finding.text[:13]) == ("oversold", "LOAD-00000: 2")


def test_what_a_sale_took_from_its_holder_is_no_oversell() -> None:
    def change(found: Books) -> None:
        found.skus[0].excess = found.skus[0].broken = 1

    assert judged(change, after=[msgspec.structs.replace(AFTER[0], reserved=1), AFTER[1]]).is_clean


def test_an_answer_that_is_missing_or_wrong_is_found() -> None:
    def missing(found: Books) -> None:
        found.answers["applied"] -= 1

    def wrong(found: Books) -> None:
        found.wrong, found.wrong_told = 1, ["sale x: 200 []"]

    def unsettled(found: Books) -> None:
        found.events += 2
        found.unsettled = 2

    assert [finding.kind for finding in judged(missing).findings] == ["answers"]
    assert "sale x: 200 []" in judged(wrong).findings[0].text
    assert [finding.kind for finding in judged(unsettled).findings] == ["unsettled"]


def test_a_load_of_which_nothing_was_booked_proves_nothing() -> None:
    refused = Books(events=5, answers={"refused": 5}, refusals={"403 forbidden": 5})

    [finding] = judge("LOAD", BEFORE, BEFORE, refused, []).findings

    assert (finding.kind, "5 × 403 forbidden" in finding.text) == ("nothing", True)


def test_a_stock_that_nobody_tells_is_not_judged_and_not_clean() -> None:
    found = judge("LOAD", BEFORE, "no hub answers", books(), [SocketsTold(asked=4, current=4)])

    assert not found.is_clean
    assert [(finding.kind, "no hub answers" in finding.text) for finding in found.findings] == [("unjudged", True)]
    assert found.skus == 0


def test_sockets_that_are_behind_or_went_back_are_found() -> None:
    behind = [f"socket {number}, LOAD-00000: it has 3 at rev 4" for number in range(10)]
    told = SocketsTold(asked=20, current=8, behind=behind, went_back=1)

    found = judged(sockets=told).findings

    assert [finding.kind for finding in found] == ["sockets"] * 11 + ["went_back"]
    assert found[10].text == "… and 2 more sockets"


def test_of_many_skus_the_first_are_told_and_the_rest_counted() -> None:
    before = [Position("LON", on_hand=1)] * 25
    after = [Position("LON", on_hand=0)] * 25

    found = judge("LOAD", before, after, books(), []).findings

    assert len([finding for finding in found if finding.kind == "stock"]) == 11
    assert "… and 15 more SKUs" in [finding.text for finding in found]
