"""The first answer to an event, as it can be told again from its journal entry."""

import msgspec

from hub.domain.entry import Entry


class AnsweredAlert(msgspec.Struct, frozen=True):
    """An alert as the first answer named it; `pool` is empty unless a fence was broken."""

    type: str
    sku: str
    location: str
    quantity: int
    pool: str = ""


class Answer(msgspec.Struct, frozen=True):
    """What the first answer said besides its status."""

    # (house SKU, quantity) for each line of the event.
    lines: tuple[tuple[str, int], ...] = ()
    # Summed per (type, sku, location, pool).
    alerts: tuple[AnsweredAlert, ...] = ()


def answer_of(entry: Entry) -> Answer:
    """The lines and alerts of the entry's first answer."""
    skus = entry.skus
    return Answer(
        tuple((skus[index], quantity) for index, quantity in entry.lines),
        tuple(
            AnsweredAlert(alert.type, skus[alert.sku], alert.location, alert.quantity, alert.pool)
            for alert in entry.alerts
        ),
    )
