"""Where a vendor counts a key once, no two things that are told have the same, and a second try has no other."""

import msgspec
import pytest

from adapters.contract import Account
from adapters.offering import Offer, Request, Shelf
from tests.adapters.conversing import outbound_case_of

SHELF = Shelf(Account("web"), "7")
NOW_MS = 1_777_896_000_000
# Two SKUs of one listing cannot be told at once.
OFFERS = [Offer("BAG", "1", 3, 4), Offer("SAC", "1", 3, 4), Offer("SCARF", "2", 3, 4)]


def key(name: str, request: Request) -> str:
    body = msgspec.json.decode(request.body)
    told: str = body["idempotency_key"] if name == "square" else body["variables"]["key"]
    return told


def keys(name: str, offers: list[Offer], given: str = "key", now_ms: int = NOW_MS) -> list[str]:
    made = outbound_case_of(name).adapter.requests(offers, SHELF, given, now_ms)
    return [key(name, request) for request in made]


@pytest.mark.parametrize("name", ["shopify", "square"])
def test_keys_are_of_the_key_and_of_what_is_told(name: str) -> None:
    first = keys(name, OFFERS)
    other = [msgspec.structs.replace(offer, quantity=5) for offer in OFFERS]

    assert len(set(first)) == len(first) == 2
    assert keys(name, OFFERS) == first
    assert not set(keys(name, other)) & set(first)
    assert not set(keys(name, OFFERS, "another")) & set(first)


def test_square_is_told_another_time_under_another_key() -> None:
    assert not set(keys("square", OFFERS, now_ms=NOW_MS + 1)) & set(keys("square", OFFERS))


def test_shopify_is_told_the_same_under_the_same_key_at_any_time() -> None:
    assert keys("shopify", OFFERS, now_ms=NOW_MS + 1) == keys("shopify", OFFERS)
