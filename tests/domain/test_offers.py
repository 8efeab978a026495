"""What one channel has to tell: the newest number of each SKU, the most urgent first."""

import pytest

from hub.domain.offers import (
    ABSENT_SECONDS,
    CONFLICTS_MAX,
    ON_ITS_WAY,
    SKUS_MAX,
    TRIES_MAX,
    Offered,
    Offers,
    Remembered,
    absent,
    delayed,
    put_off,
    refused,
    stale,
    taken,
)

NOW = 1_000_000.0


def known(sku: str, has: int | None, **more: object) -> Remembered:
    return Remembered(sku=sku, listing=f"{sku}!", has=has, outcome="taken", **more)  # type: ignore[arg-type]


def offers(*rows: Remembered, keep_back: int = 0) -> Offers:
    made = Offers(keep_back)
    made.remember(rows, NOW)
    return made


def due(found: Offers, now: float = NOW, most: int = 100) -> list[str]:
    return [each.sku for each in found.due(now, most)]


def of(found: Offers, sku: str) -> Offered:
    each = found.get(sku)
    assert each is not None
    return each


def test_what_sold_out_comes_first_then_what_comes_back_or_is_low_then_the_rest() -> None:
    found = offers(*(known(sku, has) for sku, has in (("A", 5), ("B", 5), ("C", 0), ("D", 5), ("E", 5))))
    for sku, units, is_low in (("A", 4, False), ("B", 0, False), ("C", 3, False), ("D", 1, True), ("E", 0, False)):
        found.show(sku, units, 1, NOW, is_low=is_low)

    assert due(found) == ["B", "E", "C", "D", "A"]
    assert due(found, most=2) == ["B", "E"]
    assert (found.waiting, found.sold_out) == (5, True)


def test_a_number_is_told_once_and_only_the_newest() -> None:
    found = offers(known("A", 5))
    for units in (4, 3, 2):
        found.show("A", units, 10 - units, NOW)
    assert [each.wanted for each in found.due(NOW, 5)] == [2]
    found.show("A", 9, 3, NOW)
    assert of(found, "A").wanted == 2, "an older value came late"

    found.note(of(found, "A"), taken(of(found, "A").known, 2, NOW), NOW)

    assert (due(found), found.waiting, found.oldest) == ([], 0, 0.0)


def test_what_the_vendor_has_is_not_told_and_what_is_kept_back_never_is() -> None:
    found = offers(known("A", 5), known("B", 0), keep_back=2)
    found.show("A", 7, 1, NOW)
    found.show("B", 1, 1, NOW)

    assert due(found) == []


def test_the_oldest_waits_since_it_changed_and_what_came_meanwhile_since_then() -> None:
    found = offers(known("A", 5), known("B", 5))
    found.show("A", 4, 1, NOW + 1)
    found.show("B", 4, 1, NOW + 2)
    found.show("A", 3, 2, NOW + 3)
    assert found.oldest == NOW + 1

    found.note(of(found, "A"), taken(of(found, "A").known, 4, NOW + 4), NOW + 4)

    assert found.oldest == NOW + 2
    assert of(found, "A").since == NOW + 3


def test_a_number_that_was_on_its_way_is_asked_for() -> None:
    found = offers(Remembered(sku="A", listing="A!", has=5, tried=4, outcome=ON_ITS_WAY))
    found.show("A", 5, 1, NOW)

    assert of(found, "A").known.has is None
    assert due(found) == ["A"]


def test_what_is_put_off_comes_later_and_behind() -> None:
    found = offers(known("A", 5), known("B", 5))
    found.show("A", 4, 1, NOW)
    found.show("B", 4, 1, NOW)
    found.note(of(found, "A"), put_off(of(found, "A").known, "busy", NOW, 0.5), NOW)

    assert due(found) == ["B"]
    assert found.due_at() == NOW + 1
    assert due(found, NOW + 1) == ["B", "A"]
    assert found.waiting == 2


def test_a_newer_number_does_not_make_it_due_before_its_time_nor_twice() -> None:
    found = offers(known("A", 5))
    found.show("A", 4, 1, NOW)
    found.note(of(found, "A"), put_off(of(found, "A").known, "busy", NOW, 0.5), NOW)
    for rev in range(2, 1_000):
        found.show("A", rev, rev, NOW)

    assert len(found._later) == 1
    assert due(found, NOW + 0.5) == []
    assert due(found, NOW + 1) == ["A"]


@pytest.mark.parametrize("units", [4, 3])
def test_what_was_given_up_lives_again_with_another_number_only(units: int) -> None:
    found = offers(refused(known("A", 5, tried=4), "no"))
    assert found.dead == {"A"}

    found.show("A", units, 1, NOW)

    assert (due(found), found.dead) == ((["A"], set()) if units == 3 else ([], {"A"}))


def test_what_is_tried_too_often_is_given_up_unless_the_vendor_is_why() -> None:
    one = two = known("A", 5)
    for _ in range(TRIES_MAX):
        assert one.state == "live"
        one, two = put_off(one, "no", NOW, 0.5), put_off(two, "away", NOW, 0.5, counts=False)

    assert (one.state, one.attempts, two.state) == ("dead", TRIES_MAX, "live")


def test_what_is_not_sold_there_is_looked_for_again_after_a_day_and_last() -> None:
    found = offers(known("B", 5))
    found.show("A", 0, 1, NOW)
    found.note(of(found, "A"), absent(of(found, "A").known, "unknown", NOW, 0.5), NOW)
    found.show("A", 7, 2, NOW)
    assert (due(found), found.waiting) == ([], 0)
    found.show("B", 4, 1, NOW)

    assert due(found, NOW + ABSENT_SECONDS) == ["B", "A"]


def test_conflicts_in_a_row_are_drift_until_it_is_taken() -> None:
    found = offers(known("A", 5))
    found.show("A", 4, 1, NOW)
    for _ in range(CONFLICTS_MAX):
        assert not found.drifting
        found.note(of(found, "A"), stale(of(found, "A").known, "it has 9", NOW, 0.5), NOW)
    assert found.drifting == {"A"}
    assert of(found, "A").known.has is None

    found.note(of(found, "A"), taken(of(found, "A").known, 4, NOW), NOW)

    assert not found.drifting


def test_there_is_room_for_so_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hub.domain.offers.SKUS_MAX", 2)
    found = offers()
    for sku in "ABC":
        found.show(sku, 1, 1, NOW)

    assert (len(found), found.left_out) == (2, 1)
    assert SKUS_MAX >= 100_000


def test_a_delay_is_drawn_around_its_place_in_the_schedule() -> None:
    schedule = (1.0, 10.0)
    assert [delayed(schedule, count, 0.5) for count in (0, 1, 2, 9)] == [1.0, 1.0, 10.0, 10.0]
    assert delayed(schedule, 2, 0.0) < 10.0 < delayed(schedule, 2, 1.0)
