"""The files of a folder that books are dropped into. Everything here blocks: it is called from a thread.

One process looks into a folder: the one that has its lock, which the system takes back however that process ends. A
file stays where it was put until its import has ended, so whoever looks next finds everything as it was.
"""

import fcntl
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from hashlib import blake2b
from itertools import islice
from pathlib import Path
from stat import S_ISREG
from typing import BinaryIO, Final, NamedTuple

from hub.faults import Unavailable

DONE: Final = "done"
REFUSED: Final = "refused"
# Names that are looked at; the others wait until these are gone.
NAMES_MAX = 10_000
# Files that are kept in each of `done` and `refused`, with their reports.
KEPT_MAX = 500
_LOCK = ".hub-lock"
_REPORT = ".report.txt"
_NEW = ".new-report"
_ENDINGS = (".csv", ".jsonl", ".csv.gz", ".jsonl.gz")
_KEPT = re.compile(r"[0-9]{8}T[0-9]{6}\.[0-9]{3}Z-.")
_NAME_BYTES_MAX = 180
_PIECE_BYTES = 1024 * 1024
# 1901, before which no file was written, and the last of the year 9999.
_FIRST_MS, _LAST_MS = -(2**31) * 1000, 253_402_300_799_999


class Seen(NamedTuple):
    """A file as it was; one that is equal at the next look was not written to meanwhile."""

    # In the order in which they are taken.
    changed_ns: int
    name: str
    size: int
    inode: int

    @property
    def changed_ms(self) -> int:
        """When it was written to last, UTC milliseconds, within the years that can be written; a file may say any."""
        return min(max(self.changed_ns // 1_000_000, _FIRST_MS), _LAST_MS)


class Changed(Exception):
    """The file is not what it was: somebody writes to it, or put another in its place."""


class DropFolder:
    """One folder. Each call may raise Unavailable: it is not there, or cannot be used."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock: int | None = None

    def look(self) -> list[Seen] | None:
        """The files of books that lie there, the oldest first; None while another process looks."""
        with _usable(self.path):
            if not self._has_lock():
                return None
            with os.scandir(self.path) as entries:
                names = [entry.name for entry in islice(entries, NAMES_MAX) if _is_of_books(entry)]
            return sorted(seen for name in names if (seen := self._seen(name)) is not None)

    def digest(self, file: Seen) -> str:
        """Of what it holds. Raises Changed."""
        with self.reading(file) as stream:
            made = blake2b(digest_size=12)
            while piece := stream.read(_PIECE_BYTES):
                made.update(piece)
            self.check(file, stream)
        return made.hexdigest()

    @contextmanager
    def reading(self, file: Seen) -> Iterator[BinaryIO]:
        """The file, open. Raises Changed."""
        with _usable(self.path / file.name):
            try:
                # No link leads out of the folder.
                descriptor = os.open(self.path / file.name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
            except FileNotFoundError as error:
                raise Changed from error
            with os.fdopen(descriptor, "rb") as stream:
                self.check(file, stream)
                yield stream

    def check(self, file: Seen, stream: BinaryIO) -> None:
        """Make sure that an open file is still what was seen. Raises Changed."""
        if _seen_of(file.name, os.fstat(stream.fileno())) != file:
            raise Changed

    def put_away(self, file: Seen, end: str, report: str) -> None:
        """Write the report, then move the file beside it; done again after it was cut short, it is the same."""
        with _usable(self.path):
            folder = self.path / end
            folder.mkdir(exist_ok=True)
            at = datetime.fromtimestamp(file.changed_ms / 1000, UTC)
            # A name may be nearly as long as names can be.
            name = os.fsdecode(os.fsencode(file.name)[-_NAME_BYTES_MAX:])
            target = folder / f"{at:%Y%m%dT%H%M%S}.{file.changed_ms % 1000:03}Z-{name}"
            beside, new = folder / f"{target.name}{_REPORT}", folder / _NEW
            new.write_text(report, "utf-8", errors="backslashreplace")
            new.replace(beside)
            if self._seen(file.name) == file:
                (self.path / file.name).rename(target)
                self._put_back_another(file, target)
            _forget_oldest(folder)

    def close(self) -> None:
        """Let another process look."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _put_back_another(self, file: Seen, target: Path) -> None:
        """What was put there in the last moment, in place of the file that was taken, was not taken."""
        if _seen_of(file.name, target.lstat()) != file:
            # Unlike a rename this takes nobody's place.
            os.link(target, self.path / file.name)
            target.unlink()

    def _has_lock(self) -> bool:
        path = self.path / _LOCK
        if self._lock is not None:
            if path.exists() and os.path.samestat(os.fstat(self._lock), path.stat()):
                return True
            # Another folder took the place of this one.
            self.close()
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return False
        self._lock = descriptor
        return True

    def _seen(self, name: str) -> Seen | None:
        try:
            status = (self.path / name).lstat()
        except FileNotFoundError:
            return None
        return _seen_of(name, status) if S_ISREG(status.st_mode) else None


def _seen_of(name: str, status: os.stat_result) -> Seen:
    return Seen(status.st_mtime_ns, name, status.st_size, status.st_ino)


def _is_of_books(entry: os.DirEntry[str]) -> bool:
    is_named_so = entry.name.lower().endswith(_ENDINGS) and not entry.name.startswith(".")
    return is_named_so and entry.is_file(follow_symlinks=False)


def _forget_oldest(folder: Path) -> None:
    with os.scandir(folder) as entries:
        kept = sorted((entry.stat().st_ctime_ns, entry.name) for entry in entries if _KEPT.match(entry.name))
    # Each with its report.
    for _, name in kept[: max(0, len(kept) - 2 * KEPT_MAX)]:
        (folder / name).unlink(missing_ok=True)


@contextmanager
def _usable(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Unavailable(f"{path} cannot be used: {error.strerror or error}", 30) from error
