"""What an operator decides: the defaults, then hub.toml, then HUB_* variables, read once into frozen structs.

load(path, environ)   the settings, or SettingsInvalid with the first problem and how many there are; with
                      KEYS_ONLY or NO_KEEPER without the secrets that a command does not use
read(path, environ)   both at once; also of a text that stands in no file
check(path, environ)  every problem as `hub.toml:12: pool[1].cap: what is wrong and how to mend it`
"""

from hub.settings.loading import Reading, check, load, read
from hub.settings.restart import needs_restart
from hub.settings.tree import (
    Channel,
    DropSettings,
    Hook,
    HubSettings,
    LedgerSettings,
    LimitsSettings,
    RedisSettings,
    Settings,
)
from hub.settings.vault import KEYS_ONLY, NO_KEEPER

__all__ = [
    "KEYS_ONLY",
    "NO_KEEPER",
    "Channel",
    "DropSettings",
    "Hook",
    "HubSettings",
    "LedgerSettings",
    "LimitsSettings",
    "Reading",
    "RedisSettings",
    "Settings",
    "check",
    "load",
    "needs_restart",
    "read",
]
