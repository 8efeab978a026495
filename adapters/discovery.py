"""Which adapters there are: the modules here that have an `ADAPTER`, and those of installed packages.

Another package offers one as an entry point, `[project.entry-points."inventory_sync_hub.adapters"]`, with a line like
`acme = "acme_hub:ADAPTER"`. What stands here cannot be replaced by one of the same name.
"""

from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from pkgutil import iter_modules

import adapters
from adapters.contract import Adapter

ENTRY_POINTS = "inventory_sync_hub.adapters"


class UnusableAdapter(Exception):
    """A package offers an adapter that cannot be loaded; its text is one sentence for whoever installed it."""


@cache
def names() -> tuple[str, ...]:
    """What `[[source]] adapter` may say, sorted. Loads nothing of other packages."""
    return tuple(sorted({*_own(), *_offered()}))


@cache
def adapter_named(name: str) -> Adapter | None:
    """The adapter; None where there is none of that name.

    Raises:
        UnusableAdapter: a package offers it, but it cannot be loaded or is another's.
    """
    if own := _own().get(name):
        return own
    offer = _offered().get(name)
    return None if offer is None else _loaded(offer)


@cache
def package_of(name: str) -> str:
    """Whose an adapter is: a package and its version; empty where there is none of that name."""
    if name in _own():
        return "inventory-sync-hub"
    offer = _offered().get(name)
    return f"{offer.dist.name} {offer.dist.version}" if offer and offer.dist else ""


@cache
def module_of(name: str) -> str:
    """Where an adapter is defined, as imports name it; empty where there is none of that name."""
    if own := _own().get(name):
        return type(own).__module__
    offer = _offered().get(name)
    return offer.module if offer else ""


@cache
def _own() -> dict[str, Adapter]:
    modules = [import_module(f"adapters.{module.name}") for module in iter_modules(adapters.__path__)]
    found = [module.ADAPTER for module in modules if hasattr(module, "ADAPTER")]
    return {adapter.name: adapter for adapter in found}


@cache
def _offered() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=ENTRY_POINTS)}


def _loaded(offer: EntryPoint) -> Adapter:
    try:
        adapter: Adapter = offer.load()
        name = adapter.name
    # Whatever a stranger's module does while it is imported.
    except Exception as error:
        raise UnusableAdapter(f"The adapter {offer.name} ({offer.value}) cannot be loaded: {error}") from error
    if name != offer.name:
        raise UnusableAdapter(f"The adapter {offer.name} ({offer.value}) calls itself {name}.")
    return adapter
