"""What the hub asks of a Redis before it trusts it with stock.

Every acknowledged booking must be on disk and nothing may ever be evicted; the check refuses a server that promises
less, at start, in one sentence.
"""

from typing import Any

from redis.asyncio import Redis
from redis.exceptions import AuthenticationError, NoPermissionError, RedisError, ResponseError
from redis.exceptions import ConnectionError as NotConnected
from redis.exceptions import TimeoutError as TimedOut

from hub.faults import ServerRefused, Unavailable

# The oldest versions the hub works with.
FLOORS: dict[str, tuple[int, ...]] = {"Redis": (7, 0), "Valkey": (7, 2)}

# setting: (the value it must have, what goes wrong otherwise)
_SETTINGS = {
    "maxmemory-policy": ("noeviction", "with any other policy it may silently drop stock"),
    "appendonly": ("yes", "without the append-only file a restart loses acknowledged sales"),
    "appendfsync": ("always", "with anything else a crash loses acknowledged sales"),
    "no-appendfsync-on-rewrite": ("no", "otherwise a crash during a rewrite loses acknowledged sales"),
}


async def check_redis(client: Redis) -> str:
    """Return what the server is, such as "Valkey 9.1.2", if it is fit for use.

    Raises:
        ServerRefused: its version, role, mode or a setting is not fit, or it does not let the hub look.
        Unavailable: it does not answer.
    """
    try:
        about: dict[str, Any] = await _info(client)
        title = _check_version(about)
        _check_role(title, about)
        await _check_settings(title, client)
        await _check_functions(title, client)
    except (NotConnected, TimedOut, OSError) as error:
        # redis-py wraps what a server says to a login in the error of a lost connection.
        if isinstance(error, AuthenticationError) or isinstance(error.__cause__, AuthenticationError):
            raise ServerRefused("Redis asks for a user name and password, and refuses those in its url") from error
        raise Unavailable(f"Redis does not answer: {error}") from error
    except RedisError as error:
        raise ServerRefused(f"Redis cannot be checked: {error}") from error
    return title


async def _info(client: Redis) -> dict[str, Any]:
    try:
        about: dict[str, Any] = await client.info()
    except NoPermissionError as error:
        raise ServerRefused("Redis does not let the hub read INFO: grant its user `+info +config|get`") from error
    return about


def _check_version(about: dict[str, Any]) -> str:
    # Valkey also reports the Redis version it is compatible with, so its own comes first.
    name = "Valkey" if "valkey_version" in about else "Redis"
    version = str(about.get("valkey_version") or about.get("redis_version", "0"))
    floor = FLOORS[name]
    numbers = tuple(int(number) for number in version.split(".")[:2] if number.isdigit())
    if numbers < floor:
        raise ServerRefused(f"{name} {version} is too old: the hub needs Redis 7.0 or Valkey 7.2, or newer")
    return f"{name} {version}"


def _check_role(title: str, about: dict[str, Any]) -> None:
    # Newer Valkeys call it server_mode.
    mode = about.get("server_mode") or about.get("redis_mode")
    if mode != "standalone":
        raise ServerRefused(f"{title} runs in mode {mode}: the hub needs a single server so far")
    if about.get("role") != "master":
        raise ServerRefused(f"{title} is a replica: the hub must write to the primary")


async def _check_settings(title: str, client: Redis) -> None:
    try:
        values = await client.config_get(*_SETTINGS)
    except NoPermissionError as error:
        raise ServerRefused(f"{title} does not let the hub read its settings: grant its user `+config|get`") from error
    except ResponseError as error:
        raise ServerRefused(
            f"{title} does not answer CONFIG GET, so its durability cannot be checked: allow `CONFIG GET`"
        ) from error
    settings = {_text(name): _text(value) for name, value in values.items()}
    for name, (needed, otherwise) in _SETTINGS.items():
        if (found := settings.get(name)) != needed:
            raise ServerRefused(f"{title} has {name} {found!r}, the hub needs {needed!r}: {otherwise}")


async def _check_functions(title: str, client: Redis) -> None:
    """The kernel is a function: its user must be allowed to load and call one."""
    try:
        await client.function_list("hub")
        await client.fcall("hub", 0)
    except NoPermissionError as error:
        raise ServerRefused(f"{title} does not let the hub use functions: grant its user `+function +fcall`") from error
    except ResponseError as error:
        if "Function not found" not in str(error):
            raise


def _text(value: bytes | str | None) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
