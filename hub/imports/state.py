"""What is known of one import, in memory and in its state file."""

from hashlib import blake2b
from typing import Final, Literal

import msgspec

from protocol.answers import rfc3339
from protocol.imports import ImportKind, ImportStatus, ImportWord, LineError

SYSTEM: Final = "system"


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What the sender wants."""

    # Of the sender; ids of imports are unique within it.
    source: str
    id: str
    format: Literal["csv", "jsonl"]
    kind: ImportKind = SYSTEM
    # UTC milliseconds; None: as of when it came.
    at_ms: int | None = None
    on_error: Literal["skip", "abort"] = "skip"
    # Of the lines that name none.
    location: str | None = None
    # Whether SKUs that are not listed at the listed locations are counted as zero.
    complete: bool = False

    @property
    def key(self) -> str:
        """Names the import's files."""
        return key_of(self.source, self.id)


class Pending(msgspec.Struct):
    """What was decided of one window and is perhaps booked already, so that a restart books the very same."""

    # Where the next window begins, in bytes.
    offset: int
    location: str
    # The lines of each count, (SKU, quantity).
    counts: list[list[tuple[str, int]]]
    changed: int
    unchanged: int
    overruled: int


class ImportState(msgspec.Struct, kw_only=True):
    """One import that was taken; its lines stand in the spool as long as it runs."""

    source: str
    id: str
    # Of everything that was sent: the same id with another content is a conflict.
    digest: str
    state: ImportWord
    kind: ImportKind
    at_ms: int
    complete: bool
    lines: int
    broken: int
    errors: list[LineError]
    locations: list[str]
    # Bytes of the spool that hold what was sent.
    bytes: int
    started_at_ms: int
    ended_at_ms: int | None = None
    detail: str | None = None
    # None until it was looked for; 0 where the import is not complete.
    unlisted: int | None = None
    # Where the window begins that is next, in bytes of the spool.
    offset: int = 0
    # Counts that were made of it so far: the number of the next one.
    counts: int = 0
    changed: int = 0
    unchanged: int = 0
    overruled: int = 0
    pending: Pending | None = None

    @property
    def key(self) -> str:
        """Names the import's files."""
        return key_of(self.source, self.id)

    def settle(self, done: Pending) -> None:
        """What was pending is booked and closed."""
        self.offset = done.offset
        self.counts += len(done.counts)
        self.changed += done.changed
        self.unchanged += done.unchanged
        self.overruled += done.overruled
        self.pending = None
        self.detail = None

    def status(self, *, with_errors: bool = True) -> ImportStatus:
        """The same as it stands on the wire."""
        return ImportStatus(
            id=self.id,
            state=self.state,
            kind=self.kind,
            at=rfc3339(self.at_ms),
            lines=self.lines,
            done=self.changed + self.unchanged + self.overruled,
            changed=self.changed,
            unchanged=self.unchanged,
            overruled=self.overruled,
            unlisted=self.unlisted or 0,
            broken=self.broken,
            errors=tuple(self.errors) if with_errors else msgspec.UNSET,
            started_at=rfc3339(self.started_at_ms),
            ended_at=None if self.ended_at_ms is None else rfc3339(self.ended_at_ms),
            detail=self.detail,
        )


def key_of(source: str, id: str) -> str:
    """The name of an import's files: sources and ids are other people's, and no names of files."""
    return blake2b(f"{source}\0{id}".encode(), digest_size=16).hexdigest()
