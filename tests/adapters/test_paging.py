"""What the dialects share where a vendor is asked: links, cursors, and places some at a time."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.contract import Account, Answer
from adapters.paging import Turn, after, in_utc, next_in_link, page_number, places_in, turn_of

ACCOUNT = Account("acc", locations=dict.fromkeys(("3", "1", "2", "*"), "LON-KNB"))


@pytest.mark.parametrize(
    ("link", "found"),
    [
        ('<https://shop.example/o.json?limit=50&page_info=abc>; rel="next"', "abc"),
        ("<https://shop.example/o.json?page_info=a%7Cb&limit=50>; rel=next", "a|b"),
        ('<https://x.example/?page_info=back>; rel="previous", <https://x.example/?page_info=on>; rel="next"', "on"),
        ('<https://x.example/?page_info=back>; rel="previous"', ""),
        ('<https://x.example/?limit=50>; rel="next"', ""),
        ("<>;;,,; rel", ""),
        ("", ""),
    ],
)
def test_the_next_page_is_what_the_link_calls_so(link: str, found: str) -> None:
    assert next_in_link(Answer(b"", {"link": link}), "page_info") == found


def test_places_are_walked_over_in_one_order_without_the_one_for_all() -> None:
    assert places_in(ACCOUNT, Turn(), 2) == ("1", "2")
    assert places_in(ACCOUNT, Turn(1), 2) == ("3",)
    assert after(Turn(), "theirs", ACCOUNT, 2) == "0 theirs"
    assert turn_of(after(Turn(), "", ACCOUNT, 2)) == Turn(1)
    assert after(Turn(1), "", ACCOUNT, 2) == ""


@given(st.text())
def test_any_cursor_is_a_turn_and_a_page(cursor: str) -> None:
    assert turn_of(cursor).stretch >= 0
    assert page_number(cursor) >= 0


def test_times_are_in_utc_to_the_second() -> None:
    assert in_utc(1_777_896_000_999) == "2026-05-04T12:00:00Z"
