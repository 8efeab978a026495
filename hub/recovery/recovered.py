"""What was done to a partition, and how it is told."""

from typing import Any, Literal

import msgspec
import structlog

from hub.domain.entry import Seq
from hub.domain.losing import Doubt, Window, told_of

log = structlog.get_logger()

How = Literal["nothing", "topped_up", "rebuilt"]

_LOST = "answers of 202 were lost with Redis; their sources should send them again"
# Where the ledger was brought back from a copy, and where too little is known of what it lacks.
_PERHAPS_BOOKED = "answers were lost, of 200 too if the ledger is a copy; these sources should send them again"
_PERHAPS = "answers of 202 may have been lost with Redis; these sources should send them again"


class Recovered(msgspec.Struct, frozen=True):
    """What was done to a partition."""

    # `nothing`: it needed nothing, or another process healed it meanwhile.
    how: How
    old_epoch: int
    new_epoch: int
    # The ledger's last entry, which Redis was made from.
    cursor: Seq | None
    # Entries that only the journal had, posted before.
    drained: int = 0
    # The end of the journal that was in Redis and did not continue the ledger; None where nothing was left behind.
    left_behind: Window | None = None
    # What was lost, or may have been, beside what processes that run tell; the new epoch begins with an alert for each.
    lost: tuple[Window | Doubt, ...] = ()
    # Fields written and read back, dedupe records among them.
    fields: int = 0
    remembered: int = 0
    # Entries whose values are not known, because this version cannot read them.
    unread: int = 0
    seconds: float = 0.0


def log_lost(lost: Window | Doubt) -> None:
    """Name what was lost, or may have been, and who should send it again: all of them."""
    said = _PERHAPS
    if isinstance(lost, Window):
        said = _LOST if lost.certain else _PERHAPS_BOOKED
    log.error(said, **told_of(lost, len(lost.sources)))


def log_recovered(recovered: Recovered) -> None:
    """Say what was done."""
    told: dict[str, Any] = {
        "how": recovered.how,
        "old_epoch": recovered.old_epoch,
        "new_epoch": recovered.new_epoch,
        "cursor": None if recovered.cursor is None else str(recovered.cursor),
        "drained": recovered.drained,
        "fields": recovered.fields,
        "remembered": recovered.remembered,
        "unread": recovered.unread,
        "seconds": round(recovered.seconds, 3),
    }
    if recovered.left_behind is not None:
        told["left_behind"] = str(recovered.left_behind.last)
    # What is in doubt has no number.
    told["lost"] = sum(each.entries for each in recovered.lost if isinstance(each, Window))
    told["in_doubt"] = any(not isinstance(each, Window) or not each.certain for each in recovered.lost)
    log.info("Redis was looked after", **told)
    for each in recovered.lost:
        log_lost(each)
