"""The first answer to an event, as it can be told again from its journal entry."""

import msgspec

from hub.domain.entry import Entry, SetView
from hub.domain.pools import News

# A change of what is shown that a person should know of; its name is the alert's type.
_TOLD = frozenset({News.sold_out, News.back_in_stock, News.low_stock})


class AnsweredAlert(msgspec.Struct, frozen=True, gc=False):
    """An alert as the first answer named it.

    `sku` and `location` are empty where it is not about one, `pool` unless a fence was broken or it is about what a
    pool shows.
    """

    type: str
    sku: str
    location: str
    quantity: int
    pool: str = ""
    # As `hub.domain.entry.EntryAlert` has it.
    hold: str = ""


class Answer(msgspec.Struct, frozen=True, gc=False):
    """What the first answer said besides its status."""

    # (house SKU, quantity) for each line of the event.
    lines: tuple[tuple[str, int], ...] = ()
    # Summed per (type, sku, location, pool, hold).
    alerts: tuple[AnsweredAlert, ...] = ()


def answer_of(entry: Entry) -> Answer:
    """The lines and alerts of the entry's first answer: first what befell stock, then what pools came to show."""
    skus = entry.skus
    alerts = tuple(
        # Below 0 it is about the event as a whole.
        AnsweredAlert(
            alert.type,
            skus[alert.sku] if alert.sku >= 0 else "",
            alert.location,
            alert.quantity,
            alert.pool,
            alert.hold,
        )
        for alert in entry.alerts
    )
    news = tuple(_told(skus[view.sku], view) for view in entry.views if view.changed in _TOLD)
    return Answer(tuple((skus[index], quantity) for index, quantity in entry.lines), alerts + news)


def _told(sku: str, changed: SetView) -> AnsweredAlert:
    # A pool that shows only a status has -1 where the number would stand.
    return AnsweredAlert(News(changed.changed).name, sku, "", max(0, changed.view.available), changed.pool)
