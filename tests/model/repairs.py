"""A position that somebody's hand changed is set right; whatever happened before, nothing else changes."""

import msgspec

from hub.domain.entry import FORMAT, Entry, EntryAlert, SetPosition
from hub.domain.repairing import MendedPlace
from hub.stock import keys
from hub.stock.message import Repair
from hub.stock.outcome import Applied, LookAgain, Stale
from tests.model.pair import Pair
from tests.model.worlds import Spoiling

PAYLOAD = '{"reason":"verify"}'


async def spoil(pair: Pair, step: Spoiling) -> None:
    """Change a position past the kernel, and have it set to what the model says."""
    model = pair.model
    places = [(sku, location) for sku, of_sku in model.positions.items() for location in of_sku]
    if not places:
        return
    sku, location = places[step.back % len(places)]
    right, field = model.positions[sku][location], keys.POSITION_FIELD + location.encode()
    packed: bytes = await pair.client.hget(keys.sku(sku), field)  # type: ignore[misc, assignment, arg-type]
    spoilt = msgspec.msgpack.encode(msgspec.structs.replace(right, free=right.free + 1, deficit=right.deficit + 2))
    await pair.client.hset(keys.sku(sku), field, spoilt)  # type: ignore[misc, arg-type]
    early = Repair(sku, "early", PAYLOAD, (MendedPlace(location, packed, right, 3),))
    repair = Repair(sku, "repaired", PAYLOAD, (MendedPlace(location, spoilt, right, 3),))
    outcomes = await pair.kernel.call([early, repair], pair.house)
    if isinstance(outcomes[1], Stale):
        # It was described since; who repairs looks again.
        await pair.client.hset(keys.sku(sku), field, packed)  # type: ignore[misc, arg-type]
        return
    assert outcomes[0] == LookAgain()
    assert isinstance(outcomes[1], Applied)
    now, rules = pair.kernel.booked_at_ms, model.rules_version
    model.booked_at_ms = max(model.booked_at_ms, now)
    head = (FORMAT, "repair", "repaired", "~hub", "repaired", "", now, now, rules, PAYLOAD, (sku,))
    set_to = (SetPosition(0, location, right),)
    views, alerts = tuple(model._show(0, sku, now)), (EntryAlert("repaired", 0, location, 3),)
    model._write(Entry(*head, positions=set_to, views=views, alerts=alerts, about=sku))
    await pair.check()
