"""Who is silent for longer than usual: what is usual is learned from days, or stated."""

import pytest

from hub.domain.remembering import DAY_MS
from hub.domain.silence import DAYS_KEPT, SOURCES_MAX, Silence, Sources

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
MONDAY_MS = 20_000 * DAY_MS


def shop_days(days: int) -> Sources:
    """A till that sells every ten minutes from ten to eight."""
    sources = Sources()
    for day in range(days):
        for minute in range(10 * 60, 20 * 60, 10):
            sources.hear("till", MONDAY_MS + day * DAY_MS + minute * MINUTE_MS)
    return sources


def test_a_shop_that_closes_at_night_is_not_missed_until_half_as_long_again() -> None:
    sources = shop_days(3)
    last_ms = sources.rhythms["till"].last_heard_ms
    night_ms = 14 * HOUR_MS + 10 * MINUTE_MS

    assert sources.silent(last_ms + night_ms, {}) == []
    assert sources.silent(last_ms + night_ms * 3 // 2, {}) == []
    silent_ms = night_ms * 3 // 2 + 1
    assert sources.silent(last_ms + silent_ms, {}) == [Silence("till", last_ms, silent_ms // 1000)]


def test_nothing_is_usual_on_the_first_day() -> None:
    sources = shop_days(1)

    assert sources.silent(MONDAY_MS + 9 * DAY_MS, {}) == []


def test_what_somebody_said_holds_from_the_first_event_and_instead_of_what_is_usual() -> None:
    sources = shop_days(3)
    sources.hear("web", MONDAY_MS)
    last_ms = sources.rhythms["till"].last_heard_ms

    found = sources.silent(last_ms + 16 * MINUTE_MS, {"till": 15 * 60, "web": 10**9})

    assert [silence.source for silence in found] == ["till"]


def test_a_busy_source_is_not_missed_for_a_coffee_break() -> None:
    sources = Sources()
    for second in range(0, 25 * 3600, 10):
        sources.hear("shop", MONDAY_MS + second * 1000)
    last_ms = sources.rhythms["shop"].last_heard_ms

    assert sources.silent(last_ms + 5 * MINUTE_MS, {}) == []
    assert len(sources.silent(last_ms + 5 * MINUTE_MS + 1, {})) == 1


def test_only_the_longest_gaps_of_some_days_are_kept() -> None:
    sources = shop_days(30)

    assert len(sources.rhythms["till"].longest) == DAYS_KEPT


@pytest.mark.parametrize("back_ms", [0, HOUR_MS])
def test_an_entry_of_the_same_time_or_before_is_no_gap(back_ms: int) -> None:
    sources = shop_days(2)
    last_ms = sources.rhythms["till"].last_heard_ms

    sources.hear("till", last_ms - back_ms)

    assert sources.rhythms["till"].last_heard_ms == last_ms


def test_no_more_sources_are_watched_than_there_is_room_for() -> None:
    sources = Sources()
    for number in range(SOURCES_MAX + 1):
        sources.hear(f"till-{number}", MONDAY_MS + number)

    assert len(sources.rhythms) == SOURCES_MAX
    assert "till-0" not in sources.rhythms
