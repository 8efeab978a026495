"""Where a Redis stands beside the ledger and beside what this process was answered, and what follows from it. Pure."""

from enum import Enum, auto
from uuid import UUID

import msgspec

from hub.domain.entry import Seq

# What `halted` in `meta` says while somebody heals the partition; anything else is a write that failed half way.
HEALING = b"healing"
# And from when somebody saw that Redis has less than was answered, until it is healed: whoever comes next must know.
BEHIND = b"behind"


class Meta(msgspec.Struct, frozen=True):
    """What Redis says of the partition."""

    # None: it has none.
    hub: UUID | None = None
    epoch: int = 0
    # The number of the next entry.
    next: int = 0
    halted: bytes | None = None
    # The run of the server that this epoch is worked with; empty where that is not known.
    run: str = ""


class Standing(Enum):
    """What a process finds."""

    # It is the Redis this process works with, and lacks nothing that was answered.
    GOOD = auto()
    # Somebody healed it: work on in the new epoch.
    HEALED = auto()
    # It lacks what was booked.
    LOST = auto()
    # It is of an older epoch than the ledger: a copy from before a recovery, or a master that was replaced.
    OLDER = auto()
    # It is of a newer epoch than the ledger: the ledger is a copy from before.
    NEWER = auto()
    # A write failed half way.
    HALTED = auto()
    # It belongs to another hub.
    FOREIGN = auto()


def is_open(meta: Meta, hub: UUID, epoch: int) -> bool:
    """Whether this hub's partition takes events in this epoch."""
    return (meta.hub, meta.epoch, meta.halted) == (hub, epoch, None)


def is_of_another_run(meta: Meta, run: str) -> bool:
    """Whether Redis was restarted or replaced since somebody looked what it has; not known of either: it was not."""
    return meta.run != run and "" not in (meta.run, run)


def lacks(meta: Meta, unanswered: Seq) -> bool:
    """Whether a partition has less than this process was answered: its next numbers would be given twice."""
    return meta.epoch == unanswered.epoch and meta.next < unanswered.number


def standing(meta: Meta, hub: UUID, ledger_epoch: int, unanswered: Seq) -> Standing:
    """Where Redis stands; `unanswered` is the first place that this process was not answered yet.

    Redis must have been read before the ledger: an epoch is raised there first.
    """
    if meta.hub is None:
        return Standing.LOST
    if meta.hub != hub:
        return Standing.FOREIGN
    if meta.halted in (HEALING, BEHIND):
        # Who heals holds a lock; whoever waits for it learns whether anything is left to do.
        return Standing.LOST
    if meta.epoch != ledger_epoch:
        return Standing.OLDER if meta.epoch < ledger_epoch else Standing.NEWER
    if lacks(meta, unanswered):
        return Standing.LOST
    if meta.halted is not None:
        return Standing.HALTED
    return Standing.GOOD if meta.epoch == unanswered.epoch else Standing.HEALED
