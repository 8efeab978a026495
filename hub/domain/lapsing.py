"""What waits for a fact that never comes: after some time it is forgotten, and somebody hears of it.

A receipt that comes before its dispatch waits for that, a void for its sale. Each lapses by itself, by its booking.
The kernel's script keeps the same number in hub/stock/lua/lapsing.lua.
"""

from typing import Any

from hub.domain import transit, voids
from hub.domain.draft import NO_SKU, Draft
from hub.domain.remembering import DAY_MS
from hub.domain.transfers import lapse_early
from hub.domain.voids import lapse_waiting

LAPSES_AFTER_DAYS = 90
LAPSES_AFTER_MS = LAPSES_AFTER_DAYS * DAY_MS
# The alert about units that nobody explained.
NEVER_EXPLAINED = "never_explained"
# Table -> the type of the events that wait there.
WAITS_HERE = {transit.OPEN: "transfer.received", voids.WAITING: "sale.voided"}


def lapse(draft: Draft, table: str, field: str) -> bool:
    """Forget what waits under a field of a table for too long; whether there was any."""
    draft.about = field
    forget = lapse_early if table == transit.OPEN else lapse_waiting
    units = forget(draft, field, draft.now_ms - LAPSES_AFTER_MS)
    draft.alert(NEVER_EXPLAINED, NO_SKU, "", units)
    return units > 0


def is_overdue(table: str, value: Any, now_ms: int) -> bool:
    """Whether some of what is stored under a field waits for too long."""
    if table == transit.OPEN:
        waits = [each.since_ms for each in transit.record_from(value).early]
    else:
        waits = [voids.since_ms(each) for each in value]
    return any(since_ms <= now_ms - LAPSES_AFTER_MS for since_ms in waits)
