"""What a process noted of its answers, in a file of its own: known though it ended while it reached neither store.

Each file is locked while its process lives. It is written as a whole and then given its name, so that a process that is
killed leaves a whole one; it is not synced, for what survives a kill is enough: who comes after a loss of power sees by
`boot` that it may be an older one.
"""

import fcntl
import os
from contextlib import suppress
from pathlib import Path
from time import time
from uuid import UUID

import msgspec
import structlog

from hub.domain.entry import PARTITION, Seq

log = structlog.get_logger()

# The folder of them within the hub's data folder.
NOTES = "answered"
# Files that are looked at; each is of a process that ended while the ledger was away.
FILES_MAX = 1_000
# Of a file that is larger another wrote it.
FILE_BYTES_MAX = 1024 * 1024
# Nobody writes one for as long.
ABANDONED_SECONDS = 3_600
_ENDING, _NEW = ".json", ".new"
_BOOT = Path("/proc/sys/kernel/random/boot_id")


class Noted(msgspec.Struct, frozen=True):
    """What a process knew of its answers when it was about to tell one that the ledger does not have."""

    hub: UUID
    # As the ledger calls it among those that work.
    process: UUID
    # Of the machine's start; empty where that is not known.
    boot: str
    epoch: int
    # The number behind all that it was answered, and when the last of that was booked, UTC milliseconds.
    next: int
    booked_at_ms: int
    # From which number on it says who was answered what this process was answered: what came before the ledger had.
    since: int
    # Whoever was answered what the ledger did not have, and the number of the last answer.
    sources: dict[str, int]
    # How many they are; of more than are noted those that were answered last are.
    sources_count: int
    partition: int = PARTITION

    @property
    def unanswered(self) -> Seq:
        """The place behind all that it was answered."""
        return Seq(self.epoch, self.next, self.partition)

    def names_all_from(self, number: int) -> bool:
        """Whether it names all who were answered by its process from this number on."""
        return self.since <= number and len(self.sources) == self.sources_count

    @property
    def may_be_older(self) -> bool:
        """Whether the machine may have lost what was written last."""
        return not self.boot or self.boot != boot_id()


class NoteFile:
    """The file of this process. Its methods block."""

    def __init__(self, folder: Path, process: UUID) -> None:
        self._path = folder / f"{process}{_ENDING}"
        # Of the file that has the name now: it holds the lock.
        self._held: int | None = None

    def write(self, noted: Noted) -> None:
        """Take the place of what was noted before.

        Raises:
            OSError: the disk is full, or cannot be written; what was noted before is there still.
        """
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        new = self._path.with_suffix(_NEW)
        made = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            # Before it has its name, so that whoever finds it finds it locked.
            fcntl.flock(made, fcntl.LOCK_EX | fcntl.LOCK_NB)
            with open(made, "wb", closefd=False) as file:
                file.write(msgspec.json.encode(noted))
            new.rename(self._path)
        except BaseException:
            os.close(made)
            raise
        self._let_go()
        self._held = made

    def remove(self) -> None:
        """Nothing is to be known of this process any more. Idempotent; raises OSError."""
        self._path.unlink(missing_ok=True)
        self._let_go()

    def close(self) -> None:
        """What is noted stays, for whoever comes next."""
        self._let_go()

    def _let_go(self) -> None:
        if self._held is not None:
            os.close(self._held)
        self._held = None


def left_in(folder: Path, hub: UUID) -> dict[Path, Noted]:
    """What processes of a hub noted that live no more; what cannot be read is said and left out. It blocks."""
    try:
        for path in folder.glob(f"*{_NEW}"):
            # Its process was killed in the middle of it.
            if time() - path.stat().st_mtime > ABANDONED_SECONDS:
                path.unlink()
        paths = sorted(folder.glob(f"*{_ENDING}"))[:FILES_MAX]
        read = {path: _read(path) for path in paths}
    except OSError as error:
        log.warning("what ended processes noted of their answers cannot be read", reason=str(error))
        return {}
    return {path: noted for path, noted in read.items() if noted is not None and noted.hub == hub}


def boot_id() -> str:
    """Which start of the machine this is; empty where that is not known."""
    with suppress(OSError):
        return _BOOT.read_text().strip()
    return ""


def _read(path: Path) -> Noted | None:
    """What a process noted that lives no more; None: it lives, or it is no such file."""
    with suppress(FileNotFoundError):
        found = os.open(path, os.O_RDONLY)
        try:
            # Others that start look at the same moment, so it is shared.
            fcntl.flock(found, fcntl.LOCK_SH | fcntl.LOCK_NB)
            if os.fstat(found).st_ino != path.stat().st_ino:
                # Its process has just written another.
                return None
            with open(found, "rb", closefd=False) as file:
                return msgspec.json.decode(file.read(FILE_BYTES_MAX), type=Noted)
        except BlockingIOError:
            return None
        except msgspec.MsgspecError as error:
            log.warning("what an ended process noted cannot be read", file=str(path), reason=str(error))
        finally:
            os.close(found)
    return None
