"""The folder that imports wait in: for each a spool with its lines and a small state, replaced as a whole.

A window is up to a thousand lines of one location, one line of the spool. What a 202 promises is on the disk.

Several processes of a hub may share the folder: each may take imports and be asked about all, one works on them. What a
process is writing has its own name and is locked, so that no other throws it away; the locks end with the process.
"""

import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import sleep
from typing import BinaryIO
from uuid import uuid4

import msgspec
import structlog

from hub.faults import Unavailable
from hub.imports.state import ImportState
from hub.patience import attempts

log = structlog.get_logger()

# As many rows as one question to the ledger takes.
WINDOW_LINES_MAX = 1_000
_SPOOL, _STATE, _PART, _NEW = ".spool", ".json", ".part", ".new"
# Held by who works on imports, and for a moment by who takes one or tidies up.
_WORKING, _TAKING = "working.lock", "taking.lock"
_LOOK_AGAIN_SECONDS = 0.01


class Window(msgspec.Struct, array_like=True, frozen=True):
    """Lines of one location."""

    location: str
    skus: list[str]
    quantities: list[int]


_encode = msgspec.json.Encoder().encode
_decode_window = msgspec.json.Decoder(Window).decode
_decode_state = msgspec.json.Decoder(ImportState).decode


class Folder:
    """The files of all imports. Its methods block: call what may be long from a thread."""

    def __init__(self, path: Path) -> None:
        self._path = path
        # Of this process's files that are not whole yet.
        self._own = uuid4().hex[:12]
        # By file: what tells whether it was replaced, and the state in it.
        self._read: dict[str, tuple[tuple[int, int, int], ImportState | None]] = {}
        # Open while this process works on imports.
        self._working: int | None = None

    def tidy(self) -> None:
        """Throw away what a killed process was just receiving.

        Raises:
            Unavailable: the folder cannot be used.
        """
        if not self._path.exists():
            return
        with _on_disk(), self._taking():
            for path in [*self._path.glob(f"*{_PART}"), *self._path.glob(f"*{_NEW}")]:
                if not _is_locked(path):
                    path.unlink(missing_ok=True)
            for path in self._path.glob(f"*{_SPOOL}"):
                # Killed between the two: its sender was not told that it was taken.
                if not path.with_suffix(_STATE).exists():
                    path.unlink(missing_ok=True)

    def states(self) -> dict[str, ImportState]:
        """Every import that is known, by its key; what was not replaced since the last time is not read again.

        Raises:
            Unavailable: the folder cannot be used.
        """
        read: dict[str, tuple[tuple[int, int, int], ImportState | None]] = {}
        with _on_disk():
            for path in sorted(self._path.glob(f"*{_STATE}")):
                try:
                    found = path.stat()
                    mark = (found.st_ino, found.st_mtime_ns, found.st_size)
                    known = self._read.get(path.name)
                    read[path.name] = known if known is not None and known[0] == mark else (mark, _read_state(path))
                except FileNotFoundError:
                    # Forgotten by another process just now.
                    continue
        self._read = read
        return {state.key: state for _, state in read.values() if state is not None}

    def work(self) -> bool:
        """Be the process that works on the imports of this folder, if none is; whether it is this one.

        Raises:
            Unavailable: the folder cannot be used.
        """
        if self._working is None and self._path.exists():
            with _on_disk():
                self._working = _lock(self._path / _WORKING)
        return self._working is not None

    def rest(self) -> None:
        """Work no more, so that another process may."""
        if self._working is not None:
            os.close(self._working)
            self._working = None

    @contextmanager
    def receiving(self, key: str) -> Iterator[BinaryIO]:
        """A file to write windows to, gone at the end of the block unless it was kept.

        Raises:
            Unavailable: the disk is full or cannot be written.
        """
        path = self._part(key)
        try:
            with _on_disk():
                self._make()
                with path.open("wb") as file:
                    # Nobody else has this name; an empty file that was swept away in between is no longer there.
                    fcntl.flock(file, fcntl.LOCK_EX)
                    yield file
        finally:
            path.unlink(missing_ok=True)

    def keep(self, state: ImportState) -> ImportState:
        """Take what was received, once it is on the disk; from here on a restart finds the import.

        An import of that key that is there already, and was not aborted, stands: it is what is answered then.

        Raises:
            Unavailable: the disk is full or cannot be written.
        """
        part, path = self._part(state.key), self._path / f"{state.key}{_STATE}"
        with _on_disk():
            _sync(part)
            with self._taking():
                known = _read_state(path) if path.exists() else None
                if known is not None and known.state != "aborted":
                    return known
                if state.state != "aborted":
                    part.replace(self._path / f"{state.key}{_SPOOL}")
                self._write(state)
        return state

    def save(self, state: ImportState) -> None:
        """Replace the state file.

        Raises:
            Unavailable: the disk is full or cannot be written.
        """
        with _on_disk(), self._taking():
            self._write(state)

    def has_spool(self, key: str) -> bool:
        """Whether the lines of an import are there."""
        return (self._path / f"{key}{_SPOOL}").exists()

    def drop_spool(self, key: str) -> None:
        """The lines are not needed any more."""
        (self._path / f"{key}{_SPOOL}").unlink(missing_ok=True)

    def forget(self, key: str) -> None:
        """Nobody will ask about the import any more."""
        self.drop_spool(key)
        (self._path / f"{key}{_STATE}").unlink(missing_ok=True)

    def window(self, key: str, offset: int) -> tuple[Window, int] | None:
        """The window that begins there, and where the next one does; None at the end.

        Raises:
            Unavailable: the disk cannot be read.
            msgspec.MsgspecError: there is no window.
        """
        with _on_disk(), (self._path / f"{key}{_SPOOL}").open("rb") as file:
            file.seek(offset)
            line = file.readline()
        return (_decode_window(line), offset + len(line)) if line else None

    def append(self, key: str, size: int, windows: Sequence[Window]) -> int:
        """Put windows after the first `size` bytes, in place of what stands there; the size afterwards.

        Raises:
            Unavailable: the disk is full or cannot be written.
        """
        path = self._path / f"{key}{_SPOOL}"
        with _on_disk(), path.open("r+b") as file:
            file.truncate(size)
            file.seek(size)
            for window in windows:
                write_window(file, window)
            file.flush()
            os.fsync(file.fileno())
            return file.tell()

    def _write(self, state: ImportState) -> None:
        new = self._path / f"{state.key}.{self._own}{_NEW}"
        new.write_bytes(_encode(state))
        _sync(new)
        new.replace(self._path / f"{state.key}{_STATE}")
        _sync(self._path)

    def _part(self, key: str) -> Path:
        return self._path / f"{key}.{self._own}{_PART}"

    def _make(self) -> None:
        self._path.mkdir(mode=0o700, parents=True, exist_ok=True)

    @contextmanager
    def _taking(self) -> Iterator[None]:
        """Nobody else writes a state or tidies up meanwhile."""
        self._make()
        for _ in attempts():
            if (held := _lock(self._path / _TAKING)) is not None:
                break
            sleep(_LOOK_AGAIN_SECONDS)
        else:
            raise Unavailable("another process of the hub keeps the folder of imports locked", 5)
        try:
            yield
        finally:
            os.close(held)


def write_window(file: BinaryIO, window: Window) -> None:
    """Write one window. Raises OSError."""
    file.write(_encode(window) + b"\n")


def _read_state(path: Path) -> ImportState | None:
    try:
        return _decode_state(path.read_bytes())
    except msgspec.MsgspecError as error:
        log.error("the state of an import cannot be read; it is left alone", file=str(path), reason=str(error))
        return None


def _lock(path: Path) -> int | None:
    """An open file that is locked until it is closed; None: another has the lock."""
    held = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(held)
        return None
    except BaseException:
        os.close(held)
        raise
    return held


def _is_locked(path: Path) -> bool:
    """Whether a process that lives has the file."""
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _on_disk() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Unavailable(f"the folder of imports cannot be used: {error.strerror}", 30) from error
