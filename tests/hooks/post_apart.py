"""Posts once to each address given, from a process whose environment says whom it trusts; every name leads to loopback.

Prints one line of JSON for each: the status, 0 where nobody answered, and what went wrong.
"""

import asyncio
import json
import sys

from hub.domain.hook_addresses import networks_of
from hub.hooks.posting import Poster


async def _loopback(host: str, port: int) -> list[str]:
    return ["127.0.0.1"]


async def _main(urls: list[str]) -> None:
    for url in urls:
        poster = Poster(url, networks_of(("127.0.0.1/32",)), _loopback)
        attempt = await poster.post({"webhook-id": "1"}, b"{}", 0.0)
        await poster.aclose()
        sys.stdout.write(f"{json.dumps([attempt.status, attempt.problem])}\n")


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1:]))
