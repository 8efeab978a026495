"""Child processes of a measurement: start them, read what they cost from /proc, and end them."""

import os
import signal
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_STOP_SECONDS = 30


@contextmanager
def python(arguments: Sequence[str], environ: Mapping[str, str] | None = None) -> Iterator[subprocess.Popen[str]]:
    """A Python program with its standard output piped, ended by SIGTERM at the end of the block."""
    process = subprocess.Popen(
        [sys.executable, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, **(environ or {})},
    )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()


def first_line(process: subprocess.Popen[str]) -> str:
    """The first line that a program prints; it says that the program is ready.

    Raises:
        SystemExit: it ended without one.
    """
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        raise SystemExit(f"{process.args!r} ended before it was ready.")
    return line.strip()


def resident_bytes(pid: int) -> int:
    """Memory of one process that is in RAM."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE_BYTES


def cpu_seconds_of(pid: int) -> float:
    """CPU seconds so far of one process, with all of its threads."""
    return _stat(pid)[1]


def cpu_seconds_by_program(pid: int) -> dict[str, float]:
    """CPU seconds so far of a process (`itself`) and of its descendants, by the program's name."""
    spent: dict[str, float] = defaultdict(float)
    children = _children()
    waiting = [pid]
    while waiting:
        process = waiting.pop()
        waiting += children.get(process, [])
        name, seconds = _stat(process)
        spent["itself" if process == pid else name] += seconds
    return dict(spent)


def _children() -> dict[int, list[int]]:
    found: dict[int, list[int]] = defaultdict(list)
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            found[int(_fields(int(folder.name))[1][1])].append(int(folder.name))
        except OSError:
            continue  # It has ended.
    return found


def _stat(pid: int) -> tuple[str, float]:
    try:
        name, fields = _fields(pid)
    except OSError:
        return "ended", 0.0
    # Fields 14 and 15 of /proc/<pid>/stat, of which the first two are cut off.
    return name, (int(fields[11]) + int(fields[12])) / _TICKS_PER_SECOND


def _fields(pid: int) -> tuple[str, list[str]]:
    """The program's name, and the fields of its stat after that."""
    before, _, after = Path(f"/proc/{pid}/stat").read_text().rpartition(")")
    return before.partition("(")[2], after.split()
