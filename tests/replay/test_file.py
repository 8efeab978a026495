"""Files as streams of lines."""

import gzip
from pathlib import Path

import pytest

from hub.faults import Fault, SettingsInvalid
from hub.replay.file import open_history


def lines_of(path: Path) -> list[str]:
    with open_history(path) as file:
        lines = list(file.lines())
        assert file.bytes_read == file.bytes_total
    return lines


def test_plain_and_packed_files_read_alike_whatever_they_are_called(tmp_path: Path) -> None:
    text = '\ufeffa,b\r\n1,"x\ny"\n'.encode()
    (tmp_path / "plain.gz").write_bytes(text)
    (tmp_path / "packed.csv").write_bytes(gzip.compress(text))

    assert lines_of(tmp_path / "plain.gz") == lines_of(tmp_path / "packed.csv") == ["a,b\r\n", '1,"x\n', 'y"\n']


def test_bytes_that_are_not_utf8_do_not_stop_a_file(tmp_path: Path) -> None:
    (tmp_path / "latin.csv").write_bytes("café\nthé\n".encode("latin-1"))

    assert len(lines_of(tmp_path / "latin.csv")) == 2


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "none.csv", tmp_path):
        with pytest.raises(SettingsInvalid, match="cannot be opened"), open_history(path):
            pass


def test_a_packed_file_that_was_cut_off_is_a_fault(tmp_path: Path) -> None:
    path = tmp_path / "cut.csv.gz"
    path.write_bytes(gzip.compress("".join(f"{n},{n * n}\n" for n in range(50_000)).encode())[:-2_000])

    with pytest.raises(Fault, match="could not be read to its end"), open_history(path) as file:
        list(file.lines())


def test_a_line_without_end_is_a_fault(tmp_path: Path) -> None:
    path = tmp_path / "blob.csv"
    path.write_bytes(b"x" * 2_000_000)

    with pytest.raises(Fault, match="is it a CSV"), open_history(path) as file:
        list(file.lines())
