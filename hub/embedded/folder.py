"""The hub's data folder: its parts, who may see them, and the locks that keep it to one hub.

Two locks, because a hub and its servers end at different times. `lock` is held by the hub alone: while it is held a
hub lives. `servers.lock` is inherited by the guards and their servers: while it is held a server may still write, even
when its hub was killed, and the next hub waits for it.
"""

import asyncio
import contextlib
import fcntl
import os
import re
import stat
import tempfile
from pathlib import Path

from hub.faults import ServerRefused

# The servers of a killed hub have 15 seconds to stop in order (see guarded.py), and some to be killed.
_SERVERS_GONE_SECONDS = 20.0
_LOOK_AGAIN_SECONDS = 0.02

# A unix socket's path may have 103 bytes on macOS and 107 on Linux; Postgres appends `/.s.PGSQL.5432`.
_SOCKET_FOLDER_BYTES_MAX = 85
# In lists of folders and of hosts, and in URLs, other characters mean something.
_PLAIN_PATH = re.compile(r"[A-Za-z0-9/._+~@-]+")

# A server's log is put aside at the start once it is larger; with the old one at most two of them are kept.
_LOG_BYTES_MAX = 1_000_000


class DataFolder:
    """A locked data folder. Open it with `open_folder`, and close it when its servers have stopped."""

    def __init__(self, path: Path, sockets: Path, hub_lock: int, servers_lock: int) -> None:
        self.path = path
        self.servers_lock = servers_lock
        self._hub_lock = hub_lock
        # Where the servers make their sockets.
        self.sockets = sockets

    def part(self, name: str) -> Path:
        """Return a folder of the data folder, made if need be, closed to others."""
        part = self.path / name
        part.mkdir(mode=0o700, exist_ok=True)
        return part

    def log(self, name: str) -> Path:
        """Return the path of a server's log; a large one is put aside first."""
        log = self.part("log") / f"{name}.log"
        if log.exists() and log.stat().st_size > _LOG_BYTES_MAX:
            log.replace(log.with_suffix(".log.old"))
        return log

    def close(self) -> None:
        """Give the folder free. Idempotent."""
        if self._hub_lock < 0:
            return
        if self.sockets.parent != self.path:
            _remove_sockets(self.path, self.sockets)
        os.close(self.servers_lock)
        os.close(self._hub_lock)
        self._hub_lock = -1


async def open_folder(path: Path) -> DataFolder:
    """Make and lock the data folder; wait for servers of a killed hub to end.

    Raises:
        ServerRefused: another hub lives in the folder, its servers do not end, or it is somebody else's.
        OSError: the folder cannot be made, read or written.
    """
    path = _make_private(path)
    with contextlib.ExitStack() as undo:
        hub_lock = _lock_as_hub(path / "lock")
        undo.callback(os.close, hub_lock)
        servers_lock = await _lock_servers(path / "servers.lock")
        undo.callback(os.close, servers_lock)
        folder = DataFolder(path, _sockets(path), hub_lock, servers_lock)
        undo.pop_all()
    return folder


def sockets_in_use(path: Path) -> Path | None:
    """Where the servers of the hub that lives in the folder have their sockets; None when no hub does.

    Raises:
        OSError: the folder cannot be read.
    """
    path = path.absolute()
    try:
        descriptor = os.open(path / "lock", os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        is_free = _flocked(descriptor)
    finally:
        os.close(descriptor)
    return None if is_free else _sockets(path)


def _make_private(path: Path) -> Path:
    path = path.absolute()
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = path.stat()
    mode = found.st_mode
    if found.st_uid != os.geteuid():
        raise ServerRefused(f"the data folder {path} belongs to user {found.st_uid}: run the hub as that user")
    if mode & stat.S_ISVTX:
        raise ServerRefused(f"the data folder {path} is shared by everybody; name a folder of the hub's own")
    if stat.S_IMODE(mode) != 0o700:
        path.chmod(0o700)
    return path


def _lock_as_hub(path: Path) -> int:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        pid = os.read(descriptor, 32).decode(errors="replace").strip() or "unknown"
        os.close(descriptor)
        raise ServerRefused(f"a running hub (process {pid}) uses the data folder {path.parent}") from None
    except OSError:
        os.close(descriptor)
        raise
    os.ftruncate(descriptor, 0)
    os.write(descriptor, f"{os.getpid()}\n".encode())
    return descriptor


async def _lock_servers(path: Path) -> int:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        async with asyncio.timeout(_SERVERS_GONE_SECONDS):
            # The kernel tells nobody when a lock becomes free, short of a thread that blocks.
            while not _flocked(descriptor):  # noqa: ASYNC110
                await asyncio.sleep(_LOOK_AGAIN_SECONDS)
    except TimeoutError:
        os.close(descriptor)
        raise ServerRefused(
            f"servers of an earlier hub in {path.parent} are still running after"
            f" {_SERVERS_GONE_SECONDS:.0f} seconds; stop them first"
        ) from None
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _flocked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _sockets(path: Path) -> Path:
    """Return a private folder for the servers' sockets, elsewhere if the data folder's path does not do for one."""
    inside = path / "run"
    if _does_for_sockets(inside):
        inside.mkdir(mode=0o700, exist_ok=True)
        return inside
    # A killed hub leaves its folder behind; the next hub finds it by this note instead of making one more.
    note = path / "run.path"
    if note.exists() and _is_ours(earlier := Path(note.read_text().strip())):
        return earlier
    elsewhere = Path(tempfile.mkdtemp(prefix="hub-run-"))
    if not _does_for_sockets(elsewhere):
        elsewhere.rmdir()
        elsewhere = Path(tempfile.mkdtemp(prefix="hub-run-", dir="/tmp"))
    note.write_text(f"{elsewhere}\n")
    return elsewhere


def _does_for_sockets(folder: Path) -> bool:
    return len(str(folder)) <= _SOCKET_FOLDER_BYTES_MAX and bool(_PLAIN_PATH.fullmatch(str(folder)))


def _is_ours(folder: Path) -> bool:
    try:
        found = folder.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and stat.S_IMODE(found.st_mode) == 0o700


def _remove_sockets(path: Path, sockets: Path) -> None:
    for left in sockets.iterdir():
        left.unlink(missing_ok=True)
    sockets.rmdir()
    (path / "run.path").unlink(missing_ok=True)
