"""Who was answered last, and how far: they are to send again what Redis loses before the ledger has it."""

from collections.abc import Sequence

from hub.domain.command import OWN_SOURCE, Fact
from hub.domain.entry import Seq
from hub.stock.message import Command
from hub.stock.outcome import Applied, Duplicate, Granted, Outcome, Parked

# Of more, those that were answered longest ago are forgotten.
SOURCES_MAX = 10_000


class Answered:
    """The place of the last entry that each source was answered."""

    def __init__(self) -> None:
        # Whoever was answered last comes last.
        self._places: dict[str, Seq] = {}
        # What was answered before this place it need not know, and where that was when it began.
        self.since = self.begun = Seq(0, 0)
        # Calls whose outcomes were taken: whoever is told one later knows by it whether that is noted elsewhere.
        self.calls = 0

    def begin(self, since: Seq) -> None:
        """Whatever is answered from this place on is noted; what was before, this process need not have been told."""
        self.since = self.begun = since

    def note(self, commands: Sequence[Command], outcomes: Sequence[Outcome]) -> None:
        """Take the outcomes of one call."""
        self.calls += 1
        for command, outcome in zip(commands, outcomes, strict=True):
            # An id that is told again may have been booked by a process that has died since: nobody else knows it.
            if isinstance(outcome, Applied | Duplicate | Granted | Parked) and isinstance(command, Fact):
                if command.source == OWN_SOURCE:
                    # What the hub books of itself nobody sends again.
                    continue
                # Behind all others; what is told again is told its first place.
                before = self._places.pop(command.source, outcome.seq)
                self._places[command.source] = max(before, outcome.seq)
        while len(self._places) > SOURCES_MAX:
            forgotten = self._places.pop(next(iter(self._places)))
            self.since = max(self.since, Seq(forgotten.epoch, forgotten.number + 1))

    def last_since(self, first: Seq) -> dict[str, Seq]:
        """The sources that were answered an entry from this place on, with the last one's; the newest comes last."""
        return {source: last for source, last in self._places.items() if last >= first}

    def forget_before(self, epoch: int) -> None:
        """What was answered in epochs before this one is told, or nothing of it was lost."""
        self._places = {source: last for source, last in self._places.items() if last.epoch >= epoch}
