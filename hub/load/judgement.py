"""Whether what the hub answered and what it then has are one story. Pure.

Refusals, parked events and answers that asked to try again are the hub's right and are only counted. Judged is what it
said that it did: each event that it booked is in its stock and no other is, nobody was granted units that were not
there, and each socket ended on what a fresh read says and was never sent back.
"""

from collections.abc import Sequence

import msgspec

from hub.load.books import Books, SkuBook
from hub.load.choosing import sku_name
from hub.load.stock import Position
from hub.load.telling import SocketsTold

# Sentences about single SKUs and sockets; the others are counted.
_TOLD_MAX = 10


class Finding(msgspec.Struct, frozen=True):
    """Something that should not be."""

    # `stock`, `reserved`, `oversold`, `unjudged`, `answers`, `unsettled`, `nothing`, `sockets`, `went_back`.
    kind: str
    text: str


class Judgement(msgspec.Struct, frozen=True):
    """What was looked at, and what was found."""

    is_clean: bool
    findings: list[Finding]
    # SKUs whose units were compared, events that the hub said it booked, reservations granted, sockets compared.
    skus: int
    events: int
    granted: int
    sockets: int


def judge(
    name: str, before: Sequence[Position], after: Sequence[Position] | str, books: Books, sockets: Sequence[SocketsTold]
) -> Judgement:
    """Judge one load; `before` and `after` are of all its SKUs, in order, and nothing of it is under way.

    In place of `after` may be said why nobody knows it.
    """
    if isinstance(after, str):
        positions = [Finding("unjudged", f"stock and reservations could not be compared: {after}")]
    else:
        positions = _positions(name, before, after, books)
    findings = [*_answers(books), *positions, *_sockets(sockets)]
    return Judgement(
        is_clean=not findings,
        findings=findings,
        skus=0 if isinstance(after, str) else len(before),
        events=sum(book.sold for book in books.skus.values()),
        granted=sum(book.granted for book in books.skus.values()),
        sockets=sum(told.asked for told in sockets),
    )


def _answers(books: Books) -> list[Finding]:
    found = []
    if books.wrong:
        first = "; ".join(books.wrong_told[:1])
        found.append(Finding("answers", f"{books.wrong:,} answers do not fit what was asked, the first: {first}"))
    if books.unsettled:
        text = f"what became of {books.unsettled:,} events and requests stayed unknown, so units may differ by as many"
        found.append(Finding("unsettled", text))
    asked = books.events + books.hold_requests
    answered = sum(books.answers.values())
    if asked != answered + books.unsettled:
        text = f"{asked:,} events and requests were sent, {answered:,} answered, {books.unsettled:,} left open"
        found.append(Finding("answers", text))
    if not any(book.sold or book.granted for book in books.skus.values()):
        why = ", ".join(f"{number:,} × {reason}" for reason, number in books.refusals.items()) or "nothing was sent"
        found.append(Finding("nothing", f"the hub booked nothing: {why}"))
    return found


def _positions(name: str, before: Sequence[Position], after: Sequence[Position], books: Books) -> list[Finding]:
    wrong: dict[str, list[str]] = {"stock": [], "reserved": [], "oversold": []}
    for number, (was, now) in enumerate(zip(before, after, strict=True)):
        sku, book = sku_name(name, number), books.skus.get(number, _NOTHING)
        if now.units != was.units - book.sold:
            due = was.units - book.sold
            wrong["stock"].append(f"{sku}: {was.units:,} − {book.sold:,} sold = {due:,}, but {now.units:,} are there")
        held = book.granted - book.given_back - book.broken
        if now.reserved != was.reserved + held:
            text = f"{sku}: {was.reserved:,} reserved before, {held:,} held by this load, but {now.reserved:,} are"
            wrong["reserved"].append(text)
        # What a sale took from somebody who held it was no oversell when it was granted.
        over = max(book.excess - book.broken, now.reserved - now.on_hand)
        if over > 0:
            wrong["oversold"].append(f"{sku}: {over:,} more units were granted at once than there were")
    return [finding for kind, texts in wrong.items() for finding in _told(kind, texts, "SKUs")]


def _sockets(sockets: Sequence[SocketsTold]) -> list[Finding]:
    behind = sum(told.asked - told.current for told in sockets)
    back = sum(told.went_back for told in sockets)
    found = _told("sockets", [text for told in sockets for text in told.behind], "sockets", behind)
    if back:
        found.append(Finding("went_back", f"{back:,} values came to a socket that had a newer one"))
    return found


def _told(kind: str, texts: list[str], of: str, number: int | None = None) -> list[Finding]:
    """A finding for each of the first, and one that counts the rest."""
    rest = (len(texts) if number is None else number) - len(texts[:_TOLD_MAX])
    found = [Finding(kind, text) for text in texts[:_TOLD_MAX]]
    return found + ([Finding(kind, f"… and {rest:,} more {of}")] if rest else [])


_NOTHING = SkuBook()
