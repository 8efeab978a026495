"""The shape of hub.toml as a whole, and reading the text of one."""

import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

from msgspec import Meta

from hub.domain.catalogue import (
    HouseSettings,
    KindSettings,
    LocationSettings,
    PoolSettings,
    RuleSettings,
    SkuSettings,
    SourceSettings,
    StatusSettings,
    Table,
)
from hub.faults import SettingsInvalid
from hub.settings.tree import (
    ChannelSettings,
    DropSettings,
    HookSettings,
    HubSettings,
    LedgerSettings,
    LimitsSettings,
    RedisSettings,
    VariableName,
)
from protocol.identifiers import Name, OpaqueId

# Room for a catalogue of 100,000 SKUs; a larger one is no file to keep by hand.
FILE_BYTES_MAX = 32 * 1024 * 1024

# Which pools or locations a key may touch: names, or "*" for all.
Reach = tuple[Annotated[str, Meta(pattern=r"^([A-Za-z0-9._-]{1,64}|\*)(?!\n)$", description='a name or "*"')], ...]


class JwtTable(Table, frozen=True):
    """`[[jwt]]`: a key that tokens are signed with."""

    # The `kid` in the header of a token; it binds the algorithm.
    kid: OpaqueId
    algorithm: Literal["HS256", "EdDSA"]
    # HS256: the secret, from one of these two. EdDSA: the private key in PEM, only where tokens are made.
    secret_env: VariableName | None = None
    secret_file: Path | None = None
    # EdDSA: the public key in PEM.
    public_key_file: Path | None = None


class KeyTable(Table, frozen=True):
    """`[[key]]`: an opaque key, for a till that is offline for days; revoked by removing it."""

    id: Name
    # `sha256:` and the SHA-256 of the key in hex; the key itself is kept nowhere.
    hash: str
    # Who acts with it.
    sub: Name
    # Which system sends with it; `sub` where it is left out.
    source: Name | None = None
    scope: tuple[str, ...] = ()
    pools: Reach = ()
    locations: Reach = ()


class CatalogueTable(Table, frozen=True):
    """`[catalogue]`: where SKUs are described besides the `[[sku]]` tables, which win."""

    # A CSV with the columns sku, category, brand, aliases and any attributes. Relative to the file's folder.
    csv: Path | None = None


class HubFile(Table, frozen=True):
    """hub.toml."""

    hub: HubSettings = HubSettings()
    redis: RedisSettings = RedisSettings()
    ledger: LedgerSettings = LedgerSettings()
    limits: LimitsSettings = LimitsSettings()
    jwt: Annotated[tuple[JwtTable, ...], Meta(max_length=100)] = ()
    key: Annotated[tuple[KeyTable, ...], Meta(max_length=10_000)] = ()
    location: Annotated[tuple[LocationSettings, ...], Meta(max_length=10_000)] = ()
    # A call of the kernel weighs lines × pools, so the pools of a house are few.
    pool: Annotated[tuple[PoolSettings, ...], Meta(max_length=64)] = ()
    rule: Annotated[tuple[RuleSettings, ...], Meta(max_length=10_000)] = ()
    catalogue: CatalogueTable = CatalogueTable()
    sku: Annotated[tuple[SkuSettings, ...], Meta(max_length=200_000)] = ()
    status: Annotated[tuple[StatusSettings, ...], Meta(max_length=100)] = ()
    kind: Annotated[tuple[KindSettings, ...], Meta(max_length=100)] = ()
    source: Annotated[tuple[SourceSettings, ...], Meta(max_length=1_000)] = ()
    hook: Annotated[tuple[HookSettings, ...], Meta(max_length=100)] = ()
    drop: Annotated[tuple[DropSettings, ...], Meta(max_length=100)] = ()
    channel: Annotated[tuple[ChannelSettings, ...], Meta(max_length=100)] = ()

    @property
    def house(self) -> HouseSettings:
        """What the file says about stock."""
        return HouseSettings(
            locations=self.location,
            pools=self.pool,
            rules=self.rule,
            skus=self.sku,
            statuses=self.status,
            kinds=self.kind,
            sources=self.source,
        )


def read_text(file: Path) -> str:
    """Read the file whole.

    Raises:
        SettingsInvalid: it is missing, unreadable, too large or not UTF-8.
    """
    try:
        with file.open("rb") as stream:
            content = stream.read(FILE_BYTES_MAX + 1)
        if len(content) > FILE_BYTES_MAX:
            raise SettingsInvalid(f"{file}: is larger than {FILE_BYTES_MAX // 2**20} MiB")
        # Line ends of any system: the scan for line numbers counts what an editor counts.
        return content.decode("utf-8").replace("\r\n", "\n")
    except OSError as error:
        raise SettingsInvalid(f"{file}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise SettingsInvalid(f"{file}:{line}: is not UTF-8") from error


def parse(text: str, file: Path) -> dict[str, Any]:
    """Read the TOML.

    Raises:
        SettingsInvalid: it is not TOML; the line is tomllib's.
    """
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise SettingsInvalid(_syntax(str(error), text, file)) from error


def _syntax(error: str, text: str, file: Path) -> str:
    what, at, place = error.rpartition(" (at ")
    if not at:
        return f"{file}:1: {error}"
    # Either "line 3, column 7)" or "end of document)".
    number = place.split()[1].rstrip(",") if place.startswith("line") else str(text.count("\n") + 1)
    return f"{file}:{number}: {what}"
