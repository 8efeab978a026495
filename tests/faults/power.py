"""Loss of power, below the process: what a server wrote and did not sync is taken back after it was killed.

`forgetful.c` notes how; this file compiles it and does it.
"""

import os
import shutil
import struct
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import NamedTuple

SOURCE = Path(__file__).with_name("forgetful.c")
_HEAD = struct.Struct("=c5Q")


def why_not() -> str:
    """Why power cannot be lost here; empty where it can."""
    if shutil.which("cc") is None:
        return "no C compiler is here to build the forgetful disk"
    return "" if os.uname().sysname == "Linux" else "the forgetful disk is made for Linux"


class _Record(NamedTuple):
    kind: bytes
    who: int
    inode: int
    offset: int
    size: int
    body: bytes


@dataclass
class Forgotten:
    """What a loss of power took."""

    writes: int = 0
    bytes: int = 0
    files: int = 0
    renames: int = 0


class ForgetfulDisk:
    """The disk under one folder, for servers started with `environment`."""

    def __init__(self, folder: Path, workshop: Path) -> None:
        self._folder = folder
        self._journal = workshop / "journal"
        self._slow = workshop / "slow"
        self._library = workshop / "forgetful.so"
        command = ["cc", "-shared", "-fPIC", "-O1", "-o", str(self._library), str(SOURCE), "-ldl"]
        subprocess.run(command, check=True, capture_output=True)

    def slow_down(self, sync_ms: int) -> None:
        """Each sync takes so much longer from now on."""
        self._slow.write_text(str(sync_ms))

    def environment(self) -> dict[str, str]:
        """What a server's environment needs."""
        return {
            "LD_PRELOAD": str(self._library),
            "FORGETFUL_FOLDER": str(self._folder),
            "FORGETFUL_JOURNAL": str(self._journal),
            "FORGETFUL_SLOW": str(self._slow),
        }

    def lose_power(self, random: Random | None = None) -> Forgotten:
        """Take back what was not synced; call it when the servers were killed and have ended.

        With `random` some of the first unsynced writes stay, as on a disk that was busy with them, the last in part.
        """
        records = list(self._records())
        forgotten = Forgotten()
        open_ones = _unsynced(records)
        writes = [record for record in open_ones if record.kind == b"w"]
        kept = random.randint(0, len(writes)) if random and writes else 0
        places = {entry.stat().st_ino: entry for entry in self._folder.rglob("*") if entry.is_file()}
        for record in reversed(writes[kept:]):
            if place := places.get(record.inode):
                forgotten.bytes += _take_back(place, record)
                forgotten.writes += 1
        for record in reversed(open_ones):
            if record.kind == b"r":
                forgotten.renames += _rename_back(record)
            elif record.kind == b"c" and (place := places.get(record.inode)) and place.exists():
                place.unlink()
                forgotten.files += 1
        # What is there now is there: the power is on again.
        self._journal.unlink(missing_ok=True)
        return forgotten

    def _records(self) -> Iterator[_Record]:
        content = self._journal.read_bytes() if self._journal.exists() else b""
        at = 0
        while at + _HEAD.size <= len(content):
            kind, who, inode, offset, size, length = _HEAD.unpack_from(content, at)
            at += _HEAD.size
            yield _Record(kind, who, inode, offset, size, content[at : at + length])
            at += length


def _unsynced(records: list[_Record]) -> list[_Record]:
    """What no sync that began later has ended for."""
    begun: dict[tuple[int, int], int] = {}
    synced: dict[int, int] = {}
    folders: dict[bytes, int] = {}
    for index, record in enumerate(records):
        if record.kind == b"b":
            begun[record.who, record.inode] = index
        elif record.kind == b"s":
            since = begun.pop((record.who, record.inode), -1)
            synced[record.inode] = max(synced.get(record.inode, -1), since)
            if record.body:
                folders[record.body] = max(folders.get(record.body, -1), since)

    def is_open(index: int, record: _Record) -> bool:
        if record.kind == b"w":
            return synced.get(record.inode, -1) < index
        if record.kind == b"c":
            return max(synced.get(record.inode, -1), folders.get(os.path.dirname(record.body), -1)) < index
        if record.kind == b"r":
            return folders.get(os.path.dirname(record.body.split(b"\0")[1]), -1) < index
        return False

    return [record for index, record in enumerate(records) if is_open(index, record)]


def _take_back(place: Path, record: _Record) -> int:
    """Undo one write; the bytes that went."""
    with place.open("r+b") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(record.offset)
        file.write(record.body)
        file.truncate(max(record.size, record.offset + len(record.body)))
    return max(0, size - record.size) or len(record.body)


def _rename_back(record: _Record) -> int:
    old, new, replaced = (os.fsdecode(name) for name in record.body.split(b"\0"))
    if not os.path.exists(new) or os.path.exists(old):
        return 0
    os.rename(new, old)
    if replaced:
        os.rename(replaced, new)
    return 1
