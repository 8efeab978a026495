"""One array through `POST /v1/events` until every event of it has an answer.

Rules:
- No answer means *unknown*: the same events go again, after growing, jittered pauses or Retry-After.
- What another try cannot mend (a wrong token, no such door) is a fault at once.
- Patience is bounded: when no answer at all comes for `patience_seconds`, it is a fault too.
"""

import asyncio
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import aiohttp

from hub.faults import Fault, Unavailable
from hub.replay.answers import Answer, can_be_asked_again, decode_answers, refusal
from hub.replay.pace import Outgoing
from protocol.limits import BODY_BYTES_MAX

REQUEST_SECONDS_MAX = 30.0
# Nobody was ever there: most likely a wrong address, so it is said soon.
FIRST_ANSWER_SECONDS_MAX = 10.0
# 1,000 answers of 100 lines each, with what a few pools show for every line.
_ANSWER_BYTES_MAX = 64 * BODY_BYTES_MAX
_PAUSE_SECONDS_FIRST = 0.1
_PAUSE_SECONDS_MAX = 5.0
_RETRY_AFTER_SECONDS_MAX = 30.0


@dataclass(frozen=True, slots=True)
class _NoAnswer:
    """A try that left the outcome unknown."""

    reason: str
    retry_after_seconds: float = 0.0


class Sender:
    """Delivers arrays over one session; `retries` counts the requests that were repeated."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        url: str,
        *,
        token: str,
        patience_seconds: float,
        waiting: Callable[[str], None],
    ) -> None:
        self.retries = 0
        self._session = session
        self._url = url.rstrip("/") + "/v1/events"
        self._headers = {"Content-Type": "application/json"}
        if token:
            self._headers["Authorization"] = f"Bearer {token}"
        self._patience_seconds = patience_seconds
        self._waiting = waiting
        self._answered_at: float | None = None

    async def deliver(self, items: Sequence[Outgoing]) -> list[Answer]:
        """Send the events, in order, until all are answered; answers stand in the events' order.

        Raises:
            SettingsInvalid: the door refuses the token, the address or the array as a whole.
            Unavailable: patience ran out; what was sent last may be booked or not.
            Fault: the answer is none that a hub gives.
        """
        loop = asyncio.get_running_loop()
        started_at = loop.time()
        answers: dict[int, Answer] = {}
        missing = list(range(len(items)))
        tries = 0
        while True:
            received = await self._post([items[index] for index in missing])
            if not isinstance(received, _NoAnswer):
                answered = [pair for pair in zip(missing, received, strict=True) if not pair[1].is_unknown]
                answers.update(answered)
                missing = [index for index in missing if index not in answers]
                if answered:
                    tries, self._answered_at = 0, loop.time()
                received = _NoAnswer("the hub could not book all of an array")
            if not missing:
                return [answers[index] for index in range(len(items))]
            tries += 1
            await self._pause(received, tries=tries, started_at=started_at)

    async def _post(self, items: Sequence[Outgoing]) -> list[Answer] | _NoAnswer:
        """Try once. Raises SettingsInvalid and Fault as `deliver`."""
        body = b"[" + b",".join(item.body for item in items) + b"]"
        try:
            async with self._session.post(
                self._url, data=body, headers=self._headers, allow_redirects=False
            ) as response:
                content = await _read(response)
        except TimeoutError:
            return _NoAnswer("the hub takes too long to answer")
        except (aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError) as error:
            raise Fault(f"{self._url} is not an address") from error
        except (aiohttp.ClientError, OSError) as error:
            return _NoAnswer(str(error) or type(error).__name__)
        if can_be_asked_again(response.status):
            return _NoAnswer(f"the hub answers {response.status}", _retry_after_seconds(response))
        if response.status not in (200, 202):
            raise refusal(response.status, content)
        return decode_answers(content, len(items))

    async def _pause(self, no_answer: _NoAnswer, *, tries: int, started_at: float) -> None:
        """Wait before the next try. Raises Unavailable when patience is over."""
        now = asyncio.get_running_loop().time()
        patience = self._patience_seconds
        if self._answered_at is None:
            patience = min(patience, FIRST_ANSWER_SECONDS_MAX)
        left = max(started_at, self._answered_at or 0.0) + patience - now
        if left <= 0:
            raise Unavailable(
                f"{self._url} gave no answer for {patience:.0f} s ({no_answer.reason}); "
                "run the same command again when it is back: nothing is booked twice"
            )
        self.retries += 1
        self._waiting(no_answer.reason)
        pause = min(_PAUSE_SECONDS_MAX, _PAUSE_SECONDS_FIRST * 2 ** min(tries, 16))
        pause = max(pause * random.uniform(0.5, 1.0), no_answer.retry_after_seconds)
        await asyncio.sleep(min(pause, left))


async def _read(response: aiohttp.ClientResponse) -> bytes:
    """Read a body whole, up to a limit. Raises Fault beyond it."""
    content = bytearray()
    async for chunk in response.content.iter_any():
        content += chunk
        if len(content) > _ANSWER_BYTES_MAX:
            raise Fault(f"an answer of over {_ANSWER_BYTES_MAX:,} bytes came: is this a hub?")
    return bytes(content)


def _retry_after_seconds(response: aiohttp.ClientResponse) -> float:
    """Read Retry-After in seconds, bounded; its date form and nonsense count as none."""
    text = response.headers.get("Retry-After", "")
    return min(float(text), _RETRY_AFTER_SECONDS_MAX) if text.isascii() and text.isdigit() else 0.0
