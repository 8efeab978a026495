"""Offers in batches, SKUs in addresses, keys, and names that are exact."""

from urllib.parse import quote
from uuid import UUID

import pytest

from adapters.batches import ADDRESS_BYTES_MAX, asked_together, batches, by_sku, key_of
from adapters.offering import Listing, Offer
from protocol.limits import SKU_CHARS_MAX


def offers(*listings: str) -> list[Offer]:
    return [Offer(f"BAG-{place}", listing, place) for place, listing in enumerate(listings)]


def test_a_batch_has_no_listing_twice_and_all_are_in_one() -> None:
    made = batches(offers("1", "2", "1", "3", "1", "2"), 2)

    assert [[offer.listing for offer in batch] for batch in made] == [["1", "2"], ["3"], ["1", "2"], ["1"]]
    assert batches([], 2) == []


def test_batches_of_one_call_have_keys_of_their_own() -> None:
    assert key_of("key", ["BAG"]) == key_of("key", ["BAG"])
    assert len({key_of("key", ["BAG"]), key_of("key", ["SCARF"]), key_of("other", ["BAG"]), key_of('key\n"', [])}) == 4
    assert UUID(key_of("\ud800", [])).version == 4


def test_skus_are_asked_for_in_addresses_that_servers_take() -> None:
    skus = [f"{place:03}".ljust(SKU_CHARS_MAX, "é") for place in range(40)]
    groups = asked_together(skus, 25)

    assert [sku for group in groups for sku in group] == skus
    assert max(len(quote(",".join(group))) for group in groups) <= ADDRESS_BYTES_MAX
    assert len(groups) == 6
    assert asked_together(["a", "b", "c"], 2) == [("a", "b"), ("c",)]
    assert asked_together(["a", "b,c", "d", "a"], 9) == [("b,c",), ("a", "d")]
    assert asked_together([], 9) == []


@pytest.mark.parametrize(
    ("articles", "found"),
    [
        ([("BAG", "1"), ("bag", "2"), ("BAG ", "3"), (None, "4"), ("", "5"), ("HAT", "6")], {"BAG": "1"}),
        ([("BAG", "1"), ("BAG", "1")], {"BAG": "1"}),
        ([("BAG", "1"), ("BAG", "2")], {}),
        ([("BAG", "1"), ("BAG", "2"), ("BAG", "1")], {}),
        # The vendor spells it in two characters, the house in one.
        ([("SOIRE\u0301E", "7")], {"SOIR\u00c9E": "7"}),
    ],
)
def test_names_are_exact_and_what_two_carry_is_of_neither(
    articles: list[tuple[str | None, str]], found: dict[str, str]
) -> None:
    listings = by_sku(["BAG", "SOIR\u00c9E"], [(name, Listing(id)) for name, id in articles])

    assert {sku: each.id for sku, each in listings.items()} == found
