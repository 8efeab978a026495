"""Settings from a file and the environment, all of them or none."""

import os
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import msgspec

from hub.faults import SettingsInvalid
from hub.settings.channels import settled_channels
from hub.settings.document import HubFile, parse, read_text
from hub.settings.environment import overrides
from hub.settings.hooks import settled_hooks
from hub.settings.house_checks import check_house, check_known, check_once, check_size
from hub.settings.lines import Lines
from hub.settings.problems import Problems
from hub.settings.rule_checks import check_effects, check_rules
from hub.settings.shapes import decode_table
from hub.settings.sku_file import with_sku_file
from hub.settings.source_checks import check_sources
from hub.settings.tree import HubSettings, LedgerSettings, RedisSettings, Settings, has_password
from hub.settings.vault import EVERY_KEEPER, Keeper, Vault, access_settings, source_secrets
from hub.settings.wanted import wanted

# The house of a first run without a file.
_SAMPLE = "sample_house.toml"
_PORT_MAX = 65_535
_SECTIONS: dict[type, str] = {RedisSettings: "redis", LedgerSettings: "ledger"}

_Server = TypeVar("_Server", RedisSettings, LedgerSettings)


class Reading(NamedTuple):
    """What was read; the settings are good for nothing while there is a problem."""

    settings: Settings
    # A line each, as `check` says them.
    problems: list[str]
    # What is allowed and most likely not meant, a line each.
    warnings: tuple[str, ...] = ()


def load(path: Path | None, environ: Mapping[str, str], needed: frozenset[Keeper] = EVERY_KEEPER) -> Settings:
    """Read the settings: defaults, then the file (without one: the sample house), then HUB_* variables.

    Of secrets only those that are `needed` are read; keys and sources without theirs are left out.

    Raises:
        SettingsInvalid: something is wrong; its text is the first problem and how many more there are.
    """
    settings, problems, _ = read(path, environ, needed=needed)
    if not problems:
        return settings
    first, *more = problems
    raise SettingsInvalid(f"{first} (and {len(more)} more: see `hub check`)" if more else first)


def check(path: Path | None, environ: Mapping[str, str]) -> list[str]:
    """Say everything that is wrong with the settings, a line each; none is good."""
    try:
        return read(path, environ).problems
    except SettingsInvalid as error:
        return [str(error)]


def read(
    path: Path | None,
    environ: Mapping[str, str],
    text: str | None = None,
    *,
    needed: frozenset[Keeper] = EVERY_KEEPER,
) -> Reading:
    """Read the settings and say what is wrong with them; a `text` is taken in place of what the file holds.

    Raises:
        SettingsInvalid: there is no TOML to say more about.
    """
    if path is None:
        shown, folder = Path(_SAMPLE), Path.cwd()
        text = files("hub").joinpath(_SAMPLE).read_text("utf-8") if text is None else text
    else:
        shown, folder = path, path.absolute().parent
        text = read_text(path) if text is None else text
    problems = Problems()
    file = decode_table(parse(text, shown), HubFile, problems)
    _check_no_password(file, problems)
    settings = _settled(file, environ, Vault(environ, folder, problems, needed), problems)
    _check_doors(settings.hub, problems)
    _check_reach(file, problems)
    _check_drops(file, problems)
    check_house(file.house, problems)
    check_sources(file.house, problems)
    check_rules(file.house, problems)
    check_size(file.house, problems)
    channels = settled_channels(file.channel, file.house, folder, problems)
    settings = msgspec.structs.replace(settings, channels=channels)
    if file.catalogue.csv is not None:
        skus = with_sku_file(file.sku, folder / file.catalogue.csv, problems)
        settings = msgspec.structs.replace(settings, house=msgspec.structs.replace(file.house, skus=skus))
    if len(problems):
        return Reading(settings, problems.listed(shown, Lines(text)))
    warnings = Problems()
    check_effects(file.house, warnings)
    return Reading(settings, [], tuple(warnings.listed(shown, Lines(text))) if len(warnings) else ())


def _settled(file: HubFile, environ: Mapping[str, str], vault: Vault, problems: Problems) -> Settings:
    asked = [*(table.secret_env for table in file.jwt), *(source.secret_env for source in file.source)]
    asked += [*(source.token_env for source in file.source), *(hook.secret_env for hook in file.hook)]
    found = overrides(environ, frozenset(name for name in asked if name), problems)
    hub = msgspec.structs.replace(file.hub, **found["hub"])
    hooks = settled_hooks(file.hook, hub.hooks_may_reach, vault, problems)
    return Settings(
        hub=msgspec.structs.replace(hub, data_dir=_absolute(hub.data_dir, vault.folder)),
        redis=_with_address(file.redis, found["redis"], "url", vault, problems),
        ledger=_with_address(file.ledger, found["ledger"], "dsn", vault, problems),
        limits=msgspec.structs.replace(file.limits, **found["limits"]),
        access=access_settings(file, vault, problems),
        house=file.house,
        hooks=hooks,
        drops=tuple(msgspec.structs.replace(drop, folder=_absolute(drop.folder, vault.folder)) for drop in file.drop),
        secrets=source_secrets(file.source, vault, problems),
    )


def _with_address(table: _Server, given: dict[str, Any], key: str, vault: Vault, problems: Problems) -> _Server:
    """The table with its server's address, read from the file that holds it where that is how it is given.

    The environment wins over the file, whichever of the two keys either uses.
    """
    section, file_key = _SECTIONS[type(table)], f"{key}_file"
    if key in given or file_key in given:
        table = msgspec.structs.replace(table, **({key: None, file_key: None} | given))
    address, file = getattr(table, key), getattr(table, file_key)
    if file is None:
        return table
    if address is not None:
        problems.add(f"{section}.{file_key}", f"give {key} or {file_key}, not both")
        return table
    secret = vault.file(file, f"{section}.{file_key}")
    if secret is None:
        return table
    shape = next(field.type for field in msgspec.structs.fields(type(table)) if field.name == key)
    try:
        msgspec.convert(secret.reveal(), shape)
    except msgspec.ValidationError:
        problems.add(f"{section}.{file_key}", f"the file must hold {wanted(shape)}")
    return msgspec.structs.replace(table, **{key: secret.reveal(), file_key: vault.folder / file})


def _absolute(path: Path, folder: Path) -> Path:
    # Not resolved: a link in the path is the operator's own decision, and stays visible in messages.
    return Path(os.path.normpath(folder / path))


def _check_no_password(file: HubFile, problems: Problems) -> None:
    for path, address, variable in (
        ("redis.url", file.redis.url, "HUB_REDIS_URL"),
        ("ledger.dsn", file.ledger.dsn, "HUB_LEDGER_DSN"),
    ):
        if address is not None and has_password(address):
            problems.add(path, f"a password never stands in the file: use {variable} or {path.split('.')[1]}_file")


def _check_doors(hub: HubSettings, problems: Problems) -> None:
    taken: dict[str, str] = {}
    for name, address in (("http", hub.http), ("live", hub.live), ("admin", hub.admin)):
        port = int(address.rpartition(":")[2])
        if port > _PORT_MAX:
            problems.add(f"hub.{name}", f"a port is at most {_PORT_MAX}, not {port}")
        elif port and taken.setdefault(address, name) != name:
            problems.add(f"hub.{name}", f"{address} is the door of {taken[address]} already; give each its own")


def _check_drops(file: HubFile, problems: Problems) -> None:
    check_once("drop", "source", [drop.source for drop in file.drop], problems)
    check_once("drop", "folder", [os.path.normpath(drop.folder) for drop in file.drop], problems)
    for place, drop in enumerate(file.drop):
        locations = [location.id for location in file.location]
        check_known("location of the house", drop.location, locations, f"drop[{place}].location", problems)


def _check_reach(file: HubFile, problems: Problems) -> None:
    check_once("key", "id", [key.id for key in file.key], problems)
    check_once("jwt", "kid", [key.kid for key in file.jwt], problems)
    pools, locations = [pool.id for pool in file.pool], [location.id for location in file.location]
    for place, key in enumerate(file.key):
        for number, name in enumerate(key.pools):
            check_known("pool of the house", name, [*pools, "*"], f"key[{place}].pools[{number}]", problems)
        for number, name in enumerate(key.locations):
            check_known("location of the house", name, [*locations, "*"], f"key[{place}].locations[{number}]", problems)
