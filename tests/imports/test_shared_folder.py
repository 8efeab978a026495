"""Several processes share a folder of imports: none tramples on what another receives, and one works at a time."""

from pathlib import Path

import pytest

from hub.imports.spool import Folder, Window, write_window
from hub.imports.state import ImportState

WINDOW = Window("LON-KNB", ["BAG"], [1])


def state(id: str, word: str = "running", digest: str = "one") -> ImportState:
    return ImportState(
        source="erp",
        id=id,
        digest=digest,
        state=word,  # type: ignore[arg-type]
        kind="system",
        at_ms=0,
        complete=False,
        lines=1,
        broken=0,
        errors=[],
        locations=["LON-KNB"],
        bytes=0,
        started_at_ms=1,
    )


def take(folder: Folder, taken: ImportState) -> ImportState:
    with folder.receiving(taken.key) as file:
        write_window(file, WINDOW)
        file.flush()
        return folder.keep(taken)


def test_what_one_takes_the_others_find_and_what_one_saves_they_read_again(tmp_path: Path) -> None:
    one, other = Folder(tmp_path / "imports"), Folder(tmp_path / "imports")
    assert other.states() == {}
    taken = state("books")

    assert take(one, taken) is taken
    assert other.states() == {taken.key: taken}
    assert other.window(taken.key, 0) is not None

    taken.changed = 7
    one.save(taken)
    assert other.states()[taken.key].changed == 7
    one.forget(taken.key)
    assert other.states() == {}


def test_what_was_not_replaced_is_not_read_again(tmp_path: Path) -> None:
    folder = Folder(tmp_path / "imports")
    taken = take(folder, state("books"))

    assert folder.states()[taken.key] is folder.states()[taken.key]


def test_a_process_that_starts_leaves_what_another_receives(tmp_path: Path) -> None:
    one, other = Folder(tmp_path / "imports"), Folder(tmp_path / "imports")
    taken = state("books")
    with one.receiving(taken.key) as file:
        write_window(file, WINDOW)
        file.flush()

        other.tidy()

        assert one.keep(taken) is taken
    assert other.window(taken.key, 0) is not None


def test_what_a_killed_process_received_is_thrown_away(tmp_path: Path) -> None:
    folder = tmp_path / "imports"
    folder.mkdir()
    for name in ("a.killed.part", "a.killed.new", "a.spool"):
        (folder / name).write_text("half")

    Folder(folder).tidy()

    assert [path.name for path in folder.iterdir()] == ["taking.lock"]


def test_of_two_that_receive_one_id_the_first_stands(tmp_path: Path) -> None:
    one, other = Folder(tmp_path / "imports"), Folder(tmp_path / "imports")
    first, second = state("books"), state("books", digest="two")
    with one.receiving(first.key) as file, other.receiving(second.key) as same:
        write_window(file, WINDOW)
        write_window(same, Window("LON-KNB", ["OTHER"], [2]))
        file.flush()
        same.flush()

        assert one.keep(first) is first
        assert other.keep(second) == first

    found = other.window(first.key, 0)
    assert found is not None
    assert found[0] == WINDOW


@pytest.mark.parametrize("word", ["aborted"])
def test_what_was_aborted_may_be_sent_again(tmp_path: Path, word: str) -> None:
    folder = Folder(tmp_path / "imports")
    aborted = take(folder, state("books", word))
    assert not folder.has_spool(aborted.key)

    again = take(folder, state("books", digest="two"))

    assert folder.states()[again.key].digest == "two"
    assert folder.has_spool(again.key)


def test_one_works_at_a_time(tmp_path: Path) -> None:
    one, other = Folder(tmp_path / "imports"), Folder(tmp_path / "imports")
    # There is nothing to work on yet.
    assert not one.work()
    take(one, state("books"))

    assert one.work()
    assert one.work()
    assert not other.work()
    one.rest()
    assert other.work()
    other.rest()
