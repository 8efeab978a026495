"""What a process notes is found once it has ended, and never half of it."""

import os
from pathlib import Path
from uuid import UUID, uuid4

import msgspec
import pytest
from structlog.testing import capture_logs

from hub.recovery.notes import FILE_BYTES_MAX, Noted, NoteFile, boot_id, left_in

HUB, PROCESS = UUID(int=1), UUID(int=2)


def noted(**changes: object) -> Noted:
    whole = Noted(HUB, PROCESS, boot_id(), 3, 10, 1_000, 5, {"till": 9}, 1)
    return msgspec.structs.replace(whole, **changes)


def test_of_a_process_that_lives_nothing_is_found_and_of_one_that_ended_its_last_words(tmp_path: Path) -> None:
    file = NoteFile(tmp_path, PROCESS)
    for number in (10, 11):
        file.write(noted(next=number))
        assert left_in(tmp_path, HUB) == {}
    file.close()

    assert list(left_in(tmp_path, HUB).values()) == [noted(next=11)]
    # Whoever looks holds up nobody else who looks.
    assert list(left_in(tmp_path, HUB).values()) == [noted(next=11)]


def test_what_a_killed_process_was_writing_takes_nothing_away(tmp_path: Path) -> None:
    file = NoteFile(tmp_path, PROCESS)
    file.write(noted())
    file.close()
    (tmp_path / f"{PROCESS}.new").write_bytes(b"{")

    assert list(left_in(tmp_path, HUB).values()) == [noted()]
    # In the end it goes.
    os.utime(tmp_path / f"{PROCESS}.new", (0, 0))
    left_in(tmp_path, HUB)
    assert os.listdir(tmp_path) == [f"{PROCESS}.json"]


def test_what_cannot_be_written_leaves_what_was_noted(tmp_path: Path) -> None:
    file = NoteFile(tmp_path, PROCESS)
    file.write(noted())
    (tmp_path / f"{PROCESS}.new").mkdir()
    with pytest.raises(OSError, match="directory"):
        file.write(noted(next=11))
    file.close()

    assert list(left_in(tmp_path, HUB).values()) == [noted()]


def test_another_hub_s_notes_and_what_is_no_note_are_left_alone(tmp_path: Path) -> None:
    NoteFile(tmp_path, PROCESS).write(noted(hub=UUID(int=7)))
    (tmp_path / "noise.json").write_bytes(b"{" * 10)
    (tmp_path / "large.json").write_bytes(b" " * FILE_BYTES_MAX + msgspec.json.encode(noted()))

    with capture_logs() as logs:
        assert left_in(tmp_path, HUB) == {}

    assert len(list(tmp_path.iterdir())) == 3
    assert sorted(Path(log["file"]).name for log in logs) == ["large.json", "noise.json"]


def test_a_folder_that_nobody_made_has_none(tmp_path: Path) -> None:
    assert left_in(tmp_path / "answered", HUB) == {}


def test_nothing_stays_of_what_is_taken_back(tmp_path: Path) -> None:
    file = NoteFile(tmp_path, uuid4())
    file.remove()
    file.write(noted())
    file.remove()
    file.remove()

    assert os.listdir(tmp_path) == []


def test_what_was_noted_before_the_machine_was_started_may_be_older() -> None:
    assert not noted().may_be_older
    assert noted(boot="another-start").may_be_older
    assert noted(boot="").may_be_older


def test_it_names_all_from_where_it_knew_of_all() -> None:
    assert noted().names_all_from(5)
    assert not noted().names_all_from(4)
    # More were answered than are noted.
    assert not noted(sources_count=2).names_all_from(5)
