"""A till's outbox: a file that keeps events until the hub's ledger has them, through days offline and any crash.

It is an SQLite file and not a list of lines, because events leave it out of order (one that waits for the ledger does
not hold up the next), and SQLite makes each step whole or not at all without a compaction of ours.

Laws:
- An event whose `put` has returned is on disk: every commit is synced.
- Events keep the order of their `put`s, and the ids that they were given then.
- One process at a time; when it is killed, its lock ends with it.
"""

import os
import sqlite3
from collections.abc import Callable, Iterable
from pathlib import Path
from threading import Lock
from typing import Final
from uuid import uuid4

import msgspec

from protocol.clients.events import Written
from protocol.clients.faults import OutboxFull, OutboxInUse
from protocol.codec import decode_event, encode_canonical
from protocol.events import Event
from protocol.limits import BODY_BYTES_MAX

EVENTS_MAX: Final = 100_000
BYTES_MAX: Final = 64 * 1024 * 1024

_TABLE: Final = """
CREATE TABLE IF NOT EXISTS event (
    number   INTEGER PRIMARY KEY AUTOINCREMENT,
    id       TEXT NOT NULL UNIQUE,
    body     BLOB NOT NULL,
    -- The hub has it in Redis, and did not yet say that its ledger has it too.
    accepted INTEGER NOT NULL DEFAULT 0
)
"""
_INDEX: Final = "CREATE INDEX IF NOT EXISTS event_by_state ON event (accepted, number)"


class Outbox:
    """The events of one till that wait; `put` from any thread. Whatever changes it blocks until that is on disk.

    Raises:
        OutboxInUse: another process has the file open.
        sqlite3.Error: the file is none of ours, or the disk fails; from every method.
    """

    def __init__(self, path: str | Path, *, events_max: int = EVENTS_MAX, bytes_max: int = BYTES_MAX) -> None:
        self._events_max = events_max
        self._bytes_max = bytes_max
        self._lock = Lock()
        # Called after each `put`, in its thread; for who delivers.
        self.on_put: Callable[[], None] = _nobody
        self._file = sqlite3.connect(path, timeout=0, isolation_level=None, check_same_thread=False)
        try:
            self._open()
        except sqlite3.OperationalError as error:
            self._file.close()
            if "locked" not in str(error):
                raise
            raise OutboxInUse(f"Another process has the outbox {path}.") from error
        _sync_folder(Path(path))
        [(self._count, self._bytes)] = self._file.execute("SELECT count(*), coalesce(sum(length(body)), 0) FROM event")

    def put(self, event: Event) -> str:
        """Keep an event until the hub has it; blocks until it is on disk. An empty `id` is given one, which it returns.

        The same event under the same id is there once.

        Raises:
            OutboxFull: no more fit, by count or by bytes.
            Malformed: the hub could not read the event.
            ValueError: the id waits already with another content, or the event is longer than the hub takes.
        """
        kept = event if event.id else msgspec.structs.replace(event, id=str(uuid4()))
        # Read as the hub will read it: hours later nobody would be there to mend it.
        body = decode_event(encode_canonical(kept)).canonical
        if len(body) > BODY_BYTES_MAX:
            raise ValueError(f"An event has at most {BODY_BYTES_MAX} bytes, not {len(body)}.")
        with self._lock:
            held = self._file.execute("SELECT body FROM event WHERE id = ?", (kept.id,)).fetchone()
            if held is not None and held[0] != body:
                raise ValueError(f"The id {kept.id} waits already with another content.")
            if held is None:
                self._insert(kept.id, body)
        self.on_put()
        return kept.id

    def unsent(self, count: int, bytes_max: int = BODY_BYTES_MAX) -> list[Written]:
        """The first events that the hub has not answered, in order; at least one, if there is any."""
        return self._first(False, count, bytes_max)

    def accepted(self, count: int, bytes_max: int = BODY_BYTES_MAX) -> list[Written]:
        """The first events that the hub's ledger is still to have."""
        return self._first(True, count, bytes_max)

    def settle(self, *, done: Iterable[str], accepted: Iterable[str] = ()) -> None:
        """Take out what needs nothing more, by id, and note what was accepted, in one step."""
        with self._lock, self._file:
            self._file.execute("BEGIN IMMEDIATE")
            self._file.executemany("UPDATE event SET accepted = 1 WHERE id = ?", [(id,) for id in accepted])
            for id in done:
                for (size,) in self._file.execute("SELECT length(body) FROM event WHERE id = ?", (id,)).fetchall():
                    self._file.execute("DELETE FROM event WHERE id = ?", (id,))
                    self._count -= 1
                    self._bytes -= size

    def __len__(self) -> int:
        return int(self._count)

    def close(self) -> None:
        """Let another process have the file."""
        with self._lock:
            self._file.close()

    def __enter__(self) -> "Outbox":
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()

    def _open(self) -> None:
        # The lock is taken by the first write and kept; with it the write-ahead log needs no shared memory.
        self._file.execute("PRAGMA locking_mode = EXCLUSIVE")
        self._file.execute("PRAGMA journal_mode = WAL")
        self._file.execute("PRAGMA synchronous = FULL")
        self._file.execute("BEGIN IMMEDIATE")
        self._file.execute(_TABLE)
        self._file.execute(_INDEX)
        self._file.execute("COMMIT")

    def _insert(self, id: str, body: bytes) -> None:
        if self._count >= self._events_max:
            raise OutboxFull(f"The outbox holds {self._count} events, the most it may: nothing was put into it.")
        if self._bytes + len(body) > self._bytes_max:
            raise OutboxFull(f"The outbox may hold {self._bytes_max} bytes and has {self._bytes}: nothing was put in.")
        self._file.execute("INSERT INTO event (id, body) VALUES (?, ?)", (id, body))
        self._count += 1
        self._bytes += len(body)

    def _first(self, accepted: bool, count: int, bytes_max: int) -> list[Written]:
        found: list[Written] = []
        size = 0
        with self._lock:
            query = "SELECT id, body FROM event WHERE accepted = ? ORDER BY number LIMIT ?"
            for id, body in self._file.execute(query, (accepted, count)):
                size += len(body)
                if found and size > bytes_max:
                    break
                found.append(Written(id, body))
        return found


def _nobody() -> None:
    """Nobody waits for what is put."""


def _sync_folder(path: Path) -> None:
    """Make the name of a new file last, too; Windows does so by itself, and opens no folder."""
    if os.name == "nt":
        return
    folder = os.open(path.absolute().parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
