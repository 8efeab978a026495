"""What was done to a partition, and how it is told."""

from typing import Literal

import msgspec
import structlog

from hub.domain.entry import Seq
from hub.domain.losing import Doubt, Window, told_of

log = structlog.get_logger()

How = Literal["nothing", "topped_up", "rebuilt"]

_LOST = "answers of 202 were lost with Redis; their sources should send them again"
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
    # What was lost, or may have been, and no process that runs tells; the new epoch begins with an alert for each.
    lost: tuple[Window | Doubt, ...] = ()
    # Fields written and read back, dedupe records among them.
    fields: int = 0
    remembered: int = 0
    # Entries whose values are not known, because this version cannot read them.
    unread: int = 0
    seconds: float = 0.0


def log_lost(lost: Window | Doubt) -> None:
    """Name what was lost, or may have been, and who should send it again: all of them."""
    is_certain = isinstance(lost, Window) and lost.certain
    log.error(_LOST if is_certain else _PERHAPS, **told_of(lost, len(lost.sources)))


def log_recovered(recovered: Recovered) -> None:
    """Say what was done."""
    told = {name: str(value) for name, value in msgspec.structs.asdict(recovered).items()}
    if recovered.left_behind is not None:
        told["left_behind"] = str(recovered.left_behind.last)
    log.info("redis was looked after", **(told | {"lost": len(recovered.lost)}))
    for each in recovered.lost:
        log_lost(each)
