"""One attempt: a message posted to a hook's address, and what became of it.

What goes wrong is told without the address, which may hold a token, and without anything that the other side says.
"""

import asyncio
import errno
from collections.abc import Mapping, Sequence
from contextlib import suppress
from urllib.parse import urlsplit

import aiohttp

from hub.domain.hook_addresses import Network
from hub.domain.hooks import PROBLEM_CHARS_MAX, Attempt, Verdict, attempt_of
from hub.hooks.resolving import AddressRefused, LookUp, Resolving, look_up

# From the name to the answer's headers.
ATTEMPT_SECONDS = 15.0
# Attempts to one hook at once.
IN_FLIGHT_MAX = 8
# Of an answer nothing is wanted but its status; what is read makes its connection fit for the next message.
ANSWER_BYTES_MAX = 4 * 1024
ANSWER_SECONDS = 1.0
# A receiver that closes what is idle must not meet the next message just then.
IDLE_SECONDS = 4.0
_WORDS = {errno.ECONNREFUSED: "nobody listens there", errno.EHOSTUNREACH: "there is no way to it"}


class Poster:
    """Posts to one hook; make it in the event loop that uses it, and close it."""

    def __init__(self, url: str, allowed: Sequence[Network], look_up: LookUp = look_up) -> None:
        self._url = url
        self._resolving = resolving = Resolving(urlsplit(url).scheme, allowed, look_up)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=IN_FLIGHT_MAX,
                # A new connection looks anew where its receiver is; most messages need none.
                use_dns_cache=False,
                resolver=resolving,
                socket_factory=resolving.make_socket,
                keepalive_timeout=IDLE_SECONDS,
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            # Answers are thrown away, so a small one must not become a large one.
            auto_decompress=False,
            read_bufsize=ANSWER_BYTES_MAX,
            headers={"Content-Type": "application/json", "User-Agent": "inventory-sync-hub"},
            trust_env=False,
        )

    async def post(self, headers: Mapping[str, str], body: bytes, now: float) -> Attempt:
        """Post once; whatever happens is an attempt. `now` is in seconds since 1970."""
        try:
            async with asyncio.timeout(ATTEMPT_SECONDS):
                response = await self._session.post(
                    self._url, data=body, headers=headers, allow_redirects=False, timeout=aiohttp.ClientTimeout()
                )
        except TimeoutError:
            return _failed(f"it does not answer within {ATTEMPT_SECONDS:.0f} s")
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return _failed(_reason(error))
        try:
            return attempt_of(response.status, response.headers.get("Retry-After"), now)
        finally:
            await _finish(response)

    async def aclose(self) -> None:
        """Close every connection."""
        await self._session.close()
        await self._resolving.close()


async def _finish(response: aiohttp.ClientResponse) -> None:
    """Read a short answer to its end, so that its connection can be used again; cut any other."""
    read = 0
    with suppress(TimeoutError, aiohttp.ClientError, OSError, ValueError):
        async with asyncio.timeout(ANSWER_SECONDS):
            while read <= ANSWER_BYTES_MAX and (piece := await response.content.read(ANSWER_BYTES_MAX)):
                read += len(piece)
    response.close()


def _failed(problem: str) -> Attempt:
    return Attempt(Verdict.FAILED, 0, problem[:PROBLEM_CHARS_MAX])


def _reason(error: BaseException) -> str:
    """Why nothing came back, in words of ours."""
    cause = getattr(error, "os_error", None) or error.__cause__ or error
    if isinstance(cause, AddressRefused) or isinstance(error, AddressRefused):
        return "its name leads to an address that hooks may not reach"
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return "its name leads nowhere"
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return "its certificate is not valid"
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return "it ends the connection without an answer"
    number = getattr(cause, "errno", None)
    return _WORDS.get(number or 0, type(cause).__name__)
