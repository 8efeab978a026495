"""Hooks of the settings: their names, their secrets, and whether their addresses may be reached."""

from collections.abc import Sequence
from hashlib import sha256

from hub.access import Secret
from hub.domain.hook_addresses import Network, mistake_in, networks_of
from hub.domain.hooks import keys_in
from hub.settings.house_checks import check_once
from hub.settings.problems import Problems
from hub.settings.tree import Hook, HookSettings
from hub.settings.vault import Vault
from protocol.feed import types_asked

# 48 bits: no two of a hundred hooks are called alike.
_DIGEST_CHARS = 12


def settled_hooks(
    tables: Sequence[HookSettings], may_reach: Sequence[str], vault: Vault, problems: Problems
) -> tuple[Hook, ...]:
    """Every hook with its name, and its secrets where those are needed; one unfit for use is a problem and left out."""
    allowed = _networks(may_reach, problems)
    check_once("hook", "id", [_id_of(table) for table in tables], problems)
    hooks = (_settled(table, f"hook[{place}]", allowed, vault, problems) for place, table in enumerate(tables))
    return tuple(hook for hook in hooks if hook is not None)


def _settled(
    table: HookSettings, path: str, allowed: Sequence[Network], vault: Vault, problems: Problems
) -> Hook | None:
    known = len(problems)
    if not problems.inside(path) and (mistake := mistake_in(table.url, allowed)):
        problems.add(f"{path}.url", mistake)
    try:
        types_asked(table.types)
    except ValueError as error:
        problems.add(f"{path}.types", f"{error}")
    secrets = vault.variable(table.secret_env, f"{path}.secret_env") if table.secret_env else None
    if secrets is not None:
        try:
            keys_in(secrets.reveal())
        except ValueError as error:
            problems.add(f"{path}.secret_env", f"the environment variable {table.secret_env} {error}")
    if not vault.needs(path):
        secrets = Secret("")
    if secrets is None or len(problems) > known:
        return None
    return Hook(_id_of(table), Secret(table.url), secrets, table.types)


def _id_of(table: HookSettings) -> str:
    return table.id or "hook-" + sha256(table.url.encode()).hexdigest()[:_DIGEST_CHARS]


def _networks(texts: Sequence[str], problems: Problems) -> tuple[Network, ...]:
    networks: list[Network] = []
    for place, text in enumerate(texts):
        try:
            networks += networks_of((text,))
        except ValueError:
            problems.add(f"hub.hooks_may_reach[{place}]", 'must be a network like "10.1.0.0/16"')
    return tuple(networks)
