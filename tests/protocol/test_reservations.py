"""Requests about reservations as they are read, and how a reservation is written."""

from typing import Any

import msgspec
import pytest

from protocol.codec import Malformed, encode_canonical
from protocol.reservations import Change, Extend, Reservation, ToldLine, decode_change, decode_reserve

LEAST = {"id": "r-1", "pool": "online", "lines": [{"sku": "BAG", "quantity": 1}]}
WHOLE = LEAST | {
    "kind": "cart",
    "ttl_seconds": None,
    "split": False,
    "locations": None,
    "prefer": None,
    "owner": None,
    "order": None,
    "tags": [],
    "lines": [{"sku": "BAG", "quantity": 1, "location": None}],
}


def encoded(value: Any) -> bytes:
    return msgspec.json.encode(value)


def test_a_default_that_is_written_out_is_the_same_content() -> None:
    least, whole = decode_reserve(encoded(LEAST)), decode_reserve(encoded(WHOLE))

    assert encode_canonical(least) == encode_canonical(whole) == msgspec.json.encode(LEAST, order="sorted")
    assert (least.kind, least.ttl_seconds, least.split) == ("cart", None, False)


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"lines": [{"sku": "BAG", "quantity": 1}] * 101}, "$.lines"),
        ({"lines": [{"sku": "BAG", "quantity": 1_000_001}]}, "$.lines[0].quantity"),
        ({"lines": [{"sku": "BAG", "quantity": 1}, {"sku": "ﬃ\u0344" * 64, "quantity": 1}]}, "$.lines[1].sku"),
        ({"id": "x" * 201}, "$.id"),
        ({"pool": "no pool"}, "$.pool"),
        ({"locations": ["LON"] * 101}, "$.locations"),
        ({"prefer": ["LON"] * 101}, "$.prefer"),
        ({"tags": ["t"] * 17}, "$.tags"),
        ({"ttl_seconds": 366 * 86_400 + 1}, "$.ttl_seconds"),
        ({"ttl": 60}, "$"),
    ],
)
def test_what_is_out_of_bounds_is_refused_at_its_path(changes: dict[str, Any], path: str) -> None:
    with pytest.raises(Malformed) as caught:
        decode_reserve(encoded(LEAST | changes))

    assert caught.value.path == path


@pytest.mark.parametrize("body", [b"", b"{}", b'{"lines": null}'])
def test_a_change_without_lines_is_about_all_units(body: bytes) -> None:
    assert decode_change(body, Change) == Change()


def test_only_an_extension_has_a_time() -> None:
    assert decode_change(b'{"ttl_seconds": 60}', Extend) == Extend(ttl_seconds=60)
    with pytest.raises(Malformed):
        decode_change(b'{"ttl_seconds": 60}', Change)


def test_a_key_that_stands_twice_is_refused() -> None:
    with pytest.raises(Malformed, match="twice"):
        decode_change(b'{"id": "a", "id": "b"}', Change)


def test_a_time_that_never_comes_is_null_and_counts_of_nothing_are_left_out() -> None:
    told = Reservation(
        id="r-1",
        state="fulfilled",
        expires_at=None,
        pool="online",
        kind="cart",
        owner="anna",
        lines=(ToldLine(sku="BAG", quantity=2, allocations=(), fulfilled=2),),
    )

    assert msgspec.json.decode(msgspec.json.encode(told)) == {
        "id": "r-1",
        "state": "fulfilled",
        "expires_at": None,
        "pool": "online",
        "kind": "cart",
        "owner": "anna",
        "lines": [{"sku": "BAG", "quantity": 2, "allocations": [], "fulfilled": 2}],
    }
