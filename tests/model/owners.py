"""Whoever asks for no more than she holds is never refused, nor promised what she has on a shelf, whatever happened."""

from collections import Counter
from collections.abc import Iterator

from hub.domain.command import Asking, Fact, Line
from hub.domain.draft import Draft
from hub.domain.entry import Seq
from hub.domain.holding.hold import LIVE, OWNERS, Hold, Part, State, hold_from
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
                draft = _answered(model, hold, owner, asked)
                assert (draft.denial, draft.refusal) == (None, ""), (hold, asked)
                assert draft.hold is not None
                for sku, lying in _lying(hold, model.booked_at_ms).items():
                    units = sum(units for of_sku, _, units in asked if of_sku == sku)
                    assert _lying(draft.hold, model.booked_at_ms)[sku] >= min(units, lying), (hold, asked)


def _asked_again(hold: Hold, now_ms: int) -> Iterator[Asks]:
    held = _held(hold, now_ms)
    if held:
        yield tuple((part.sku, "", part.quantity) for part in held)
        yield ((held[-1].sku, "", 1),)
        yield tuple((part.sku, each.location, each.quantity) for part in held for each in part.allocations)


def _lying(hold: Hold, now_ms: int) -> Counter[str]:
    """Units held on shelves, by SKU."""
    units: Counter[str] = Counter()
    for part in _held(hold, now_ms):
        units[part.sku] += sum(each.quantity for each in part.allocations if each.is_placed)
    return units


def _held(hold: Hold, now_ms: int) -> list[Part]:
    return [part for part in hold.parts if part.state == State.held and not 0 < part.expires_at_ms <= now_ms]


def _answered(model: Model, hold: Hold, owner: str, asked: Asks) -> Draft:
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
    return draft
