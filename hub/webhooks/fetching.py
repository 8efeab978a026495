"""Fetching what a delivery only points at, from the vendor's API and from nowhere else.

One request: the address of the API and the path that the adapter names; no redirects, no proxies, a deadline, and a
bound on what is read. Whatever goes wrong is a value: a delivery is tried again, or parked.
"""

import asyncio

import aiohttp
import msgspec
from yarl import URL

from adapters.contract import ROUNDS_MAX, Answer, Delivery, Need, Reading
from adapters.hearing import wait_seconds
from hub.faults import Unavailable
from hub.stock.allowances import Allowances
from hub.webhooks import understanding
from hub.webhooks.accounts import Party

FETCH_SECONDS = 15.0
# How long one request waits for its turn where the account may ask only so much.
PATIENCE_SECONDS = 10.0
# Of one answer, and of all that one delivery needs.
ANSWER_BYTES_MAX = 4 * 1024 * 1024
FETCHED_BYTES_MAX = 16 * 1024 * 1024
# Requests to all vendors at once.
REQUESTS_MAX = 16
# Where a vendor says that it is asked too often, and not for how long to wait.
TOO_OFTEN, TOO_OFTEN_SECONDS = 429, 5.0
# These pass by themselves; other refusals do not, as a rule.
_PASSING = frozenset({408, 409, 425, 429})


class Failed(msgspec.Struct, frozen=True):
    """It could not be fetched."""

    why: str
    # Whether it may be otherwise soon.
    passes: bool = True
    # What the vendor asks us to wait, in seconds; 0: nothing.
    retry_after_seconds: float = 0


class Fetcher:
    """Fetches for all sources; close it."""

    def __init__(self, allowances: Allowances, requests_max: int = REQUESTS_MAX) -> None:
        self._allowances = allowances
        self._session: aiohttp.ClientSession | None = None
        self._room = asyncio.Semaphore(requests_max)

    async def read(self, party: Party, delivery: Delivery, first: Reading) -> Reading | Failed:
        """What the delivery says once all is fetched that it needs; `first` is what it says without."""
        reading, fetched, size = first, dict[str, bytes](), 0
        for _ in range(ROUNDS_MAX):
            if not reading.needs:
                return reading
            for need in reading.needs:
                if need.name in fetched:
                    continue
                answer = await self.ask(party, need)
                if isinstance(answer, Failed):
                    return answer
                size += len(answer.body)
                if size > FETCHED_BYTES_MAX:
                    return Failed(f"what it needs is larger than {FETCHED_BYTES_MAX} bytes", passes=False)
                fetched[need.name] = answer.body
            reading = understanding.reading(party, delivery, fetched)
        return Failed(f"it still needs something after {ROUNDS_MAX} rounds", passes=False) if reading.needs else reading

    async def aclose(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()

    async def ask(self, party: Party, need: Need, cost: float = 1.0) -> Answer | Failed:
        """What one request is answered, for so much of the account's allowance.

        Where the vendor asks for patience, all who ask that account heed it.
        """
        source = party.settings.id
        try:
            wait = await self._allowances.turn(source, cost, patience_seconds=PATIENCE_SECONDS)
            if wait > 0:
                return Failed("the vendor wants to be asked more slowly", retry_after_seconds=wait)
            answer = await self._asked(party, need)
            if isinstance(answer, Failed) and answer.retry_after_seconds:
                await self._allowances.rest(source, answer.retry_after_seconds)
        except Unavailable as fault:
            return Failed(str(fault))
        return answer

    async def _asked(self, party: Party, need: Need) -> Answer | Failed:
        if party.settings.api_url is None:
            return Failed("it only points at something, and the source has no `api_url` to fetch it from", passes=False)
        url = address(party.settings.api_url, need)
        if url is None:
            return Failed(f"{need.path[:100]} is no path of the API", passes=False)
        if self._session is None:
            timeout = aiohttp.ClientTimeout(total=FETCH_SECONDS)
            self._session = aiohttp.ClientSession(timeout=timeout, cookie_jar=aiohttp.DummyCookieJar())
        headers = {"Accept": "application/json", **understanding.credentials(party)}
        if need.body is not None:
            headers.setdefault("Content-Type", "application/json")
        method = "GET" if need.body is None else "POST"
        try:
            async with (
                self._room,
                self._session.request(method, url, data=need.body, headers=headers, allow_redirects=False) as response,
            ):
                return await _answer(response, f"{method} {need.path[:100]}")
        except TimeoutError:
            return Failed(f"{method} {need.path[:100]} was not answered within {FETCH_SECONDS:g} seconds")
        except (aiohttp.ClientError, OSError, ValueError) as error:
            # Without its text, which may quote the address or a header.
            return Failed(f"{method} {need.path[:100]} failed: {type(error).__name__}")


def address(api_url: str, need: Need) -> URL | None:
    """The address of what is needed; None where it would lead elsewhere."""
    base = URL(api_url)
    try:
        url = URL(f"{base.origin()}{base.raw_path.rstrip('/')}{need.path}").update_query(dict(need.query))
    except (ValueError, TypeError):
        return None
    within = f"{base.raw_path.rstrip('/')}/"
    is_within = need.path.startswith("/") and url.raw_path.startswith(within)
    return url if is_within and url.origin() == base.origin() else None


async def _answer(response: aiohttp.ClientResponse, asked: str) -> Answer | Failed:
    named = {name.lower(): value for name, value in response.headers.items()}
    # 204 is how some say that there is nothing.
    if response.status in (200, 204):
        body = bytearray()
        async for chunk in response.content.iter_any():
            body += chunk
            if len(body) > ANSWER_BYTES_MAX:
                return Failed(f"{asked} answers more than {ANSWER_BYTES_MAX} bytes", passes=False)
        return Answer(bytes(body), named)
    passes = response.status >= 500 or response.status in _PASSING
    what = "a redirect, which is not followed" if 300 <= response.status < 400 else f"{response.status}"
    wait = wait_seconds(Answer(b"", named)) or (TOO_OFTEN_SECONDS if response.status == TOO_OFTEN else 0)
    return Failed(f"{asked} answers {what}", passes, wait)
