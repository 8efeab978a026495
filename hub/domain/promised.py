"""What a pool may promise of a SKU before it arrives, and what it has promised, as it is told. Pure."""

from collections.abc import Callable

from hub.domain.expected import ExpectedLine
from hub.domain.explain import Whole, promise_dates
from protocol.answers import rfc3339
from protocol.supply import OtherSupply, PromiseAnswer, PromisedSupply


def told_promise(whole: Whole, pool: str, may_see: Callable[[str], bool]) -> PromiseAnswer:
    """What one of the house's pools may promise and has promised; what comes where nobody may look is one sum."""
    number = whole.house.pool_index[pool]
    profile, coming = whole.house.profile(whole.sku), whole.may_be_promised(number)
    of_pool = [each for line in whole.expected for each in line.promises if each[0] == pool]
    lines = [line for line in whole.expected if line.promised_by(pool) or profile.sight(line.location)[number][0]]
    return PromiseAnswer(
        pool=pool,
        sku=whole.sku,
        limit=profile.terms[number].preorder_limit,
        available=coming.units,
        sold=sum(sold for _, _, sold in of_pool),
        reserved=sum(held for _, held, _ in of_pool),
        eta=None if coming.eta_ms is None else rfc3339(coming.eta_ms),
        dates=promise_dates(coming),
        supply=_supply([line for line in lines if line.outstanding], may_see),
    )


def _supply(lines: list[ExpectedLine], may_see: Callable[[str], bool]) -> tuple[PromisedSupply | OtherSupply, ...]:
    lines = sorted(lines, key=lambda line: (line.eta_ms, line.location, line.purchase_order))
    told: list[PromisedSupply | OtherSupply] = [_told(line) for line in lines if may_see(line.location)]
    if others := [line for line in lines if not may_see(line.location)]:
        outstanding, promised = sum(line.outstanding for line in others), sum(line.promised for line in others)
        told.append(OtherSupply(outstanding=outstanding, promised=promised))
    return tuple(told)


def _told(line: ExpectedLine) -> PromisedSupply:
    return PromisedSupply(
        purchase_order=line.purchase_order,
        location=line.location,
        eta=rfc3339(line.eta_ms),
        quantity=line.quantity,
        received=line.received,
        outstanding=line.outstanding,
        promised=line.promised,
    )
