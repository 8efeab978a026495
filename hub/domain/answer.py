"""The first answer to an event, as it can be told again from its journal entry."""

import msgspec

from hub.domain.entry import Entry
from hub.domain.pools import News


class AnsweredAlert(msgspec.Struct, frozen=True):
    """An alert as the first answer named it; `sku` and `location` are empty where it is about more, `pool` unless a
    fence was broken or it is about what a pool shows."""

    type: str
    sku: str
    location: str
    quantity: int
    pool: str = ""


class Answer(msgspec.Struct, frozen=True):
    """What the first answer said besides its status."""

    # (house SKU, quantity) for each line of the event.
    lines: tuple[tuple[str, int], ...] = ()
    # Summed per (type, sku, location, pool), then what pools show since.
    alerts: tuple[AnsweredAlert, ...] = ()


def answer_of(entry: Entry) -> Answer:
    """The lines and alerts of the entry's first answer."""
    skus = entry.skus
    return Answer(
        tuple((skus[index], quantity) for index, quantity in entry.lines),
        (
            *(
                AnsweredAlert(a.type, skus[a.sku] if a.sku >= 0 else "", a.location, a.quantity, a.pool)
                for a in entry.alerts
            ),
            *(
                AnsweredAlert(News(each.changed).name, skus[each.sku], "", max(0, each.view.available), each.pool)
                for each in entry.views
                if each.changed > News.changed
            ),
        ),
    )
