"""The accounts at third parties: what the house's file says of each, its adapter, and its secrets."""

from collections.abc import Callable, Iterable

import msgspec
import structlog

from adapters.contract import Account, Adapter, Polled
from adapters.discovery import UnusableAdapter, adapter_named
from adapters.offering import Allowance, Offering
from hub.access import Secret, SourceSecrets
from hub.domain.catalogue import HouseSettings, SourceSettings
from hub.domain.rules import House
from hub.faults import Unavailable

log = structlog.get_logger()


class Party(msgspec.Struct, frozen=True):
    """One account at a third party, and who understands it."""

    settings: SourceSettings
    adapter: Adapter
    account: Account
    token: Secret | None


class Accounts:
    """The accounts of the house of now."""

    def __init__(self, house: Callable[[], House], secrets: Iterable[SourceSecrets]) -> None:
        self._house = house
        self._settings: HouseSettings | None = None
        self._parties: dict[str, Party] = {}
        self._secrets: dict[str, SourceSecrets] = {}
        self.take(secrets)

    def take(self, secrets: Iterable[SourceSecrets]) -> bool:
        """Verify by these from now on; whether they are others than before."""
        before, self._secrets = self._secrets, {shared.source: shared for shared in secrets}
        self._settings = None
        return self._secrets != before

    def of(self, source: str) -> Party | None:
        """The account of a source; None where the house has no such source, or it has no adapter."""
        return self._present().get(source)

    def verifying(self, source: str) -> Party | None:
        """The same, to take deliveries.

        Raises:
            Unavailable: this process was not told its secrets, which another's house names.
        """
        party = self.of(source)
        # Who is only asked has none, and nothing is believed that comes in its name.
        is_named = party is not None and (party.settings.secret_env or party.settings.secret_file)
        if party is not None and is_named and not party.account.secrets:
            raise Unavailable(f"this hub knows no secret of the source {source}; reload it, or start it anew", 60)
        return party

    def asked(self) -> list[tuple[Party, Polled]]:
        """Those that are asked what happened, and how."""
        return [
            (party, party.adapter)
            for party in self._present().values()
            if party.token is not None and party.settings.asked_every_seconds and isinstance(party.adapter, Polled)
        ]

    def drift_seconds(self) -> dict[str, int]:
        """How long the levels of those may differ from ours whose levels are compared."""
        compared = [party.settings for party in self._present().values() if party.settings.levels == "drift"]
        return {settings.id: settings.drift_seconds for settings in compared}

    def allowance(self, source: str) -> Allowance | None:
        """What its vendor lets a source ask, as far as its adapter knows."""
        party = self.of(source)
        return party.adapter.allowance if party is not None and isinstance(party.adapter, Offering) else None

    def names(self, sku: str) -> list[str]:
        """What people call a SKU besides; not what the hub makes of a vendor's numbers (`shop:variant:7`)."""
        house = self._house()
        sources = {source.id for source in house.document.settings.sources}
        return [name for name in house.catalogue.aliases(sku) if name.partition(":")[0] not in sources]

    def any(self) -> bool:
        """Whether the house hears of any third party."""
        return bool(self._present())

    def _present(self) -> dict[str, Party]:
        settings = self._house().document.settings
        if settings is not self._settings:
            made = [self._party(source) for source in settings.sources]
            self._parties = {party.settings.id: party for party in made if party is not None}
            self._settings = settings
        return self._parties

    def _party(self, source: SourceSettings) -> Party | None:
        if source.adapter is None:
            return None
        try:
            adapter = adapter_named(source.adapter)
        except UnusableAdapter as error:
            log.error("an adapter cannot be used", source=source.id, reason=str(error))
            return None
        if adapter is None:
            # The file of another process, that has more adapters.
            log.error("there is no such adapter", source=source.id, adapter=source.adapter)
            return None
        shared = self._secrets.get(source.id, SourceSecrets(source.id))
        account = Account(
            source=source.id,
            secrets=tuple(secret.reveal() for secret in shared.secrets),
            url=source.url or "",
            pool=source.pool or "",
            locations=source.locations,
            returns_to=source.returns_to,
        )
        return Party(source, adapter, account, shared.token)
