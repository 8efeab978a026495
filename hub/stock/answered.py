"""Who was answered last, and how far: they are to send again what Redis loses before the ledger has it."""

from collections.abc import Sequence

from hub.domain.command import Fact
from hub.stock.message import Command
from hub.stock.outcome import Applied, Granted, Outcome, Parked

# Of more, those that were answered longest ago are forgotten.
SOURCES_MAX = 10_000


class Answered:
    """The number of the last entry that each source was answered, of the present epoch."""

    def __init__(self) -> None:
        # Whoever was answered last comes last.
        self._numbers: dict[str, int] = {}

    def note(self, commands: Sequence[Command], outcomes: Sequence[Outcome]) -> None:
        """Take the outcomes of one call."""
        for command, outcome in zip(commands, outcomes, strict=True):
            if isinstance(outcome, Applied | Granted | Parked) and isinstance(command, Fact):
                # Behind all others; a parked event that is sent again is told its first number.
                before = self._numbers.pop(command.source, 0)
                self._numbers[command.source] = max(before, outcome.seq.number)
        while len(self._numbers) > SOURCES_MAX:
            del self._numbers[next(iter(self._numbers))]

    def take_since(self, number: int) -> list[str]:
        """The sources that were answered an entry from this number on; all is forgotten then: the epoch has ended."""
        found = sorted(source for source, last in self._numbers.items() if last >= number)
        self._numbers.clear()
        return found
