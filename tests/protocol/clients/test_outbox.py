"""An outbox keeps what was put into it: in order, within its limits, and through being killed at any moment."""

import os
import signal
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path
from random import Random

import msgspec
import pytest

from protocol.clients import Outbox, OutboxFull, OutboxInUse
from protocol.clients.events import Written, arrays
from protocol.codec import Malformed, decode_event
from protocol.limits import BODY_BYTES_MAX
from tests.faults.power import ForgetfulDisk, why_not
from tests.protocol.clients.tills import TIME, sale

ROOT = Path(__file__).resolve().parents[3]
ALL = 1_000_000


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "outbox.db"


def waiting(outbox: Outbox) -> list[str]:
    return [event.id for event in outbox.unsent(ALL, ALL * 100)]


def test_events_wait_in_their_order_under_the_ids_they_were_given(path: Path) -> None:
    with Outbox(path) as outbox:
        given = [outbox.put(sale()), outbox.put(sale("till-7-1")), outbox.put(sale())]
    with Outbox(path) as outbox:
        assert waiting(outbox) == given
        assert given[1] == "till-7-1"
        assert len(set(given)) == len(outbox) == 3
        assert [decode_event(event.body).event.id for event in outbox.unsent(ALL)] == given


def test_the_same_event_is_there_once_and_another_under_its_id_is_refused(path: Path) -> None:
    with Outbox(path) as outbox:
        assert [outbox.put(sale("a")), outbox.put(sale("a"))] == ["a", "a"]
        with pytest.raises(ValueError, match="another content"):
            outbox.put(sale("a", quantity=2))
        assert len(outbox) == 1


def test_what_the_hub_could_not_read_is_said_at_the_till(path: Path) -> None:
    with Outbox(path) as outbox:
        with pytest.raises(Malformed, match="`int`"):
            outbox.put(sale(quantity=0.5))  # type: ignore[arg-type]
        with pytest.raises(Malformed, match="timezone"):
            outbox.put(msgspec.structs.replace(sale(), time=TIME.replace(tzinfo=None)))
        assert len(outbox) == 0


def test_a_full_outbox_says_so_and_has_room_again_when_something_left(path: Path) -> None:
    with Outbox(path, events_max=2) as outbox:
        first = outbox.put(sale())
        outbox.put(sale("b"))
        with pytest.raises(OutboxFull, match="2 events"):
            outbox.put(sale())
        assert outbox.put(sale("b")) == "b"
        outbox.settle(done=[first])
        outbox.put(sale())
        assert len(outbox) == 2


def test_bytes_are_bounded_too_also_after_another_start(path: Path) -> None:
    size = 250
    with Outbox(path, bytes_max=size) as outbox:
        outbox.put(sale())
    with Outbox(path, bytes_max=size) as outbox, pytest.raises(OutboxFull, match="bytes"):
        outbox.put(sale())


def test_what_is_accepted_stays_and_holds_up_nobody(path: Path) -> None:
    with Outbox(path) as outbox:
        ids = [outbox.put(sale()) for _ in range(4)]
        outbox.settle(done=[ids[2]], accepted=[ids[0], ids[1]])
    with Outbox(path) as outbox:
        assert [event.id for event in outbox.accepted(ALL)] == ids[:2]
        assert waiting(outbox) == ids[3:]
        outbox.settle(done=[*ids, "never-heard-of"])
        assert len(outbox) == 0


def test_what_is_read_at_once_is_bounded(path: Path) -> None:
    with Outbox(path) as outbox:
        ids = [outbox.put(sale()) for _ in range(5)]
        assert [event.id for event in outbox.unsent(2)] == ids[:2]
        assert [event.id for event in outbox.unsent(ALL, bytes_max=1)] == ids[:1]


def test_two_processes_cannot_have_one_outbox(path: Path) -> None:
    with Outbox(path), pytest.raises(OutboxInUse):
        Outbox(path)
    Outbox(path).close()


def test_a_file_that_is_no_outbox_is_left_alone(path: Path) -> None:
    path.write_bytes(b"the till's own notes" * 1_000)
    with pytest.raises(sqlite3.DatabaseError):
        Outbox(path)
    assert path.read_bytes() == b"the till's own notes" * 1_000


def test_tills_in_several_threads_lose_nothing_and_wake_who_delivers(path: Path) -> None:
    woken: list[None] = []
    with Outbox(path) as outbox:
        outbox.on_put = lambda: woken.append(None)
        tills = [threading.Thread(target=lambda: [outbox.put(sale()) for _ in range(20)]) for _ in range(4)]
        for till in tills:
            till.start()
        for till in tills:
            till.join()
        assert len(waiting(outbox)) == len(outbox) == len(woken) == 80


def killed(path: Path, *, sold: int, care: str = "FULL", environment: dict[str, str] | None = None) -> list[str]:
    """What a till said it had sold before it was killed, at least so many sales later."""
    till = subprocess.Popen(
        [sys.executable, "-m", "tests.protocol.clients.tills", "sell", str(path), "BAG", care],
        cwd=ROOT,
        env={**os.environ, **(environment or {})},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert till.stdout is not None
    with till.stdout:
        said = [till.stdout.readline().strip() for _ in range(sold)]
        os.kill(till.pid, signal.SIGKILL)
        said += till.stdout.read().split()
    assert till.wait() == -signal.SIGKILL
    return said


def test_a_till_killed_at_any_moment_has_every_sale_that_it_said_was_kept(path: Path) -> None:
    said = [id for sold in (1, 7, 40) for id in killed(path, sold=sold)]

    with Outbox(path) as outbox:
        kept = waiting(outbox)
        assert [id for id in kept if id in set(said)] == said
        # Between the disk and the word that it is there each of the three may have been killed.
        assert len(kept) - len(said) in range(4)


@pytest.mark.skipif(bool(why_not()), reason=why_not())
@pytest.mark.parametrize(("care", "is_lost"), [("FULL", False), ("OFF", True)])
def test_a_till_that_loses_power_has_every_sale_that_it_said_was_kept(tmp_path: Path, care: str, is_lost: bool) -> None:
    data, workshop = tmp_path / "data", tmp_path / "workshop"
    data.mkdir()
    workshop.mkdir()
    disk = ForgetfulDisk(data, workshop)
    said = []
    for sold in (1, 30):
        said += killed(data / "outbox.db", sold=sold, care=care, environment=disk.environment())
        disk.lose_power(Random(sold))
        if is_lost:
            break

    with Outbox(data / "outbox.db") as outbox:
        kept = waiting(outbox)
    assert ([id for id in kept if id in set(said)] != said) == is_lost


def test_arrays_are_what_the_hub_takes() -> None:
    events = [
        Written(str(number), b"x" * size) for number, size in enumerate([10] * 2_500 + [400_000] * 5 + [2_000_000])
    ]

    split = list(arrays(events))

    assert [event for array in split for event in array] == events
    assert [len(array) for array in split] == [1_000, 1_000, 502, 2, 1, 1]
    assert all(sum(len(event.body) + 1 for event in array) < BODY_BYTES_MAX for array in split[:-1])
    assert list(arrays([])) == []
