"""What a command asks a running hub over its HTTP door, in its own name and with a token of its own."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from time import time
from typing import TypeVar

import aiohttp
import msgspec

from hub.commands.token import make_token
from hub.faults import Fault, SettingsInvalid, Unavailable
from hub.settings import KEYS_ONLY, load

# To try again what waits, a thousand of it, may take as long.
ANSWER_SECONDS_MAX = 600.0
# The command's own token: for as long as it may take.
_TTL = "20m"

T = TypeVar("T")


class _Refusal(msgspec.Struct, frozen=True):
    detail: str = ""


_decode_refusal = msgspec.json.Decoder(_Refusal).decode


class Door:
    """The HTTP door of a running hub."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self._url = url

    async def ask(
        self,
        decoder: msgspec.json.Decoder[T],
        method: str,
        path: str,
        params: Mapping[str, str] | None = None,
        *,
        body: object = None,
    ) -> T:
        """Ask once; a body is sent as JSON.

        Raises:
            SettingsInvalid: there can be no such address.
            Unavailable: no hub answers there, or it takes too long.
            Fault: it refuses, or answers what no hub does.
        """
        url = f"{self._url}{path}"
        data = None if body is None else msgspec.json.encode(body)
        try:
            async with self._session.request(method, url, params=params, data=data, allow_redirects=False) as response:
                told = await response.read()
        except TimeoutError as error:
            raise Unavailable(f"{url} takes too long to answer; run the same command again") from error
        except (aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError) as error:
            raise SettingsInvalid(f"{url} is not an address") from error
        except (aiohttp.ClientError, OSError) as error:
            raise Unavailable(f"no hub answers at {url}: {str(error) or type(error).__name__}") from error
        if response.status != 200:
            raise Fault(f"{url} answers {response.status}: {_detail(told)}")
        try:
            return decoder.decode(told)
        except msgspec.MsgspecError as error:
            raise Fault(f"{url} answers what no hub does") from error


@asynccontextmanager
async def door_of(
    config: Path | None,
    environ: Mapping[str, str],
    url: str | None,
    *,
    sub: str,
    answer_seconds_max: float = ANSWER_SECONDS_MAX,
) -> AsyncIterator[Door]:
    """The door of the configured hub, or of the one at a URL, for a caller with the scope `admin`.

    Raises:
        SettingsInvalid: the file is wrong, or tells of no key to make a token with.
    """
    settings = load(config, environ, needed=KEYS_ONLY)
    token = make_token(settings, sub=sub, source=None, scope=("admin",), pool=(), location=(), ttl=_TTL, now=time())
    timeout = aiohttp.ClientTimeout(total=answer_seconds_max)
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {token}"}, timeout=timeout) as session:
        yield Door(session, (url or f"http://{settings.hub.http}").rstrip("/"))


def _detail(body: bytes) -> str:
    try:
        return _decode_refusal(body).detail
    except msgspec.MsgspecError:
        return "this is not a hub's answer"
