"""The record of which servers made a data folder, and the choice of a server that may open it.

Rules: a folder is opened only by a server of the same name that is not older than the one that last used it; Postgres
also only within the same major version. Everything else is refused before a server is started, so nothing is damaged.
"""

import json
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path

from hub.embedded.binaries import Binary, Version, dotted, undotted
from hub.faults import ServerRefused

_FILE = "servers.json"


@dataclass(frozen=True)
class Maker:
    """The server that last used one part of a data folder."""

    name: str
    version: Version

    @property
    def title(self) -> str:
        """Name and version, as people write them."""
        return f"{self.name} {dotted(self.version)}"

    def admits(self, binary: Binary) -> bool:
        """Tell whether `binary` may open what this server wrote."""
        if binary.name != self.name or binary.version < self.version:
            return False
        return self.name != "PostgreSQL" or binary.version[0] == self.version[0]


def is_used(folder: Path) -> bool:
    """Tell whether servers ever used the data folder."""
    return (folder / _FILE).exists()


def recorded(folder: Path, part: str) -> Maker | None:
    """Return the server that last used a part of the folder, None for a new one.

    Raises:
        ServerRefused: the record cannot be read, or the part holds data the record does not know.
    """
    entry = _read(folder).get(part)
    if entry is None:
        if (folder / part).exists() and any((folder / part).iterdir()):
            raise ServerRefused(f"{folder / part} holds data, but {folder / _FILE} does not say which server made it")
        return None
    try:
        return Maker(str(entry["name"]), undotted(entry["version"]))
    except (KeyError, TypeError) as error:
        raise ServerRefused(f"{folder / _FILE} is damaged: {part} lacks its name or version") from error


def record(folder: Path, part: str, binary: Binary) -> None:
    """Write down, durably, that `binary` uses a part of the folder from now on."""
    entries = _read(folder)
    entry = {"name": binary.name, "version": dotted(binary.version)}
    if entries.get(part) == entry:
        return
    new = folder / f"{_FILE}.new"
    with new.open("w") as file:
        json.dump({**entries, part: entry}, file, indent=2)
        file.flush()
        os.fsync(file.fileno())
    new.replace(folder / _FILE)


async def choose(binaries: AsyncIterator[Binary], maker: Maker | None, place: Path) -> Binary | None:
    """Take the first server that may open the part at `place`; None when no server runs here at all.

    Raises:
        ServerRefused: servers run here, but none of them may open what `maker` wrote.
    """
    unfit: list[str] = []
    async for binary in binaries:
        if maker is None or maker.admits(binary):
            # Whoever expected the preferred server learns why it was passed over.
            why = f"{binary.source}, because {maker.title} made this data folder" if maker and unfit else binary.source
            return replace(binary, source=why)
        unfit.append(f"{binary.title} {binary.source}")
    if maker is None or not unfit:
        return None
    raise ServerRefused(
        f"{place} was made by {maker.title} and cannot be opened by {' or '.join(unfit)};"
        f" install {maker.title} on PATH, or use another data_dir"
    )


def _read(folder: Path) -> dict[str, dict[str, str]]:
    try:
        entries = json.loads((folder / _FILE).read_text())
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise ServerRefused(f"{folder / _FILE} is damaged and does not say which servers made the folder") from error
    if not isinstance(entries, dict):
        raise ServerRefused(f"{folder / _FILE} is damaged and does not say which servers made the folder")
    return entries
