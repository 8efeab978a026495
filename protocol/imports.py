"""Bulk imports on the wire: one line of JSON Lines, and what is said about an import."""

from typing import Literal

from msgspec import UNSET, Struct, UnsetType

from protocol.identifiers import Name, QuantityOrNone, Sku, Time
from protocol.problems import Problem

ImportKind = Literal["system", "physical"]
ImportWord = Literal["running", "done", "failed", "aborted"]


class ImportLine(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """How many units of a SKU lay at a location."""

    sku: Sku
    quantity: QuantityOrNone
    # None: the import's own default.
    location: Name | None = None


class ImportQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """What may stand behind `POST /v1/imports?`."""

    kind: ImportKind = "system"
    at: Time | None = None
    on_error: Literal["skip", "abort"] | None = None
    location: Name | None = None
    complete: Literal["true", "false"] = "false"
    id: Name | None = None


class LineError(Struct, frozen=True):
    """A line that was not taken."""

    # As an editor counts, the header of a CSV being 1.
    line: int
    detail: str


class ImportAccepted(Struct, frozen=True):
    """The answer to an import whose lines were all read."""

    id: str
    state: ImportWord
    # Lines that are not empty, a CSV's header left out; `broken` of them.
    lines: int
    broken: int
    # The first 1,000 of the broken ones.
    errors: tuple[LineError, ...]
    # Where to ask how far it is.
    progress: str


class ImportStatus(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How far an import is."""

    id: str
    state: ImportWord
    kind: ImportKind
    # As of when the lines are true, RFC 3339.
    at: str
    lines: int
    # Good lines that were dealt with so far: changed + unchanged + overruled.
    done: int
    # Lines that the book did not agree with, those that it did (only a physical import books them), and those of an ERP
    # where a newer count stands.
    changed: int
    unchanged: int
    overruled: int
    # SKUs that the lines do not name and a complete import counts as zero; `done` goes up to lines - broken + unlisted.
    unlisted: int
    broken: int
    # The first 1,000 of the broken ones; left out in a list.
    errors: tuple[LineError, ...] | UnsetType = UNSET
    started_at: str
    # Null while it runs.
    ended_at: str | None
    # Why it failed or was aborted, or what it waits for.
    detail: str | None = None


class ImportsAnswer(Struct, frozen=True):
    """The latest imports, newest first."""

    items: tuple[ImportStatus, ...]


class ImportAborted(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Nothing was booked: a problem, and the lines it is about."""

    type: str
    title: str
    status: int
    detail: str
    id: str
    state: ImportWord
    lines: int
    broken: int
    errors: tuple[LineError, ...]


def aborted(told: Problem, id: str, *, lines: int, broken: int, errors: tuple[LineError, ...]) -> ImportAborted:
    """Make the answer to an import that is aborted for what `told` says."""
    return ImportAborted(
        type=told.type,
        title=told.title,
        status=told.status,
        detail=told.detail,
        id=id,
        state="aborted",
        lines=lines,
        broken=broken,
        errors=errors,
    )
