"""Clients of Redis for what may not be done twice: bounded in number and time, and never repeated by themselves."""

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from hub.stock.server_run import ServerRun

# Of one client; Redis answers in turn anyway.
CONNECTIONS_MAX = 16
_CONNECT_SECONDS = 2.0


def client_of(url: str, timeout_seconds: float, run: ServerRun | None) -> Redis:
    """A client whose connections are held to a run of the server, if one is given; close it."""
    pool = BlockingConnectionPool.from_url(
        url,
        # Reads beyond so many at once wait for a connection; the usual pool would refuse them.
        max_connections=CONNECTIONS_MAX,
        timeout=timeout_seconds,
        socket_timeout=timeout_seconds,
        socket_connect_timeout=_CONNECT_SECONDS,
        # A retry by the client would sell twice: after a timeout the script may have run.
        retry=Retry(NoBackoff(), 0),
        redis_connect_func=None if run is None else run.check,
    )
    return Redis.from_pool(pool)
