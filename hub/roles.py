"""What of a hub a process does, and what it is given by the process that started it."""

from typing import Final, Literal, get_args

import msgspec

from hub.settings import Settings

# The HTTP door · the live door · what one process does for all, hooks and deliveries.
Role = Literal["intake", "live", "worker"]

ROLES: Final[tuple[Role, ...]] = get_args(Role)


class Given(msgspec.Struct, frozen=True):
    """The addresses and stores of one of several processes, made sure of by the process that started it."""

    http: str
    live: str
    admin: str
    # Which of them this is, for the log.
    number: int = 1
    # Private servers; None where the settings name one.
    redis_url: str | None = None
    ledger_dsn: str | None = None

    def placed(self, settings: Settings) -> Settings:
        """The same settings with these addresses and stores."""
        replace = msgspec.structs.replace
        return replace(
            settings,
            hub=replace(settings.hub, http=self.http, live=self.live, admin=self.admin),
            redis=replace(settings.redis, url=self.redis_url or settings.redis.url),
            ledger=replace(settings.ledger, dsn=self.ledger_dsn or settings.ledger.dsn),
        )


class Share(msgspec.Struct, frozen=True):
    """One process's share of a hub."""

    roles: frozenset[Role] = frozenset(ROLES)
    # None: no other process listens on its addresses, and private servers are its own.
    given: Given | None = None
