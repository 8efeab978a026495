"""The forgetful disk forgets what was not synced, all of it and nothing else: else it would prove nothing."""

import os
import subprocess
import sys
from pathlib import Path
from random import Random

import pytest

from tests.faults.power import ForgetfulDisk, Forgotten, why_not

pytestmark = pytest.mark.skipif(bool(why_not()), reason=why_not())


@pytest.fixture
def disk(tmp_path: Path) -> ForgetfulDisk:
    (tmp_path / "data").mkdir()
    (tmp_path / "workshop").mkdir()
    return ForgetfulDisk(tmp_path / "data", tmp_path / "workshop")


@pytest.fixture
def data(disk: ForgetfulDisk, tmp_path: Path) -> Path:
    return tmp_path / "data"


def run(disk: ForgetfulDisk, data: Path, script: str) -> None:
    """What a server does before it is killed."""
    program = f"import os\nos.chdir({str(data)!r})\n{script}\nos.kill(os.getpid(), 9)"
    ended = subprocess.run([sys.executable, "-c", program], env={**os.environ, **disk.environment()}, check=False)
    assert ended.returncode == -9


APPEND = """
fd = os.open('log', os.O_WRONLY | os.O_CREAT | os.O_APPEND)
os.write(fd, b'one ')
os.fsync(fd)
os.write(fd, b'two ')
os.write(fd, b'three ')
"""


def test_what_was_appended_and_not_synced_is_gone(disk: ForgetfulDisk, data: Path) -> None:
    run(disk, data, APPEND)
    assert (data / "log").read_bytes() == b"one two three "

    assert disk.lose_power() == Forgotten(writes=2, bytes=10)
    assert (data / "log").read_bytes() == b"one "


def test_a_disk_that_was_busy_keeps_some_of_the_first_writes(disk: ForgetfulDisk, data: Path) -> None:
    found = set()
    for seed in range(20):
        (data / "log").unlink(missing_ok=True)
        run(disk, data, APPEND)
        disk.lose_power(Random(seed))
        found.add((data / "log").read_bytes())
    assert found == {b"one ", b"one two ", b"one two three "}


def test_what_was_written_over_and_cut_off_is_as_it_was(disk: ForgetfulDisk, data: Path) -> None:
    (data / "pages").write_bytes(b"0123456789")
    run(
        disk,
        data,
        """
fd = os.open('pages', os.O_RDWR)
os.pwrite(fd, b'SYNCED', 0)
os.fdatasync(fd)
os.pwrite(fd, b'xyz', 2)
os.pwrite(fd, b'longer than it was', 6)
os.ftruncate(fd, 1)
""",
    )
    assert (data / "pages").read_bytes() == b"S"

    disk.lose_power()
    assert (data / "pages").read_bytes() == b"SYNCED6789"


def test_new_files_and_new_names_stay_only_with_their_folder(disk: ForgetfulDisk, data: Path) -> None:
    for name in ("kept", "forgotten"):
        (data / name).write_bytes(b"old")
    run(
        disk,
        data,
        """
def put(name, replaces):
    fd = os.open(name, os.O_WRONLY | os.O_CREAT)
    os.write(fd, b'new')
    os.fsync(fd)
    os.rename(name, replaces)
put('a', 'kept')
folder = os.open('.', os.O_RDONLY)
os.fsync(folder)
put('b', 'forgotten')
os.open('never synced', os.O_WRONLY | os.O_CREAT)
""",
    )
    disk.lose_power()
    assert {entry.name: entry.read_bytes() for entry in data.iterdir()} == {
        "kept": b"new",
        "forgotten": b"old",
        "b": b"new",
    }
