"""Who else works, as far as the ledger tells by their locks, look by look."""

from hub.ledger.epochs import Epochs

# When Postgres comes back, every process that works takes its lock again within a look or two.
ABANDONED_LOOKS = 5
# Others who work in a newer epoch may be healing this Redis, which takes them a moment; else it is not theirs.
BESIDE_LOOKS = 10


class Company:
    """The other processes, seen by one."""

    def __init__(self, epochs: Epochs) -> None:
        self._epochs = epochs
        # In a row, at which nobody else worked; at the start those who do hold their locks.
        self._looks_alone = ABANDONED_LOOKS
        # In a row, at which nobody worked in a newer epoch.
        self._looks_without = 0
        # A newer epoch in which others worked while this Redis lacked something, and at how many looks in a row.
        self._beside_epoch, self._looks_beside = 0, 0

    @property
    def is_none(self) -> bool:
        """Whether nobody else worked at the last looks, or vanished: who did may have shown what Redis lacks."""
        return self._looks_alone >= ABANDONED_LOOKS

    @property
    def is_elsewhere(self) -> bool:
        """Whether others work with another Redis, for they would have healed this one by now."""
        return self._looks_beside > BESIDE_LOOKS

    async def note(self, epoch: int) -> None:
        """Find out whether others work in this process's epoch, for when Redis is restarted while the ledger is away.

        Raises:
            Unavailable: Postgres does not answer, here and below.
        """
        works_alone = not await self._epochs.others_work_in(epoch) and await self._epochs.worked_alone(epoch)
        self._looks_alone = min(self._looks_alone + 1, ABANDONED_LOOKS) if works_alone else 0

    async def is_gone_from(self, epoch: int) -> bool:
        """Whether nobody has worked in a newer epoch for several looks: those who do may have to come back first."""
        self._looks_without = 0 if await self._epochs.others_work_in(epoch) else self._looks_without + 1
        return self._looks_without >= ABANDONED_LOOKS

    async def heals(self, epoch: int) -> bool:
        """Whether others work in a newer epoch: they heal a Redis that lacks something, this one or their own."""
        is_theirs = await self._epochs.others_work_in(epoch)
        self._looks_beside = self._looks_beside + 1 if is_theirs and epoch == self._beside_epoch else int(is_theirs)
        self._beside_epoch = epoch
        return is_theirs
