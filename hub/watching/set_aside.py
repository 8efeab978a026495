"""Watch what the ledger sets aside: what was applied twice is taken back, and what needs a person is told.

The path of one: the writer sets an entry aside -> the ledger names those that no entry of the hub's own is about -> a
reversal or an alert in the journal -> the ledger has that too, and names them no more. A crash between any two of these
repeats the last step; its id is made of the entry's place, so it takes effect once, whoever does it. What was told in
an epoch that ended may have been lost with its Redis, and is told again unless the ledger has it.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

import msgspec
import structlog

from hub.domain.command import Fact
from hub.domain.entry import Entry, Seq, decode_entry
from hub.domain.findings import SetAside
from hub.domain.reversing import APPLIED_TWICE, REVERSAL, alert_about, is_plain, reversal_of
from hub.faults import Fault
from hub.patience import Trouble, news_within

log = structlog.get_logger()

ENTRY_SET_ASIDE = "entry_set_aside"
# Between two looks while something waits to be told or a store is away, and while nothing does.
RETRY_SECONDS = 1.0
IDLE_SECONDS = 60.0


class Memory(Protocol):
    """Where what was set aside lies: the ledger."""

    async def untold(self, about_doubled: list[str], about_poison: list[str]) -> list[SetAside]:
        """What no entry of these types is about, oldest first."""
        ...


class SetAsideWatch:
    """The watch over what one partition's ledger sets aside."""

    def __init__(
        self,
        memory: Memory,
        *,
        book: Callable[[Sequence[Fact]], Awaitable[Sequence[object]]],
        house_name: Callable[[str], str],
        epoch: Callable[[], int],
    ) -> None:
        self._memory = memory
        self._book = book
        # The house's own name of a SKU: one that was booked may be another's name by now.
        self._house_name = house_name
        self._news = asyncio.Event()
        # The epoch that this process works in.
        self._epoch = epoch
        # Booked by this process, and in which epoch at the earliest; the ledger may still have to hear of it.
        self._told: dict[Seq, int] = {}

    def note(self) -> None:
        """Something was set aside, or what was told may be lost: look soon."""
        self._news.set()

    async def run(self) -> None:
        """Look when something was set aside, and now and then, until cancelled."""
        trouble = Trouble("what was set aside is looked at later", "what was set aside is looked at again")
        while True:
            try:
                wait_seconds = RETRY_SECONDS if await self.look() else IDLE_SECONDS
                trouble.note_over()
            except Fault as fault:
                trouble.note(fault)
                wait_seconds = RETRY_SECONDS
            await news_within(self._news, wait_seconds)

    async def look(self) -> int:
        """Take back or tell what nobody was told of; how much that was.

        Raises:
            Fault: a store is away; what was done is done, and the rest waits for the next look.
        """
        found = await self._memory.untold([REVERSAL, APPLIED_TWICE], [ENTRY_SET_ASIDE])
        untold = {aside.seq for aside in found}
        self._told = {seq: epoch for seq, epoch in self._told.items() if seq in untold and epoch >= self._epoch()}
        new = [aside for aside in found if aside.seq not in self._told]
        for aside in new:
            # Before it is booked: what is booked and lost at once is of this epoch too.
            epoch = self._epoch()
            [outcome] = await self._book([self._command(aside)])
            log.info("what was set aside is told", seq=str(aside.seq), outcome=type(outcome).__name__)
            self._told[aside.seq] = epoch
        return len(new)

    def _command(self, aside: SetAside) -> Fact:
        entry = _read(aside.entry)
        if not aside.is_doubled:
            log.error("an entry was set aside: it is in Redis, but not in the ledger", seq=str(aside.seq))
            return alert_about(ENTRY_SET_ASIDE, aside.seq, entry)
        if entry is None or not is_plain(entry):
            log.error("a fact was applied twice, and a person must look at it", seq=str(aside.seq))
            return alert_about(APPLIED_TWICE, aside.seq, entry)
        log.error("a fact was applied twice, and is taken back", seq=str(aside.seq), source=entry.source, id=entry.id)
        back = reversal_of(aside.seq, entry)
        lines = tuple(msgspec.structs.replace(line, sku=self._house_name(line.sku)) for line in back.lines)
        return msgspec.structs.replace(back, lines=lines)


def _read(raw: bytes) -> Entry | None:
    """The entry, if it is one as this version knows it."""
    try:
        return decode_entry(raw)
    except (msgspec.MsgspecError, RecursionError):
        return None
