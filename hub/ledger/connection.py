"""Connections to the ledger's Postgres: deadlines everywhere, one home for its errors.

Rules: whoever works with the ledger has a connection of its own (a shared pool starves and hangs); every wait has
an end, on both sides; after a fault or a cancellation a connection is thrown away, because what it would answer
next belongs to an earlier question. Of the address only host and port are ever told: it may hold a password.
"""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import asyncpg

from hub.faults import ServerRefused, SettingsInvalid, Unavailable
from hub.ledger.address import named_by
from hub.ledger.rights import become_writer

CONNECT_SECONDS = 5.0
COMMAND_SECONDS = 5.0
# The longest a goodbye to the server may take before the socket is simply dropped.
_GOODBYE_SECONDS = 1.0

# What passes by itself or by an operator's hand: connection, resources, locks, shutdown, deadlocks, disk errors.
_PASSING_CLASSES = frozenset({"08", "25", "40", "53", "55", "57", "58"})

# The server gives up before the client does, so that a query does not live on behind a dropped connection.
_SERVER_SETTINGS = {
    "lock_timeout": "2s",
    "idle_in_transaction_session_timeout": "10s",
    "synchronous_commit": "on",
    "timezone": "UTC",
    # The queries are short and all alike; compiling them would cost more than running them.
    "jit": "off",
    "tcp_keepalives_idle": "15",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
}


async def connect(dsn: str, role: str, *, command_seconds: float = COMMAND_SECONDS) -> asyncpg.Connection:
    """A dedicated connection, named `hub <role>` in `pg_stat_activity`; close it.

    Raises:
        SettingsInvalid: the address cannot be read.
        ServerRefused: Postgres does not let us in, or has no such database.
        Unavailable: Postgres does not answer.
    """
    settings = {
        "application_name": f"hub {role}",
        "statement_timeout": f"{int(command_seconds * 900)}ms",
        **_SERVER_SETTINGS,
    }
    with translated("The ledger cannot be reached" + named_by(dsn)):
        try:
            return await asyncpg.connect(
                dsn,
                timeout=min(CONNECT_SECONDS, command_seconds),
                command_timeout=command_seconds,
                server_settings=settings,
            )
        except ValueError:
            # Its text may quote parts of the address, and the cause would carry it along.
            raise SettingsInvalid("ledger.dsn: not an address of a Postgres database.") from None


@contextmanager
def translated(doing: str) -> Iterator[None]:
    """Turn what asyncpg and the system raise into the hub's faults; `doing` begins their sentence.

    Raises:
        Unavailable: it may be otherwise in a moment; a command's outcome is unknown.
        ServerRefused: somebody has to do something about it.
    """
    try:
        yield
    except asyncpg.PostgresError as error:
        sentence = f"{doing}: {type(error).__name__} ({error.sqlstate})."
        if (error.sqlstate or "08")[:2] in _PASSING_CLASSES:
            raise Unavailable(sentence) from error
        raise ServerRefused(sentence) from error
    except (OSError, TimeoutError, asyncpg.InterfaceError, asyncpg.InternalClientError) as error:
        raise Unavailable(f"{doing}: {type(error).__name__}.") from error


async def close(connection: asyncpg.Connection) -> None:
    """Say goodbye to the server, for a moment at most."""
    try:
        await connection.close(timeout=_GOODBYE_SECONDS)
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
        connection.terminate()


class Link:
    """One dedicated connection, made when first used and made again after a fault. For one user at a time."""

    def __init__(
        self, dsn: str, role: str, *, command_seconds: float = COMMAND_SECONDS, only_adds: bool = False
    ) -> None:
        self._dsn = dsn
        self._role = role
        self._command_seconds = command_seconds
        # Whether it works without the rights to change or remove what was written.
        self._only_adds = only_adds
        self._connection: asyncpg.Connection | None = None

    @asynccontextmanager
    async def use(self, doing: str) -> AsyncIterator[asyncpg.Connection]:
        """The connection, for some commands; `doing` begins the sentence of a fault.

        Raises:
            Unavailable, ServerRefused, SettingsInvalid: as `connect` and `translated`.
        """
        if self._connection is None or self._connection.is_closed():
            self._connection = await self._connect()
        try:
            with translated(doing):
                yield self._connection
        except BaseException:
            # Also when cancelled: an answer on its way would be taken for the next question's.
            self._connection.terminate()
            self._connection = None
            raise

    async def _connect(self) -> asyncpg.Connection:
        connection = await connect(self._dsn, self._role, command_seconds=self._command_seconds)
        if self._only_adds:
            try:
                with translated("The ledger's rights cannot be given up"):
                    await become_writer(connection)
            except BaseException:
                connection.terminate()
                raise
        return connection

    async def aclose(self) -> None:
        """Close the connection, if there is one."""
        if self._connection is not None:
            connection, self._connection = self._connection, None
            await close(connection)
