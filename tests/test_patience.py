"""Trouble is told when it begins and when it is over."""

from structlog.testing import capture_logs

from hub.faults import Unavailable
from hub.patience import Trouble


def test_what_fails_again_and_again_is_told_once_for_each_reason_and_once_when_it_is_over() -> None:
    trouble = Trouble("the till is closed", "the till is open")
    with capture_logs() as logs:
        trouble.note_over()
        for reason in ("no key", "no key", "no light"):
            trouble.note(Unavailable(reason), floor=2)
        trouble.note_over()
        trouble.note_over()
        trouble.note(Unavailable("no key"))

    assert [(log["log_level"], log["event"], log.get("reason")) for log in logs] == [
        ("warning", "the till is closed", "no key"),
        ("warning", "the till is closed", "no light"),
        ("info", "the till is open", None),
        ("warning", "the till is closed", "no key"),
    ]
    assert logs[0]["floor"] == 2
