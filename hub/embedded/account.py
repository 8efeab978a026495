"""Under which account Postgres runs: it refuses to run as root, so a hub run by root needs a way around.

First choice is a user namespace in which root is called nobody: no file changes hands. Where namespaces are forbidden
(many containers) Postgres runs as nobody, keeping only root's right to reach the files it needs.
"""

import asyncio
import os
import pwd
import shutil
from dataclasses import dataclass
from pathlib import Path

from hub.faults import ServerRefused

_NOBODY = 65534
_PROBE_SECONDS = 5

_NAMESPACE = ("unshare", "--user", f"--map-user={_NOBODY}", f"--map-group={_NOBODY}")
_REACH = "+dac_override,+dac_read_search"
_NOBODY_WITH_REACH = (
    *("setpriv", f"--reuid={_NOBODY}", f"--regid={_NOBODY}", "--clear-groups"),
    *(f"--inh-caps={_REACH}", f"--ambient-caps={_REACH}", "--pdeathsig=INT"),
)


@dataclass(frozen=True)
class Account:
    """How to start Postgres."""

    # Who must own the cluster.
    uid: int
    # Put before the command of every program of Postgres.
    prefix: tuple[str, ...] = ()


async def postgres_account(program: Path, folder: Path) -> Account:
    """Return an account under which `program` runs and may write to `folder`.

    Raises:
        ServerRefused: the hub is run by root, and no way to run Postgres was found.
    """
    uid = os.geteuid()
    # initdb wants a name for its account, and a container's arbitrary account has none.
    if uid != 0 and _has_name(uid):
        return Account(uid)
    if await _may(_NAMESPACE, program, folder):
        return Account(uid, _found(_NAMESPACE))
    if uid != 0:
        return Account(uid)
    if await _may(_NOBODY_WITH_REACH, program, folder):
        return Account(_NOBODY, _found(_NOBODY_WITH_REACH))
    raise ServerRefused(
        "Postgres does not run as root, and neither `unshare --user` nor `setpriv` helps here:"
        " run the hub as an ordinary user, or name your own server with [ledger] dsn"
    )


def take_over(folder: Path, uid: int) -> None:
    """Make `uid` the owner of a folder and all in it; nothing is done where it already owns the folder."""
    if folder.stat().st_uid == uid:
        return
    for place, _, files in os.walk(folder, topdown=False):
        for name in files:
            os.chown(os.path.join(place, name), uid, -1, follow_symlinks=False)
        os.chown(place, uid, -1)


def _found(prefix: tuple[str, ...]) -> tuple[str, ...]:
    """Write a prefix with the full path of its program."""
    return (shutil.which(prefix[0]) or prefix[0], *prefix[1:])


def _has_name(uid: int) -> bool:
    try:
        pwd.getpwuid(uid)
    except KeyError:
        return False
    return True


async def _may(prefix: tuple[str, ...], program: Path, folder: Path) -> bool:
    """Try whether a prefix works here and reaches both the program and the folder."""
    script = 'test -x "$0" && test -w "$1"'
    try:
        process = await asyncio.create_subprocess_exec(
            *(*prefix, "/bin/sh", "-c", script, str(program), str(folder)),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
    except OSError:
        return False
    try:
        async with asyncio.timeout(_PROBE_SECONDS):
            return await process.wait() == 0
    except TimeoutError:
        process.kill()
        await process.wait()
        return False
