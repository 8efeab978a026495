"""What a socket was told, and whether it is the truth."""

import msgspec
import pytest

from hub.load.watched import Value, Watched, WatchRefused


def frame(op: str, *values: tuple[str, int, int]) -> bytes:
    items = [{"sku": sku, "rev": rev, "available": available, "status": "in_stock"} for sku, rev, available in values]
    return msgspec.json.encode({"op": op, "items": items})


def value(sku: str, rev: int, available: int) -> Value:
    return Value(sku, rev, available, "in_stock")


def test_it_is_current_with_the_newest_of_all_it_watches() -> None:
    watched = Watched(["A", "B"])
    watched.take(frame("subscribed", ("A", 1, 5), ("B", 0, 0)))
    watched.take(frame("update", ("A", 2, 4)))

    assert watched.is_subscribed
    assert watched.known == {"A": 2, "B": 0}
    assert watched.behind({"A": value("A", 2, 4), "B": value("B", 0, 0), "C": value("C", 9, 9)}) == []
    assert watched.has({"A": 2, "C": 9})
    assert not watched.has({"A": 3})


@pytest.mark.parametrize("true", [value("A", 3, 3), value("A", 2, 3), Value("A", 2, 4, "low_stock")])
def test_any_difference_from_the_truth_is_told(true: Value) -> None:
    watched = Watched(["A"])
    watched.take(frame("subscribed", ("A", 2, 4)))

    assert len(watched.behind({"A": true})) == 1
    assert "nothing" in Watched(["A"]).behind({"A": true})[0]


def test_an_older_value_is_counted_also_through_a_new_connection() -> None:
    watched = Watched(["A"])
    watched.take(frame("subscribed", ("A", 2, 4)))
    watched.take(frame("subscribed", ("A", 1, 5)))
    watched.take(frame("update", ("A", 2, 4)))
    watched.take(frame("update", ("A", 3, 3)))

    assert (watched.went_back, watched.taken) == (1, 4)


def test_a_refusal_is_told_with_its_reason() -> None:
    with pytest.raises(WatchRefused, match="unknown_pool: There is none"):
        Watched(["A"]).take(b'{"op": "error", "code": "unknown_pool", "detail": "There is none."}')
