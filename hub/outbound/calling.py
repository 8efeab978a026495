"""One request to a vendor's API, and what was answered; to the address of the API and to nowhere else.

No redirects, no proxies, no cookies, a deadline, and a bound on what is read. Whatever goes wrong is a value, and says
whether the vendor may have heard.
"""

import aiohttp
import msgspec

from adapters.contract import Answer, Need
from adapters.offering import Request
from hub.webhooks import understanding
from hub.webhooks.accounts import Party
from hub.webhooks.fetching import address

# From the name to the answer's last byte.
CALL_SECONDS = 15.0
ANSWER_BYTES_MAX = 4 * 1024 * 1024
REQUEST_BYTES_MAX = 4 * 1024 * 1024
# Requests under way to all vendors.
REQUESTS_MAX = 32


class Unheard(msgspec.Struct, frozen=True):
    """Nothing was answered."""

    why: str
    # The vendor may have heard and done it.
    may_be_done: bool


class Caller:
    """Calls all vendors of one process; close it."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None

    async def call(self, party: Party, request: Request) -> Answer | Unheard:
        """Send once."""
        url = address(party.settings.api_url or "", Need("", request.path)) if party.settings.api_url else None
        if url is None:
            return Unheard(f"{request.path[:100]} is no path of the API", may_be_done=False)
        if len(request.body) > REQUEST_BYTES_MAX:
            return Unheard(f"the request is larger than {REQUEST_BYTES_MAX} bytes", may_be_done=False)
        headers = {"Accept": "application/json", "Content-Type": "application/json", **request.headers}
        headers |= understanding.credentials(party)
        try:
            async with self._opened().request(
                request.method, url, data=request.body, headers=headers, allow_redirects=False
            ) as response:
                body = bytearray()
                async for chunk in response.content.iter_any():
                    body += chunk
                    if len(body) > ANSWER_BYTES_MAX:
                        return Unheard(f"its answer is larger than {ANSWER_BYTES_MAX} bytes", may_be_done=True)
                named = {name.lower(): value for name, value in response.headers.items()}
                return Answer(bytes(body), named, response.status)
        except TimeoutError:
            return Unheard(f"it does not answer within {CALL_SECONDS:g} seconds", may_be_done=True)
        except aiohttp.ClientConnectorError as error:
            return Unheard(f"it cannot be reached: {type(error.os_error).__name__}", may_be_done=False)
        except (aiohttp.ClientError, OSError, ValueError) as error:
            # Without its text, which may quote the address or a header.
            return Unheard(f"the connection failed: {type(error).__name__}", may_be_done=True)

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=REQUESTS_MAX),
                timeout=aiohttp.ClientTimeout(total=CALL_SECONDS),
                cookie_jar=aiohttp.DummyCookieJar(),
                headers={"User-Agent": "inventory-sync-hub"},
                trust_env=False,
            )
        return self._session

    async def aclose(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()
