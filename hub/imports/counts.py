"""An import's changed lines as counts, the facts that the kernel books. Pure."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

import msgspec

from hub.domain.command import LISTED, Counting, Fact, Line
from hub.imports.state import ImportState, Pending
from protocol.codec import decode_event
from protocol.events import AbsoluteLine, Count

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_encode = msgspec.json.Encoder().encode


def parts(lines: Sequence[tuple[str, int]], size: int) -> list[list[tuple[str, int]]]:
    """The lines, at most `size` together."""
    return [list(lines[start : start + size]) for start in range(0, len(lines), size)]


def facts_of(state: ImportState, pending: Pending) -> Iterator[Fact]:
    """The counts that are pending; made again after a restart they are the same, to the byte."""
    for number, lines in enumerate(pending.counts, state.counts):
        yield _fact(state, number, pending.location, lines)


def _fact(state: ImportState, number: int, location: str, lines: Sequence[tuple[str, int]]) -> Fact:
    at = _EPOCH + timedelta(milliseconds=state.at_ms)
    event = Count(
        id=f"{state.id}:{number}",
        time=at,
        location=location,
        counted_at=at,
        kind=state.kind,
        lines=tuple(AbsoluteLine(sku=sku, quantity=quantity) for sku, quantity in lines),
    )
    decoded = decode_event(_encode(event))
    return Fact(
        verb="count",
        type="count",
        source=state.source,
        id=event.id,
        hash=decoded.hash,
        time_ms=state.at_ms,
        stated_ms=state.at_ms,
        ledger_checked=False,
        payload=decoded.canonical.decode(),
        lines=tuple(Line(sku, location, quantity) for sku, quantity in lines),
        detail=Counting(state.at_ms, state.kind, LISTED),
    )
