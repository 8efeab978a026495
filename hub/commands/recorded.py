"""An adapter by its name or in a folder that is not installed, and what was recorded of its vendor."""

import sys
import tomllib
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import msgspec

import adapters
from adapters.contract import Adapter
from adapters.discovery import ENTRY_POINTS, UnusableAdapter, adapter_named, module_of, names, package_of
from adapters.kit.recordings import Recording, recording_from
from hub.faults import SettingsInvalid
from hub.settings.problems import did_you_mean

RECORDINGS = "recordings"
# The hub's own adapters are not offered by a package.
OWN = "inventory-sync-hub"
# Files that are read of one adapter, and bytes of one.
RECORDINGS_MAX = 1_000
_BYTES_MAX = 4 * 1024 * 1024


class Found(NamedTuple):
    """An adapter and where its recordings are looked for."""

    adapter: Adapter
    recordings: Path


def adapter_of(name: str) -> Found:
    """An adapter that is installed.

    Raises:
        SettingsInvalid: there is none of that name, or it cannot be loaded.
    """
    try:
        adapter = adapter_named(name)
    except UnusableAdapter as error:
        raise SettingsInvalid(str(error)) from error
    if adapter is None:
        guess = did_you_mean(name, names()) or f"; there are {', '.join(names())}"
        raise SettingsInvalid(f"{name} is no adapter{guess}")
    if package_of(name) == OWN:
        return Found(adapter, Path(adapters.__path__[0]) / RECORDINGS / name)
    return Found(adapter, _beside(module_of(name)))


def adapter_in(folder: Path, name: str) -> Found:
    """An adapter of a package that is not installed, by what the pyproject.toml in its folder offers.

    Raises:
        SettingsInvalid: there is no such package, it offers no adapter of that name, or it cannot be loaded.
    """
    project = folder / "pyproject.toml"
    try:
        offers = tomllib.loads(project.read_text("utf-8"))["project"]["entry-points"][ENTRY_POINTS]
        module, _, attribute = offers[name].partition(":")
    except OSError as error:
        raise SettingsInvalid(f"{project} cannot be read: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise SettingsInvalid(
            f'{project} offers no adapter {name}: it needs [project.entry-points."{ENTRY_POINTS}"] with a line '
            f'like {name} = "{name}_hub:ADAPTER"'
        ) from error
    sys.path[:0] = [str(folder.absolute()), str((folder / "src").absolute())]
    try:
        adapter: Adapter = getattr(import_module(module), attribute)
        theirs = adapter.name
    # Whatever a stranger's module does while it is imported.
    except Exception as error:
        raise SettingsInvalid(f"{module}:{attribute} cannot be loaded: {type(error).__name__}: {error}") from error
    if theirs != name:
        raise SettingsInvalid(f"the adapter {name} calls itself {theirs}; give it one name")
    return Found(adapter, _beside(module))


def recorded_in(folder: Path) -> tuple[Recording, ...]:
    """What was recorded, by the names of its files; nothing where there is no such folder.

    Raises:
        SettingsInvalid: a file is no recording, or cannot be read.
    """
    files = sorted(folder.glob("*.json"))[:RECORDINGS_MAX]
    return tuple(_recorded(path) for path in files)


def _recorded(path: Path) -> Recording:
    try:
        if path.stat().st_size > _BYTES_MAX:
            raise SettingsInvalid(f"{path} is too large for a recording: at most {_BYTES_MAX} bytes")
        return recording_from(path.read_bytes(), path.stem)
    except OSError as error:
        raise SettingsInvalid(f"{path} cannot be read: {error.strerror}") from error
    except msgspec.MsgspecError as error:
        raise SettingsInvalid(f"{path} is no recording: {error}") from error


def _beside(module: str) -> Path:
    spec = find_spec(module)
    return Path(spec.origin if spec and spec.origin else module).parent / RECORDINGS
