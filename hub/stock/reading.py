"""Reads beside the kernel: a Redis that does not answer one is a fault of the hub's own kind."""

from collections.abc import Iterator
from contextlib import contextmanager

from redis.exceptions import RedisError

from hub.faults import Unavailable


@contextmanager
def reading() -> Iterator[None]:
    """Read from Redis inside the block.

    Raises:
        Unavailable: Redis did not answer or refused.
    """
    try:
        yield
    except RedisError as error:
        raise Unavailable("Redis did not answer a read") from error
