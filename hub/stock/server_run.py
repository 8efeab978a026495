"""Which run of the Redis server this process works with: after a restart or a failover none of its calls go through.

A Redis that comes back may lack its last entries. Each process would notice that what it was answered is not there, but
one that was answered less would meanwhile give the same numbers to others. So a connection to another run is refused as
soon as it is made, until somebody has looked what the other run has (`hub/recovery/healing.py`).
"""

import re

from redis.asyncio import Redis
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import ConnectionError as NotConnected

from hub.stock.reading import reading

_RUN_ID = re.compile(r"run_id:(\w+)")


class ServerRun:
    """The run that connections are held to; any until `adopt` is called."""

    def __init__(self) -> None:
        self._run_id: str | None = None

    def adopt(self, run_id: str) -> None:
        """Work with this run from now on; empty is a server that does not say, which is never refused."""
        self._run_id = run_id

    def is_other(self, run_id: str) -> bool:
        """Whether this is another run than the one that is worked with."""
        return self._run_id not in (None, run_id)

    async def check(self, connection: AbstractConnection) -> None:
        """For redis-py, which calls it for every new connection.

        Raises:
            ConnectionError: of redis-py: this is another run.
        """
        await connection.on_connect()
        await connection.send_command("INFO", "server")
        if self.is_other(run_id_in(await connection.read_response())):
            raise NotConnected("Redis was started anew or replaced, and it is looked first what it has")


async def run_id_of(client: Redis) -> str:
    """The run of the server that a client talks to now; empty where it does not say.

    Raises:
        Unavailable: Redis did not answer.
    """
    with reading():
        return run_id_in(await client.execute_command("INFO", "server"))  # type: ignore[no-untyped-call]


def run_id_in(told: object) -> str:
    """The run that an answer to INFO is of; empty where it does not say."""
    # redis-py reads the answer of its own calls into a dictionary.
    if isinstance(told, dict):
        return str(told.get("run_id", ""))
    text = told.decode(errors="replace") if isinstance(told, bytes) else str(told)
    found = _RUN_ID.search(text)
    return found[1] if found else ""
