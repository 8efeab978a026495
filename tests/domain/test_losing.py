"""What was lost is told exactly, and in bounds."""

import msgspec

from hub.domain.entry import Seq
from hub.domain.losing import SOURCES_NAMED_MAX, Window, alert_of

NOON_MS = 1_795_435_200_000


def window(*sources: str) -> Window:
    return Window(Seq(1, 41), Seq(1, 50), NOON_MS, NOON_MS + 2_000, sources)


def test_an_alert_names_the_window_and_who_should_send_again() -> None:
    alert = alert_of(window("pos-1", "web"), NOON_MS + 60_000)

    told = msgspec.json.decode(alert.payload)
    assert (alert.type, alert.detail.quantity) == ("answers_lost", 10)
    assert (told["first"], told["last"]) == ("0-1-41", "0-1-50")
    assert (told["since"], told["until"]) == ("2026-11-23T12:00:00.000Z", "2026-11-23T12:00:02.000Z")
    assert told["sources"] == ["pos-1", "web"]


def test_an_alert_tells_how_many_sources_there_are_when_it_cannot_name_all() -> None:
    many = [f"pos-{number}" for number in range(SOURCES_NAMED_MAX + 5)]

    told = msgspec.json.decode(alert_of(window(*many), NOON_MS).payload)

    assert (len(told["sources"]), told["sources_count"]) == (SOURCES_NAMED_MAX, SOURCES_NAMED_MAX + 5)


def test_two_processes_that_lost_the_same_tell_it_once_each() -> None:
    assert alert_of(window("a"), 0).id != alert_of(window("b"), 0).id
    assert alert_of(window("a"), 0).id == alert_of(window("a"), 5).id
