"""The files of a drop folder: which are taken, by whom, and where they go."""

import os
from pathlib import Path

import pytest

from hub.faults import Unavailable
from hub.imports import drop_folder
from hub.imports.drop_folder import DONE, Changed, DropFolder, Seen


@pytest.fixture
def folder(tmp_path: Path) -> DropFolder:
    (tmp_path / "erp").mkdir()
    return DropFolder(tmp_path / "erp")


def dropped(folder: DropFolder, name: str, text: str = "sku,quantity\n", seconds: int = 1_000) -> Path:
    path = folder.path / name
    path.write_text(text)
    os.utime(path, (seconds, seconds))
    return path


def looked(folder: DropFolder) -> list[Seen]:
    seen = folder.look()
    assert seen is not None
    return seen


def test_books_are_seen_the_oldest_first_and_nothing_else_is(folder: DropFolder) -> None:
    dropped(folder, "b.csv", seconds=3)
    for second, name in enumerate(("z.csv", "a.JSONL", "c.csv.gz", ".hidden.csv", "a.csv.part", "notes.txt"), start=4):
        dropped(folder, name, seconds=second)
    (folder.path / "folder.csv").mkdir()
    (folder.path / "link.csv").symlink_to(folder.path / "notes.txt")
    os.mkfifo(folder.path / "pipe.csv")

    assert [each.name for each in looked(folder)] == ["b.csv", "z.csv", "a.JSONL", "c.csv.gz"]


def test_one_looks_and_another_goes_on_when_it_has_ended(folder: DropFolder) -> None:
    other = DropFolder(folder.path)
    dropped(folder, "a.csv")

    first, second = folder.look(), other.look()
    folder.close()
    third = other.look()

    assert [each is None for each in (first, second, third)] == [False, True, False]
    assert folder.look() is None
    other.close()


def test_another_folder_of_the_same_name_is_locked_anew(folder: DropFolder) -> None:
    folder.look()
    folder.path.rename(folder.path.with_name("old"))
    folder.path.mkdir()

    assert folder.look() == []

    assert DropFolder(folder.path).look() is None
    folder.close()


def test_a_file_that_is_written_to_or_replaced_is_noticed(folder: DropFolder) -> None:
    path = dropped(folder, "a.csv")
    [seen] = looked(folder)
    before = folder.digest(seen)

    path.write_text("sku,quantity\nBAG-NOIR,1\n")
    with pytest.raises(Changed):
        folder.digest(seen)
    dropped(folder, "new")
    (folder.path / "new").replace(path)
    with pytest.raises(Changed):
        folder.digest(seen)
    path.unlink()
    with pytest.raises(Changed):
        folder.digest(seen)

    assert before == before.lower()


def test_a_file_that_grows_while_it_is_read_is_noticed(folder: DropFolder) -> None:
    path = dropped(folder, "a.csv")
    [seen] = looked(folder)

    with folder.reading(seen) as stream:
        folder.check(seen, stream)
        with path.open("a") as writer:
            writer.write("BAG-NOIR,1\n")
        with pytest.raises(Changed):
            folder.check(seen, stream)


def test_what_was_taken_goes_beside_its_report_and_the_same_again_is_the_same(folder: DropFolder) -> None:
    path = dropped(folder, "night.csv", seconds=1_795_000_000)
    [seen] = looked(folder)

    folder.put_away(seen, DONE, "first\n")
    folder.put_away(seen, DONE, "again\n")

    assert not path.exists()
    kept = sorted(each.name for each in (folder.path / DONE).iterdir())
    assert kept == ["20261118T110640.000Z-night.csv", "20261118T110640.000Z-night.csv.report.txt"]
    assert (folder.path / DONE / kept[1]).read_text() == "again\n"


def test_a_newer_file_of_the_same_name_stays_where_it_is(folder: DropFolder) -> None:
    dropped(folder, "night.csv")
    [seen] = looked(folder)
    newer = dropped(folder, "night.csv", "newer", seconds=2_000)

    folder.put_away(seen, DONE, "of the older one\n")

    assert newer.read_text() == "newer"
    assert [each.name.endswith(".report.txt") for each in (folder.path / DONE).iterdir()] == [True]


def test_one_that_comes_in_the_last_moment_is_put_back(folder: DropFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    path = dropped(folder, "night.csv")
    [seen] = looked(folder)
    really_rename = Path.rename

    def rename(self: Path, target: Path) -> Path:
        monkeypatch.undo()
        self.unlink()
        dropped(folder, "night.csv", "newer", seconds=2_000)
        return really_rename(self, target)

    monkeypatch.setattr(Path, "rename", rename)
    folder.put_away(seen, DONE, "of the older one\n")

    assert path.read_text() == "newer"
    assert [each.name.endswith(".report.txt") for each in (folder.path / DONE).iterdir()] == [True]


def test_only_the_newest_are_kept_and_nothing_that_others_put_there_is_touched(
    folder: DropFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drop_folder, "KEPT_MAX", 2)
    (folder.path / DONE).mkdir()
    (folder.path / DONE / "theirs.csv").write_text("kept by somebody")
    for number in range(4):
        dropped(folder, f"night-{number}.csv", seconds=1_000 - number)
        folder.put_away(looked(folder)[0], DONE, "report\n")

    kept = [each.name.partition("Z-")[2] for each in (folder.path / DONE).iterdir() if each.name != "theirs.csv"]
    assert sorted(kept) == ["night-2.csv", "night-2.csv.report.txt", "night-3.csv", "night-3.csv.report.txt"]
    assert (folder.path / DONE / "theirs.csv").exists()


def test_a_name_as_long_as_names_can_be_is_put_away_too(folder: DropFolder) -> None:
    dropped(folder, "é" * 120 + ".csv")

    folder.put_away(looked(folder)[0], DONE, "report\n")

    assert looked(folder) == []
    assert len(list((folder.path / DONE).iterdir())) == 2


def test_a_folder_that_is_not_there_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="nowhere cannot be used: No such file or directory"):
        DropFolder(tmp_path / "nowhere").look()
