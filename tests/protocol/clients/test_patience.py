"""How long clients wait, and what an address means."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.clients.client import Address, address_of
from protocol.clients.patience import RETRY_AFTER_SECONDS_MAX, Patience, is_unknown, retry_after


@given(st.integers(0, 10_000), st.floats(0, 1))
def test_a_pause_is_any_time_up_to_a_bound_that_doubles_and_ends(tries: int, lot: float) -> None:
    patience = Patience()
    assert 0 <= patience.pause(tries, lot) <= 30
    assert patience.pause(tries, 0) == 0
    assert patience.pause(tries, 1) == min(30, 0.5 * 2 ** min(tries, 10))


def test_what_the_hub_asked_for_comes_before_the_lot() -> None:
    assert Patience().pause(0, 0.0, 5.0) == 5.0
    assert Patience().pause(0, 1.0, 5.0) == 5.5


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
def test_what_became_of_it_is_unknown(status: int) -> None:
    assert is_unknown(status)


@pytest.mark.parametrize("status", [200, 202, 304, 400, 401, 403, 404, 409, 413, 422])
def test_an_answer_is_an_answer(status: int) -> None:
    assert not is_unknown(status)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("1", 1),
        ("0", 0),
        ("99999", RETRY_AFTER_SECONDS_MAX),
        ("9" * 400, 0),
        ("-1", 0),
        ("²", 0),
        ("Fri, 31 Dec 1999 23:59:59 GMT", 0),
        (None, 0),
    ],
)
def test_retry_after_is_read_and_bounded(header: str | None, seconds: float) -> None:
    assert retry_after(header) == seconds


@pytest.mark.parametrize(
    ("url", "live_url", "live"),
    [
        ("http://127.0.0.1:8080", None, "ws://127.0.0.1:8081/v1/live"),
        ("http://[::1]:8080/", None, "ws://[::1]:8081/v1/live"),
        ("https://hub.example", None, "wss://hub.example/v1/live"),
        ("https://shop.example/hub/", None, "wss://shop.example/hub/v1/live"),
        ("http://127.0.0.1:8080", "ws://127.0.0.1:9000", "ws://127.0.0.1:9000/v1/live"),
        ("http://127.0.0.1:8080", "wss://live.example/v1/live", "wss://live.example/v1/live"),
    ],
)
def test_the_live_door_is_beside_the_other_one(url: str, live_url: str | None, live: str) -> None:
    assert address_of(url, live_url) == Address(url.rstrip("/"), live)


@pytest.mark.parametrize("url", ["127.0.0.1:8080", "", "ftp://hub.example", "http://"])
def test_what_is_no_address_is_said_at_once(url: str) -> None:
    with pytest.raises(ValueError, match="no address"):
        address_of(url)
