"""The folder that imports wait in: for each a spool with its lines and a small state, replaced as a whole.

A window is up to a thousand lines of one location, one line of the spool. What a 202 promises is on the disk.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import msgspec
import structlog

from hub.faults import Unavailable
from hub.imports.state import ImportState

log = structlog.get_logger()

# As many rows as one question to the ledger takes.
WINDOW_LINES_MAX = 1_000
_SPOOL, _STATE, _PART, _NEW = ".spool", ".json", ".part", ".new"


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

    def load(self) -> list[ImportState]:
        """Every import that is known; what a killed hub was just receiving is thrown away.

        Raises:
            Unavailable: the folder cannot be used.
        """
        with _on_disk():
            for ending in (_PART, _NEW):
                for path in self._path.glob(f"*{ending}"):
                    path.unlink()
            states = [state for path in sorted(self._path.glob(f"*{_STATE}")) if (state := _read_state(path))]
            for path in self._path.glob(f"*{_SPOOL}"):
                # Killed between the two: its sender was not told that it was taken.
                if not path.with_suffix(_STATE).exists():
                    path.unlink()
        return states

    @contextmanager
    def receiving(self, key: str) -> Iterator[BinaryIO]:
        """A file to write windows to, gone at the end of the block unless it was kept.

        Raises:
            Unavailable: the disk is full or cannot be written.
        """
        path = self._path / f"{key}{_PART}"
        try:
            with _on_disk():
                self._path.mkdir(mode=0o700, parents=True, exist_ok=True)
                with path.open("wb") as file:
                    yield file
        finally:
            path.unlink(missing_ok=True)

    def keep(self, state: ImportState) -> None:
        """Take what was received, once it is on the disk; from here on a restart finds the import.

        Raises:
            Unavailable: the disk is full or cannot be written.
        """
        part = self._path / f"{state.key}{_PART}"
        with _on_disk():
            _sync(part)
            part.replace(self._path / f"{state.key}{_SPOOL}")
        self.save(state)

    def save(self, state: ImportState) -> None:
        """Replace the state file.

        Raises:
            Unavailable: the disk is full or cannot be written.
        """
        new = self._path / f"{state.key}{_NEW}"
        with _on_disk():
            new.write_bytes(_encode(state))
            _sync(new)
            new.replace(self._path / f"{state.key}{_STATE}")
            _sync(self._path)

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


def write_window(file: BinaryIO, window: Window) -> None:
    """Write one window. Raises OSError."""
    file.write(_encode(window) + b"\n")


def _read_state(path: Path) -> ImportState | None:
    try:
        return _decode_state(path.read_bytes())
    except msgspec.MsgspecError as error:
        log.error("the state of an import cannot be read; it is left alone", file=str(path), reason=str(error))
        return None


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
