"""What an operator decides: the defaults, then hub.toml, then HUB_* variables, read once into frozen structs.

load(path, environ)   the settings, or SettingsInvalid with the first problem and how many there are
check(path, environ)  every problem as `hub.toml:12: pool[1].cap: what is wrong and how to mend it`
"""

from hub.settings.loading import check, load
from hub.settings.tree import (
    HookSettings,
    HubSettings,
    LedgerSettings,
    LimitsSettings,
    RedisSettings,
    Settings,
)

__all__ = [
    "HookSettings",
    "HubSettings",
    "LedgerSettings",
    "LimitsSettings",
    "RedisSettings",
    "Settings",
    "check",
    "load",
]
