"""When a difference is told: it has lasted, it was not told, and its numbers belong together."""

import msgspec
import pytest

from hub.domain.command import Raising
from hub.domain.drifting import Difference, Rightful, alert_of, lasts, units_beside

NOW_MS = 1_795_600_000_000
KNOWN = Difference("shop", "BAG-NOIR", "LON-KNB", 12, 2, NOW_MS, NOW_MS)


@pytest.mark.parametrize(
    ("after_ms", "units_now", "alert_ms", "is_told"),
    [
        (900_000, 2, 0, True),
        (899_999, 2, 0, False),
        (900_000, 3, 0, False),
        (900_000, 2, NOW_MS, False),
        (9_000_000, 2, 0, True),
    ],
)
def test_it_is_told_when_it_has_lasted(after_ms: int, units_now: int, alert_ms: int, is_told: bool) -> None:
    difference = msgspec.structs.replace(KNOWN, alert_ms=alert_ms)

    assert lasts(difference, units_now, NOW_MS + after_ms, 900) == is_told


@pytest.mark.parametrize(
    ("theirs", "numbers", "taken_ms", "units"),
    [
        (12, {10}, 0, 2),
        (8, {10}, 0, -2),
        (8, {10, 8}, 0, 0),
        (12, {10, 8}, 0, 2),
        (12, set(), 0, 0),
        (12, {10}, NOW_MS, 2),
        (12, {10}, NOW_MS + 1, 0),
    ],
)
def test_a_number_is_compared_with_each_that_may_be_and_with_none_of_later(
    theirs: int, numbers: set[int], taken_ms: int, units: int
) -> None:
    assert units_beside(theirs, NOW_MS, Rightful(frozenset(numbers), taken_ms)) == units


def test_the_alert_names_it_and_a_later_difference_is_another() -> None:
    alert, over = alert_of(KNOWN, 2), alert_of(KNOWN, 0)
    again = alert_of(msgspec.structs.replace(KNOWN, theirs=11, units=1), 1)
    later = alert_of(msgspec.structs.replace(KNOWN, since_ms=NOW_MS + 1), 2)

    assert (alert.type, over.type) == ("source_drift", "source_drift_over")
    assert alert.detail == Raising("shop BAG-NOIR LON-KNB", 2)
    assert msgspec.json.decode(alert.payload) == {
        "source": "shop",
        "sku": "BAG-NOIR",
        "location": "LON-KNB",
        "theirs": 12,
        "ours": 10,
    }
    assert alert.id == again.id
    assert len({alert.id, over.id, later.id}) == 3
