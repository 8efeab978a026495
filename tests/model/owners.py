"""Whoever asks for no more than she holds is never told that there is too little, whatever happened meanwhile."""

from collections.abc import Iterator

from hub.domain.command import Asking, Fact, Line
from hub.domain.draft import Draft
from hub.domain.entry import Seq
from hub.domain.holding.hold import LIVE, OWNERS, Hold, State, hold_from
from hub.domain.holding.requests import book_request
from hub.domain.model import Model

# What is asked: of each SKU, where or anywhere, how many units.
Asks = tuple[tuple[str, str, int], ...]
# Of no reservation in any story.
NEXT = "reservation:next"


def check_owners(model: Model) -> None:
    """What each owner's next reservation may take the place of, it may also hold: all, some, and each where it is."""
    for field, entries in model.books.records.get(OWNERS, {}).items():
        owner, pool = field.split("\0")[-2:]
        if field.startswith("\0") or pool not in model.house.pool_index:
            continue
        for kind in dict.fromkeys(kind for kind, _, is_held in entries if is_held):
            name = next(name for of_kind, name, is_held in entries if of_kind == kind and is_held)
            hold = hold_from(model.books.records[LIVE][name])
            for asked in _asked_again(hold, model.booked_at_ms):
                assert _problem(model, hold, owner, asked) == "", (hold, asked)


def _asked_again(hold: Hold, now_ms: int) -> Iterator[Asks]:
    held = [part for part in hold.parts if part.state == State.held and not 0 < part.expires_at_ms <= now_ms]
    if held:
        yield tuple((part.sku, "", part.quantity) for part in held)
        yield ((held[-1].sku, "", 1),)
        yield tuple((part.sku, each.location, each.quantity) for part in held for each in part.allocations)


def _problem(model: Model, hold: Hold, owner: str, asked: Asks) -> str:
    asking = Asking(
        NEXT,
        asked,
        ttl_ms=1,
        owner=owner,
        kind=hold.kind,
        split=hold.split,
        only=hold.only,
        prefer=hold.prefer,
        is_named=1,
    )
    now_ms, lines = model.booked_at_ms, tuple(Line(sku, "", 0) for sku in hold.skus)
    fact = Fact(
        "reserve", "reserve", "shop", "next", "next", 0, 0, True, "{}", pool=hold.pool, lines=lines, detail=asking
    )
    # Nobody enters what the draft has.
    draft = Draft(model.books, (), seq=Seq(model.epoch, len(model.journal)), time_ms=now_ms, now_ms=now_ms)
    book_request(draft, fact, model.house)
    return draft.denial.problem if draft.denial is not None else draft.refusal
