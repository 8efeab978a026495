"""Look at the Redis that is there, whichever run of it: may this process go on with it, and must it be closed?"""

import structlog
from redis.asyncio import Redis

from hub.domain.entry import Seq
from hub.domain.standing import Meta, is_of_another_run, is_open, lacks
from hub.journal.reader import Tail
from hub.journal.watermark import Watermark
from hub.stock.behind import begin_run, close_behind
from hub.stock.kernel import Kernel
from hub.stock.partition import read_meta
from hub.stock.server_run import ServerRun, run_id_of

log = structlog.get_logger()


class Looking:
    """One process's looks at Redis, with a client of any run; all others go through only to the run of its choice."""

    def __init__(self, client: Redis, run: ServerRun, kernel: Kernel, watermark: Watermark) -> None:
        self.client = client
        self._run = run
        self._kernel = kernel
        self._watermark = watermark
        # What screens are told from, and how far they were told from those before.
        self._tail: Tail | None = None
        self._shown: Seq | None = None
        # Of the last look.
        self._run_id = ""
        # Whether Redis lacked something then that this process knows of.
        self.is_behind = False

    @property
    def was_restarted(self) -> bool:
        """Whether the last look found another run than the one this process works with."""
        return self._run.is_other(self._run_id)

    def follow(self, tail: Tail) -> Tail:
        """Screens are told from this tail of the journal from now on; another Redis may have less than they know."""
        self._shown, self._tail = self._last_shown(), tail
        return tail

    def known(self) -> Seq:
        """The place behind all that this process was answered, read, told its screens, or knows to be in the ledger."""
        epoch, number = self._kernel.epoch, max(self._kernel.floor, self._kernel.read_to)
        for at in (self._watermark.at, self._last_shown()):
            if at is not None and at.epoch == epoch:
                number = max(number, at.number + 1)
        return Seq(epoch, number)

    def _last_shown(self) -> Seq | None:
        at = None if self._tail is None else self._tail.at
        return max((each for each in (at, self._shown) if each is not None), default=None)

    async def look_for_run(self) -> None:
        """Find out which run of Redis is there.

        Raises:
            Unavailable: Redis does not answer.
        """
        self._run_id = await run_id_of(self.client)

    async def look(self, known: Seq, *, works_alone: bool) -> Meta:
        """What Redis says; where it has less than is `known` it takes nothing from now on, also of a later start.

        With another run of it that has all this process goes on at once if it works alone. The run is looked for
        before, or one that came in between would be taken for the one that was looked at.

        Raises:
            Unavailable, ServerRefused: Redis does not answer, or cannot be read.
        """
        meta = await read_meta(self.client)
        self.is_behind = lacks(meta, known)
        if not is_open(meta, self._kernel.hub, known.epoch):
            return meta
        if self.is_behind:
            if await close_behind(self.client, self._kernel.hub, known):
                log.error("Redis lacks what was answered, and takes nothing until it is healed", epoch=known.epoch)
            return await read_meta(self.client)
        if self.was_restarted and works_alone:
            log.info("Redis was started anew, and has all that was answered")
            # First, so that whoever starts meanwhile finds that it was looked at.
            await begin_run(self.client, self._kernel.hub, known.epoch, self._run_id)
            self.adopt()
        return meta

    async def close_restarted(self, known: Seq) -> None:
        """Close it for a new epoch, in which each process looks whether it knows of more than Redis has.

        Raises:
            Unavailable, ServerRefused: as `look`.
        """
        if await close_behind(self.client, self._kernel.hub, known, was_restarted=True):
            log.warning("Redis was started anew while several processes work with it: a new epoch begins")

    def was_restarted_since(self, meta: Meta) -> bool:
        """Whether the last look found another run than the one that the partition's epoch is worked with."""
        return is_of_another_run(meta, self._run_id)

    async def begin_run(self, epoch: int) -> None:
        """Say in a partition of this epoch, which nobody works in, that the run of the last look is worked with.

        Raises:
            Unavailable, ServerRefused: as `look`.
        """
        await begin_run(self.client, self._kernel.hub, epoch, self._run_id)

    def adopt(self) -> None:
        """Work with the run that the last look found."""
        self._run.adopt(self._run_id)
