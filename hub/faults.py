"""Faults: somebody failed (a sender, a setting, a server). Refusals are values, never exceptions.

Fault
├─ SettingsInvalid    the configuration or the command line is wrong; exit code 2
├─ ServerRefused      a Redis or Postgres server or data folder is not fit for use; exit code 2
└─ Unavailable        ours and temporary; HTTP 503 with Retry-After; the outcome is unknown
"""


class Fault(Exception):
    """Root of every fault of the hub; its text is one sentence a person can act on."""


class SettingsInvalid(Fault):
    """A setting, the house's configuration or an argument is wrong."""


class ServerRefused(Fault):
    """A server, its version, its durability or its data folder is not what the hub promises."""


class Unavailable(Fault):
    """A store did not answer: whether the command took effect is unknown; send the same id again."""

    def __init__(self, reason: str, retry_after_seconds: int = 1) -> None:
        super().__init__(reason)
        self.retry_after_seconds = retry_after_seconds
