"""Which changed settings a running hub cannot take; neither the house nor its keys and hooks are among them."""

import msgspec

from hub.settings.tree import Settings

_TABLES = ("hub", "redis", "ledger", "limits")


def needs_restart(running: Settings, wanted: Settings) -> list[str]:
    """The keys that differ and stay as they are until the hub is started anew, in the file's order."""
    differing = [
        f"{table}.{field.encode_name}"
        for table in _TABLES
        for field in msgspec.structs.fields(getattr(running, table))
        if getattr(getattr(running, table), field.name) != getattr(getattr(wanted, table), field.name)
    ]
    return differing if running.drops == wanted.drops else [*differing, "drop"]
