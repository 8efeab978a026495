"""Whether a vendor is asked at all: after failures in a row only now and then, by one question. Pure.

Closed: everything is asked. Open: nothing is, until the next probe is due; one that goes well closes it again, one that
does not makes the time to the next one longer.
"""

from typing import Literal

import msgspec

# Failures in a row that open it.
FAILURES_MAX = 5
# Between a failure and the next probe; the last stands for all after it.
PROBE_SECONDS = (1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 60.0)
# The time to a probe is shorter by up to so much of it, so that several processes do not come at once.
JITTER = 0.5
# So many seconds after a probe began another may: whoever asked may have ended in between.
PROBE_SECONDS_MAX = 60.0

CircuitState = Literal["closed", "open"]


class Circuit(msgspec.Struct):
    """The circuit of one account, for one process. `now` is in seconds since 1970."""

    failures: int = 0
    # Why the last question failed.
    why: str = ""
    probe_at: float = 0.0

    @property
    def state(self) -> CircuitState:
        """Whether it is open."""
        return "open" if self.failures >= FAILURES_MAX else "closed"

    def wait_seconds(self, now: float) -> float:
        """For how long nothing may be asked; 0: something may."""
        return max(0.0, self.probe_at - now) if self.state == "open" else 0.0

    def begin(self, now: float) -> None:
        """A question begins; where it is a probe, nobody else asks meanwhile."""
        if self.state == "open":
            self.probe_at = now + PROBE_SECONDS_MAX

    def put_off(self, at: float) -> None:
        """The probe could not be made, and is made then."""
        if self.state == "open":
            self.probe_at = at

    def note_answer(self) -> bool:
        """The vendor answered as it should; True: the circuit was open until now."""
        was_open = self.state == "open"
        self.failures, self.why, self.probe_at = 0, "", 0.0
        return was_open

    def note_failure(self, why: str, now: float, jitter: float) -> bool:
        """It did not; True: that opens the circuit. `jitter` is drawn from 0 to 1."""
        self.failures, self.why = self.failures + 1, why
        beyond = self.failures - FAILURES_MAX
        if beyond >= 0:
            seconds = PROBE_SECONDS[min(beyond, len(PROBE_SECONDS) - 1)]
            self.probe_at = now + seconds * (1 - JITTER * jitter)
        return beyond == 0
