"""Load the Lua scripts and call them by hash.

One `.lua` file holds one job; the kernel's files are joined in a fixed order into one script. Both scripts begin
with `#!lua`, so that Redis refuses to start them when it is out of memory, instead of failing half way.
"""

import hashlib
from importlib.resources import files

from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoScriptError, RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError

from hub.faults import Unavailable

KERNEL = (
    "numbers",
    "position",
    "view",
    "state",
    "dedupe",
    "records",
    "keeping",
    "whole",
    "offers",
    "placing",
    "holds",
    "indexing",
    "held",
    "asking",
    "account",
    "standing",
    "settling",
    "expected",
    "serials",
    "named",
    "facts",
    "naming",
    "bringing",
    "moved",
    "transit",
    "in_transit",
    "travelling",
    "early",
    "transfers",
    "voids",
    "early_voids",
    "counts",
    "taking_over",
    "ordering",
    "applying",
    "verbs",
    "requests",
    "refresh",
    "describe",
    "lapsing",
    "packing",
    "telling",
    "kernel",
)
OPEN = ("open",)


class Script:
    """One script, joined from its files; safe to call after Redis forgot it."""

    def __init__(self, parts: tuple[str, ...]) -> None:
        folder = files("hub.stock").joinpath("lua")
        texts = [folder.joinpath(f"{part}.lua").read_text("utf-8") for part in parts]
        self.text = "#!lua\n" + "\n".join(texts)
        self.sha = hashlib.sha1(self.text.encode(), usedforsecurity=False).hexdigest()

    async def call(self, client: Redis, keys: list[str], *args: bytes | str | int) -> object:
        """Run the script once.

        The client must not retry by itself: after a timeout the script may have run, and only the caller knows
        whether it may be sent again.

        Raises:
            Unavailable: Redis did not answer or refused; whether the script ran is unknown.
        """
        try:
            try:
                return await client.evalsha(self.sha, len(keys), *keys, *args)
            except NoScriptError:  # nothing ran: Redis was restarted, replaced or flushed
                await client.script_load(self.text)
                return await client.evalsha(self.sha, len(keys), *keys, *args)
        except (RedisConnectionError, RedisTimeoutError) as error:
            raise Unavailable("Redis did not answer in time or the connection broke") from error
        except RedisError as error:
            raise Unavailable(f"Redis refused the script: {error}") from error
