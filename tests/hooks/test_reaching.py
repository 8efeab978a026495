"""Where hooks may reach, as their sockets are made: names that lead inside, now or a moment later."""

import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import pytest

from hub.domain.hook_addresses import networks_of
from hub.domain.hooks import Attempt, Verdict
from hub.hooks.posting import Poster
from hub.hooks.resolving import AddressRefused, Resolving, look_up
from tests.domain.test_hook_addresses import INNER
from tests.hooks.receiving import Receiver

REFUSED = "its name leads to an address that hooks may not reach"
HEADERS = {"webhook-id": "1"}
LookUp = Callable[[str, int], Awaitable[list[str]]]
Post = Callable[[], Awaitable[Attempt]]


def leads_to(*answers: Iterable[str]) -> LookUp:
    """A name that leads elsewhere each time it is asked for; at last it stays."""
    turns: Iterator[Iterable[str]] = iter(answers)
    last: Iterable[str] = answers[-1]

    async def answer(host: str, port: int) -> list[str]:
        return list(next(turns, last))

    return answer


@asynccontextmanager
async def posting(
    url: str, *allowed: str, look_up: LookUp = look_up
) -> AsyncIterator[Callable[[], Awaitable[Attempt]]]:
    poster = Poster(url, networks_of(allowed), look_up)
    yield lambda: poster.post(HEADERS, b"{}", 0.0)
    await poster.aclose()


def named(receiver: Receiver, host: str) -> str:
    return f"http://{host}:{urlsplit(receiver.url).port}/hook"


@pytest.mark.parametrize("address", INNER)
async def test_a_name_that_leads_inside_is_refused(address: str) -> None:
    resolving = Resolving("https", (), leads_to([address]))

    with pytest.raises(AddressRefused):
        await resolving.resolve("oms.example", 443)


async def test_one_inner_address_among_others_is_enough() -> None:
    resolving = Resolving("https", (), leads_to(["8.8.8.8", "2606:4700::1111", "10.0.0.1"]))

    with pytest.raises(AddressRefused):
        await resolving.resolve("oms.example", 443)


async def test_what_is_connected_to_is_what_was_judged() -> None:
    resolving = Resolving("https", (), leads_to(["8.8.8.8", "8.8.8.8"], ["127.0.0.1"]))

    [found] = await resolving.resolve("oms.example", 443)

    assert (found["host"], found["flags"] & socket.AI_NUMERICHOST) == ("8.8.8.8", socket.AI_NUMERICHOST)
    with pytest.raises(AddressRefused):
        await resolving.resolve("oms.example", 443)


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "169.254.169.254", "not an address"])
def test_no_socket_is_made_for_an_inner_address_whoever_found_it(address: str) -> None:
    resolving = Resolving("https", ())
    family = socket.AF_INET6 if ":" in address else socket.AF_INET

    with pytest.raises(AddressRefused):
        resolving.make_socket((family, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (address, 443)))


async def test_a_name_that_leads_inside_only_at_the_second_look_is_refused_then(receiver: Receiver) -> None:
    # 127.0.0.1 stands for the open network; the receiver closes the connection, so that the next message needs another.
    answers = leads_to(["127.0.0.1"], ["127.0.0.2"])
    async with posting(named(receiver, "oms.example"), "127.0.0.1/32", look_up=answers) as post:
        first = await post()
        second = await post()

    assert first.status == 500, "it was reached, and took no message without a signature"
    assert second.problem == REFUSED


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.1", "2130706433", "0x7f.1", "[::1]", "0.0.0.0"])
async def test_this_machine_is_not_reached_under_any_name(receiver: Receiver, host: str) -> None:
    async with posting(named(receiver, host)) as post:
        attempt = await post()

    assert (attempt.verdict, attempt.status) == (Verdict.FAILED, 0)
    assert attempt.problem in {REFUSED, "InvalidUrlClientError"}
    assert not receiver.got


async def test_http_reaches_nothing_but_what_is_named() -> None:
    async with posting("http://oms.example/hook", look_up=leads_to(["8.8.8.8"])) as post:
        assert (await post()).problem == REFUSED


async def test_proxies_of_the_environment_are_not_used(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    async with posting(receiver.url, "127.0.0.1/32") as post:
        assert (await post()).status == 500


async def test_a_name_that_leads_nowhere_is_told_without_the_address() -> None:
    async with posting("https://no-such-host.invalid/hook?token=1") as post:
        assert (await post()).problem == "its name leads nowhere"
