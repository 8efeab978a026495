"""Over https: who is trusted, and that the name is verified although the address it leads to was looked up before."""

import asyncio
import json
import ssl
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from hub.domain.hook_addresses import networks_of
from hub.hooks.posting import Poster
from tests.hooks.certificates import Authority
from tests.hooks.receiving import Receiver, receiving
from tests.hooks.test_reaching import leads_to

NOT_VALID = "its certificate is not valid"
# The receiver takes no message without a signature: it was reached.
REACHED = [500, "it answers 500"]


class Shop:
    """A receiver behind a certificate for `oms.example`, and the names that it was asked for."""

    def __init__(self, receiver: Receiver, asked: list[str | None]) -> None:
        self.receiver = receiver
        self.asked = asked
        self._port = int(receiver.url.rpartition("/")[0].rpartition(":")[2])

    def at(self, name: str) -> str:
        return f"https://{name}:{self._port}/hook"


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@asynccontextmanager
async def opened(context: ssl.SSLContext) -> AsyncIterator[Shop]:
    asked: list[str | None] = []
    context.sni_callback = lambda wire, name, context: asked.append(name)
    async with receiving(ssl_context=context) as receiver:
        yield Shop(receiver, asked)


async def posted(environ: Mapping[str, str], *urls: str) -> list[Any]:
    """What became of one message to each address, from a process with this environment."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.hooks.post_apart", *urls),
        cwd=Path(__file__).parents[2],
        env={"PATH": "/usr/bin:/bin", **environ},
        stdout=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(30):
        out, _ = await process.communicate()
    assert process.returncode == 0
    return [json.loads(line) for line in out.splitlines()]


async def test_whom_the_environment_trusts_is_reached_under_its_name_and_under_no_other(authority: Authority) -> None:
    async with opened(authority.server("oms.example")) as shop:
        attempts = await posted(
            {"SSL_CERT_FILE": str(authority.file)}, shop.at("oms.example"), shop.at("erp.example"), shop.at("127.0.0.1")
        )

    assert attempts == [REACHED, [0, NOT_VALID], [0, NOT_VALID]]
    # An address is no name to ask for.
    assert shop.asked == ["oms.example", "erp.example", None]
    assert not shop.receiver.got


async def test_who_is_vouched_for_by_nobody_known_is_not_told_anything(authority: Authority) -> None:
    async with opened(authority.server("oms.example")) as shop:
        [apart] = await posted({}, shop.at("oms.example"))
        poster = Poster(shop.at("oms.example"), networks_of(("127.0.0.1/32",)), leads_to(["127.0.0.1"]))
        here = await poster.post({"webhook-id": "1"}, b"{}", 0.0)
        await poster.aclose()

    assert apart == [here.status, here.problem] == [0, NOT_VALID]
    assert not shop.receiver.got


async def test_a_certificate_for_the_address_itself_is_enough_where_that_stands_in_the_file(
    authority: Authority,
) -> None:
    async with opened(authority.server("127.0.0.1")) as shop:
        attempts = await posted({"SSL_CERT_FILE": str(authority.file)}, shop.at("127.0.0.1"), shop.at("oms.example"))

    assert attempts == [REACHED, [0, NOT_VALID]]
