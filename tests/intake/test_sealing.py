"""Cursors of the feed tell nothing but what they are for."""

from uuid import UUID

import pytest

from hub.domain.entry import Seq
from hub.domain.feed import BEGINNING, END, Place
from hub.intake.sealing import Sealing

SEALING = Sealing(UUID(int=7))
PLACES = [BEGINNING, Place(1, 0, 0), Place(1, 0, 1), Place(3, 2**36, 5 * 2**24), Place(2**31 - 1, 9, END)]


@pytest.mark.parametrize("place", PLACES)
def test_a_place_comes_back_from_its_text(place: Place) -> None:
    assert SEALING.opened(SEALING.sealed(place)) == place
    assert SEALING.opened(SEALING.sealed_anew(place)) == place


def test_the_text_of_an_item_stays_and_that_of_a_page_is_another_each_time() -> None:
    assert SEALING.sealed(PLACES[1]) == Sealing(UUID(int=7)).sealed(PLACES[1]) == "f1.FKwFgChT6NhTDq8RzIOBMfVWVU5i8yA-"
    assert len({SEALING.sealed_anew(PLACES[1]) for _ in range(10)} | {SEALING.sealed(PLACES[1])}) > 5


def test_neighbours_share_nothing_that_could_be_counted() -> None:
    texts = [SEALING.sealed(Place(1, number, 0))[3:] for number in range(200)]

    assert len({len(text) for text in texts}) == 1
    assert all(len({text[at] for text in texts}) > 20 for at in range(len(texts[0])))


def test_a_place_in_the_journal_is_a_cursor_too() -> None:
    assert SEALING.opened("0-1-9") == Place.behind(Seq(1, 9))


@pytest.mark.parametrize(
    "text",
    [
        *("", "f1.", "0-0-1", "1-1-9", "0-1", "0-1--9", "0-1-9999999999999", "0-9999999999-1", "now", "f1.é", "\0"),
        SEALING.sealed(PLACES[1])[:-1] + "A",
        SEALING.sealed(PLACES[1]).removeprefix("f1."),
        SEALING.sealed(PLACES[1]) + "AAAA",
        Sealing(UUID(int=8)).sealed(PLACES[1]),
    ],
)
def test_what_this_hub_did_not_make_is_no_cursor(text: str) -> None:
    assert SEALING.opened(text) is None


def test_the_hubs_name_does_not_tell_the_key() -> None:
    assert SEALING.source != Sealing(UUID(int=8)).source
    assert str(UUID(int=7).hex) not in SEALING.source
