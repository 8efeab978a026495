"""Load the Lua and call it by hash: the kernel as a library of functions, the opening as a script.

One `.lua` file holds one job; the kernel's files are joined in a fixed order. A library's functions are defined when it
is loaded, a script's at each call. Both begin with `#!lua`, so that Redis refuses to start them when it is out of
memory, instead of failing half way.
"""

import hashlib
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager
from importlib.resources import files

from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoScriptError, RedisError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

from hub.crashpoints import crash
from hub.faults import Unavailable

KERNEL = (
    "calling",
    "numbers",
    "position",
    "view",
    "state",
    "dedupe",
    "records",
    "keeping",
    "whole",
    "expected",
    "promising",
    "offers",
    "placing",
    "holds",
    "owners",
    "promises",
    "indexing",
    "held",
    "showing",
    "replacing",
    "asking",
    "account",
    "standing",
    "redeeming",
    "settling",
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
    "reversing",
    "counts",
    "taking_over",
    "ordering",
    "applying",
    "verbs",
    "renewing",
    "requests",
    "refresh",
    "describe",
    "lapsing",
    "repairing",
    "packing",
    "telling",
    "kernel",
)
OPEN = ("open",)
ALLOWANCE = ("allowance",)


# What the names of the kernel's libraries begin with; the hash of the library comes behind it.
LIBRARY_PREFIX = "hub_kernel_"


class Script:
    """One script, joined from its files; safe to call after Redis forgot it."""

    def __init__(self, parts: tuple[str, ...]) -> None:
        self.text = "#!lua\n" + _joined(parts)
        self.sha = _hash(self.text)

    async def call(self, client: Redis, keys: list[str], *args: bytes | str | int) -> object:
        """Run the script once.

        The client must not retry by itself: after a timeout the script may have run, and only the caller knows
        whether it may be sent again.

        Raises:
            Unavailable: Redis did not answer or refused; whether the script ran is unknown.
        """
        with _refusals():
            try:
                return await client.evalsha(self.sha, len(keys), *keys, *args)
            except NoScriptError:  # nothing ran: Redis was restarted, replaced or flushed
                await client.script_load(self.text)
                return await client.evalsha(self.sha, len(keys), *keys, *args)


class Library:
    """The kernel's files as one library with one function, both named by its hash; safe to call before it is there.

    So several versions of the hub may work on one Redis, each with a library of its own.
    """

    def __init__(self, parts: tuple[str, ...]) -> None:
        body = _joined(parts)
        self.name = LIBRARY_PREFIX + _hash(body)
        self.text = f"#!lua name={self.name}\n{body}\nredis.register_function('{self.name}', kernel)\n"

    async def call(self, client: Redis, keys: list[str], *args: bytes | str | int) -> object:
        """Run the function once.

        The client must not retry by itself, as for a script.

        Raises:
            Unavailable: Redis did not answer or refused; whether the function ran is unknown.
        """
        with _refusals():
            try:
                return await client.fcall(self.name, len(keys), *keys, *args)
            except ResponseError as error:
                if "Function not found" not in str(error):
                    raise
            # Nothing ran: Redis was replaced or flushed, or another version of the hub was opened.
            await self._load(client)
            return await client.fcall(self.name, len(keys), *keys, *args)

    async def install(self, client: Redis) -> None:
        """Load the library, and remove those that other versions of the hub left.

        Unlike a script a library stays for ever, on disk too, so each version would leave one. A version that still
        runs loads its own again at its next call; no call is cut short, for Redis does one thing at a time.

        Raises:
            Unavailable: Redis did not answer or refused.
        """
        with _refusals():
            await self._load(client)
            for name in await _library_names(client):
                if name != self.name:
                    await _unless(client.function_delete(name), "Library not found")

    async def _load(self, client: Redis) -> None:
        await _unless(client.function_load(self.text), "already exists")
        if crash.armed and await crash.at("function loaded"):
            await _unless(client.function_load(self.text), "already exists")


def _joined(parts: tuple[str, ...]) -> str:
    folder = files("hub.stock").joinpath("lua")
    return "\n".join(folder.joinpath(f"{part}.lua").read_text("utf-8") for part in parts)


def _hash(text: str) -> str:
    return hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


async def _library_names(client: Redis) -> list[str]:
    names = []
    for library in await client.function_list(f"{LIBRARY_PREFIX}*"):
        # A list or a mapping, by the version of the protocol.
        about = library if isinstance(library, dict) else dict(zip(library[::2], library[1::2], strict=True))
        name = about.get(b"library_name") or about["library_name"]
        names.append(name.decode() if isinstance(name, bytes) else str(name))
    return names


async def _unless(done: Awaitable[object], harmless: str) -> None:
    """Wait for it; that another process did the same a moment before is no fault."""
    try:
        await done
    except ResponseError as error:
        if harmless not in str(error):
            raise


@contextmanager
def _refusals() -> Iterator[None]:
    try:
        yield
    except (RedisConnectionError, RedisTimeoutError) as error:
        raise Unavailable("Redis did not answer in time or the connection broke") from error
    except RedisError as error:
        raise Unavailable(f"Redis refused the script: {error}") from error
