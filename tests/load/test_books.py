"""What answers add up to."""

import msgspec
import pytest

from hub.load.books import Bookkeeper, Books, SkuBook
from hub.load.holds import Hold
from tests.load.answering import held, problem, said, writer

TIME = "2026-11-22T10:00:00+00:00"


def test_each_event_of_an_array_counts_under_its_own_status() -> None:
    keeper, sent = Bookkeeper([9, 9]), writer([9, 9]).sale([0, 1, 0, 0], TIME, 0.0, 0.0)
    keeper.sent(sent)

    outcome = keeper.answered(sent, 200, said(sent, "applied", "accepted", "duplicate", "parked"))

    assert outcome == "booked"
    assert keeper.books.answers == {"applied": 1, "accepted": 1, "duplicate": 1, "parked": 1}
    assert {sku: book.sold for sku, book in keeper.books.skus.items()} == {0: 2, 1: 1}
    assert (keeper.books.events, keeper.booked) == (4, 3)


def test_what_is_unknown_counts_once_it_is_answered_and_only_once() -> None:
    keeper, sent = Bookkeeper([9]), writer([9]).sale([0, 0], TIME, 0.0, 0.0)
    keeper.sent(sent)
    half = [
        {"id": sent.ids[0], "status": "applied"},
        {"id": sent.ids[1], "status": "refused", "problem": {"status": 503}},
    ]

    assert keeper.answered(sent, 200, msgspec.json.encode(half)) == "unknown"
    assert keeper.answered(sent, 503, b"") == "unknown"
    keeper.lost("timeout")
    assert keeper.books.answers == {}

    sent.is_again = True
    keeper.sent(sent)
    assert keeper.answered(sent, 200, said(sent, "duplicate", "applied")) == "booked"
    assert keeper.books.unknown == {"some of an array": 1, "503": 1, "timeout": 1}
    assert (keeper.books.events, keeper.books.settled, keeper.books.skus[0].sold) == (2, 2, 2)


@pytest.mark.parametrize("body", [b"[]", b'[{"id": "x", "status": "applied"}]', b"<html>", b'{"status": "applied"}'])
def test_an_answer_that_is_none_to_what_was_asked_is_wrong(body: bytes) -> None:
    keeper, sent = Bookkeeper([9]), writer([9]).sale([0, 0], TIME, 0.0, 0.0)
    keeper.sent(sent)

    assert keeper.answered(sent, 200, body) == "wrong"
    assert (keeper.books.wrong, keeper.books.answers) == (1, {})
    assert sent.ids[0] in keeper.books.wrong_told[0]


def test_a_refusal_of_all_is_one_of_each() -> None:
    keeper, sent = Bookkeeper([9]), writer([9]).sale([0, 0], TIME, 0.0, 0.0)
    keeper.sent(sent)

    assert keeper.answered(sent, 403, problem(403, "forbidden")) == "refused"
    assert keeper.books.answers == {"refused": 2}
    assert keeper.books.refusals == {"403 forbidden": 2}


def test_the_newest_rev_that_was_shown_is_kept() -> None:
    keeper, writes = Bookkeeper([9]), writer([9])
    for rev in (5, 4):
        sent = writes.sale([0], TIME, 0.0, 0.0)
        shown = [{"sku": "LOAD-00000", "rev": rev, "pool": "store", "status": "in_stock", "at": TIME}]
        keeper.answered(sent, 200, said(sent, "applied", availability=shown))

    assert keeper.newest == {"LOAD-00000": 5}


def test_more_granted_at_once_than_there_were_is_an_excess() -> None:
    keeper, writes = Bookkeeper([2]), writer([2])
    granted = [writes.reserve(0, 0.0, 0.0, keeper.books.of(0).sold) for _ in range(3)]
    for sent in granted:
        keeper.sent(sent)
        keeper.answered(sent, 201, held(sent))

    assert (keeper.books.skus[0].granted, keeper.books.skus[0].excess) == (3, 1)


def test_what_is_being_given_back_may_be_granted_again() -> None:
    keeper, writes = Bookkeeper([1]), writer([1])
    first = writes.reserve(0, 0.0, 0.0, 0)
    keeper.answered(first, 201, held(first))
    release = writes.change("release", Hold(first.ids[0], 0, 0.0), 0.0, 0.0)
    keeper.sent(release)
    second = writes.reserve(0, 0.0, 0.0, 0)

    # The answer to the second overtakes that to the release.
    keeper.answered(second, 201, held(second))
    keeper.answered(release, 200, held(release, "released"))

    assert keeper.books.skus[0].excess == 0
    assert keeper.books.skus[0].given_back == 1


def test_what_was_sold_before_it_was_asked_for_was_not_there_any_more() -> None:
    keeper, writes = Bookkeeper([1]), writer([1])
    sale = writes.sale([0], TIME, 0.0, 0.0)
    keeper.answered(sale, 200, said(sale, "applied"))
    reserve = writes.reserve(0, 0.0, 0.0, keeper.books.of(0).sold)

    keeper.answered(reserve, 201, held(reserve))

    assert keeper.books.skus[0].excess == 1


@pytest.mark.parametrize(("state", "given_back"), [("released", 1), ("broken", 0)])
def test_what_a_sale_had_taken_is_not_given_back(state: str, given_back: int) -> None:
    keeper, release = Bookkeeper([1]), writer([1]).change("release", Hold("h", 0, 0.0), 0.0, 0.0)

    assert keeper.answered(release, 200, held(release, state)) == "booked"
    assert keeper.books.skus[0].given_back == given_back


def test_the_books_of_several_add_up() -> None:
    together = Books()
    for number in (1, 2):
        together.add(
            Books(
                skus={0: SkuBook(sold=number, excess=number)},
                events=number,
                answers={"applied": number},
                unknown={"503": 1},
                wrong=1,
                wrong_told=[f"{number}"],
            )
        )

    assert together.skus[0] == SkuBook(sold=3, excess=2)
    assert (together.events, together.answers, together.unknown) == (3, {"applied": 3}, {"503": 2})
    assert (together.wrong, together.wrong_told) == (2, ["1", "2"])
