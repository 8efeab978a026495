"""Requests over HTTP that are asked until they are answered.

Everything a client asks may be asked again: events and reservations are known by their ids, the rest only reads. So a
503, a dropped connection and a timeout all mean *unknown*, and the same goes again after a jittered pause.
"""

import asyncio
import random
from collections.abc import AsyncGenerator, Mapping, Sequence
from datetime import UTC, datetime
from time import monotonic
from typing import Any, Final, TypeVar

import aiohttp
import msgspec
from msgspec import Struct

from protocol.clients.bearer import Bearer
from protocol.clients.faults import NotAHub, RequestRefused, TokenRefused, Unanswered
from protocol.clients.patience import Patience, is_unknown, retry_after
from protocol.limits import BODY_BYTES_MAX
from protocol.problems import Problem

T = TypeVar("T")

_STREAM_TYPE: Final = "text/event-stream"
# 1,000 answers of 100 lines each, with what a few pools show for every line.
_ANSWER_BYTES_MAX: Final = 64 * BODY_BYTES_MAX


class Reply(Struct, frozen=True):
    """An answer whose status says that it is one."""

    status: int
    content: bytes

    def read(self, decoder: msgspec.json.Decoder[T]) -> T:
        """What the content says.

        Raises:
            NotAHub: it is nothing a hub says.
        """
        try:
            return decoder.decode(self.content)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise NotAHub(f"The answer ({self.status}) is none of a hub: {error}") from error

    def problem(self) -> Problem:
        """What was refused, and why. Raises NotAHub where it does not say."""
        return self.read(_PROBLEM)

    def check(self, *statuses: int) -> "Reply":
        """Make sure that the request was taken.

        Raises:
            RequestRefused: the status is none of these.
            NotAHub: and it does not say why.
        """
        if self.status not in statuses:
            raise RequestRefused(self.problem())
        return self


_PROBLEM: Final = msgspec.json.Decoder(Problem)


class _Unknown(Struct, frozen=True):
    """A try that tells nothing."""

    reason: str
    retry_after_seconds: float = 0.0


class Exchange:
    """The HTTP door of one hub. Call `open` before and `close` after."""

    def __init__(self, url: str, bearer: Bearer, patience: Patience) -> None:
        self._url = url.rstrip("/")
        self._bearer = bearer
        self._patience = patience
        self._session: aiohttp.ClientSession | None = None

    async def open(self) -> None:
        """Be ready to ask; nothing is connected before the first question."""
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=self._patience.try_seconds))

    async def close(self) -> None:
        """Close all connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def ask(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        *,
        params: Sequence[tuple[str, str]] = (),
        is_stamped: bool = False,
    ) -> Reply:
        """Ask until there is an answer; a stamped request says by this machine's clock when each try was sent.

        Raises:
            Unanswered: no answer within `asking_seconds`.
            TokenRefused: neither the token nor a new one is accepted.
            NotAHub: a redirection, or too long an answer.
        """
        ends = monotonic() + self._patience.asking_seconds
        tries, is_renewed = 0, False
        while True:
            token = await self._bearer.token()
            told = await self._try(method, path, body, params, _headers(token, body, is_stamped))
            if isinstance(told, Reply):
                if told.status != 401:
                    return told
                if is_renewed or token is None:
                    raise TokenRefused(f"The hub does not accept the token: {told.problem().detail}")
                await self._bearer.renew(token)
                is_renewed = True
                continue
            pause = self._patience.pause(tries, random.random(), told.retry_after_seconds)
            if monotonic() + pause > ends:
                reason = f"{method} {path} has no answer, send the same again later: {told.reason}"
                raise Unanswered(reason, told.retry_after_seconds)
            await asyncio.sleep(pause)
            tries += 1

    async def listen(
        self, path: str, *, params: Sequence[tuple[str, str]], headers: Mapping[str, str]
    ) -> AsyncGenerator[Reply | bytes]:
        """Ask once for a stream of events: what comes of it, until it ends in order, or the one reply that refuses it.

        Raises:
            Unanswered: there is none now, it broke, or was silent for too long; so too where the token is not accepted
                any more, which the next question that is asked settles.
            NotAHub: a redirection, or another answer than a stream.
        """
        asked = {**headers, **_headers(await self._bearer.token(), None, is_stamped=False)}
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=self._patience.try_seconds)
        try:
            async with asyncio.timeout(self._patience.try_seconds):
                response = await self._opened().get(
                    self._url + path, params=params, headers=asked, timeout=timeout, allow_redirects=False
                )
            async with response:
                if response.status != 200:
                    yield await self._refusal(response)
                    return
                if response.content_type != _STREAM_TYPE:
                    raise NotAHub(f"{self._url}{path} answers with no stream, but {response.content_type}.")
                while piece := await self._piece(response):
                    yield piece
        except TimeoutError as error:
            raise Unanswered("The hub says nothing.") from error
        except (aiohttp.ClientError, OSError) as error:
            raise Unanswered(str(error) or type(error).__name__) from error

    async def _refusal(self, response: aiohttp.ClientResponse) -> Reply:
        """Why there is no stream. Raises Unanswered where there may be one later, or with another token."""
        async with asyncio.timeout(self._patience.try_seconds):
            told = self._told(response, await _read(response))
        if isinstance(told, _Unknown):
            raise Unanswered(told.reason, told.retry_after_seconds)
        if told.status == 401:
            raise Unanswered("The hub does not accept the token any more.")
        return told

    async def _piece(self, response: aiohttp.ClientResponse) -> bytes:
        """What comes next, soon; nothing at the end."""
        async with asyncio.timeout(self._patience.silence_seconds):
            return await response.content.readany()

    async def _try(
        self,
        method: str,
        path: str,
        body: bytes | None,
        params: Sequence[tuple[str, str]],
        headers: Mapping[str, str],
    ) -> Reply | _Unknown:
        asked: dict[str, Any] = {"params": params, "data": body, "headers": headers, "allow_redirects": False}
        try:
            async with self._opened().request(method, self._url + path, **asked) as response:
                return self._told(response, await _read(response))
        except TimeoutError:
            return _Unknown("the hub takes too long")
        except aiohttp.InvalidURL as error:
            raise NotAHub(f"{self._url} is no address.") from error
        except (aiohttp.ClientError, OSError) as error:
            return _Unknown(str(error) or type(error).__name__)

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            raise RuntimeError("A HubClient is used inside `async with`.")
        return self._session

    def _told(self, response: aiohttp.ClientResponse, content: bytes) -> Reply | _Unknown:
        """What the status makes of an answer."""
        if is_unknown(response.status):
            return _Unknown(f"the hub answers {response.status}", retry_after(response.headers.get("Retry-After")))
        if 300 <= response.status < 400:
            raise NotAHub(f"{self._url} leads elsewhere ({response.status}); a token goes nowhere else by itself.")
        return Reply(response.status, content)


def _headers(token: str | None, body: bytes | None, is_stamped: bool) -> dict[str, str]:
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    if body is not None:
        headers["Content-Type"] = "application/json"
    if is_stamped:
        headers["Hub-Sent-At"] = datetime.now(UTC).isoformat()
    return headers


async def _read(response: aiohttp.ClientResponse) -> bytes:
    content = bytearray()
    async for chunk in response.content.iter_any():
        content += chunk
        if len(content) > _ANSWER_BYTES_MAX:
            raise NotAHub(f"An answer of over {_ANSWER_BYTES_MAX:,} bytes came.")
    return bytes(content)
