"""What statuses and headers say by themselves."""

import pytest

from adapters.contract import Answer
from adapters.hearing import WAIT_SECONDS_MAX, by_status, one_at_fault, singled_out, wait_seconds, words
from adapters.offering import Offer, Request, Told

NOON = "Mon, 04 May 2026 12:00:00 GMT"


def request(offers: int) -> Request:
    return Request(method="POST", path="/", body=b"{}", offers=(Offer("BAG", "1", 1),) * offers)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, 0.0),
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": " 2.5 "}, 2.5),
        ({"retry-after": "-7"}, 0.0),
        ({"retry-after": "1.2.3"}, 0.0),
        ({"retry-after": "soon"}, 0.0),
        ({"retry-after": "86400"}, WAIT_SECONDS_MAX),
        ({"retry-after": "Mon, 04 May 2026 12:00:30 GMT", "date": NOON}, 30.0),
        ({"retry-after": "Mon, 04 May 2026 11:59:30 GMT", "date": NOON}, 0.0),
        ({"retry-after": "Tue, 05 May 2026 12:00:00 GMT", "date": NOON}, WAIT_SECONDS_MAX),
        # What time it is there was not said.
        ({"retry-after": "Mon, 04 May 2026 12:00:30 GMT"}, 60.0),
        ({"retry-after": "Mon, 04 May 2026 12:00:30", "date": NOON}, 0.0),
    ],
)
def test_the_vendor_says_how_long_to_wait(headers: dict[str, str], seconds: float) -> None:
    assert wait_seconds(Answer(b"", headers, 429)) == seconds


@pytest.mark.parametrize("status", [200, 201, 204, 400, 404, 413, 422])
def test_of_these_the_body_says_more(status: int) -> None:
    assert by_status(request(1), Answer(b"", {}, status)) is None


@pytest.mark.parametrize("status", [0, 301, 401, 402, 403, 408, 409, 423, 429, 500, 503])
def test_all_others_are_told_again(status: int) -> None:
    heard = by_status(request(2), Answer(b"", {"retry-after": "7"}, status))
    assert heard is not None
    assert [told.outcome for told in heard.told] == ["again", "again"]
    assert heard.wait_seconds == 7
    assert ("lacks rights" in heard.told[0].why) == (status in (401, 403))
    assert str(status) in heard.told[0].why


def test_one_of_many_that_nobody_names_is_looked_for_and_alone_it_is_refused() -> None:
    many, alone = one_at_fault(request(3), "No."), one_at_fault(request(1), "No.")

    assert (many.is_one_at_fault, many.is_key_spent, {told.outcome for told in many.told}) == (True, True, {"again"})
    assert (alone.is_one_at_fault, alone.told) == (False, (Told("refused", "No."),))


def test_those_beside_the_one_at_fault_are_told_again() -> None:
    heard = singled_out(request(3), {1: Told("absent", "Gone.")}, "Gone.")

    assert [told.outcome for told in heard.told] == ["again", "absent", "again"]
    assert heard.is_key_spent
    assert "Gone." in heard.told[0].why


def test_what_a_vendor_wrote_is_fit_for_a_log() -> None:
    assert words("No.\nSuch\x00 \u202ething" + "x" * 500) == ("No. Such   thing" + "x" * 500)[:120]
    assert words(None) == ""
