"""Play a printed conversation against a running hub, and stop where the hub says something else.

`→` is sent, `←` must come, `POST` is an event booked meanwhile; `$TOKEN` is the token of the environment.
"""

import asyncio
import json
import os
import sys
import urllib.request
from pathlib import Path

from websockets.asyncio.client import connect

from tests.docs.terminal import masked

ANSWER_SECONDS_MAX = 10.0


def post(event: str) -> None:
    request = urllib.request.Request(
        f"http://{os.environ['HUB_HTTP']}/v1/events",
        data=event.encode(),
        headers={"Authorization": f"Bearer {os.environ['TOKEN']}"},
    )
    with urllib.request.urlopen(request) as response:
        status = json.load(response)["status"]
    assert status in {"applied", "accepted"}, status


async def play(lines: list[str], port: str) -> None:
    async with connect(f"ws://127.0.0.1:{port}/v1/live", subprotocols=["hub.v1.json"]) as screen:  # type: ignore[list-item]
        for line in lines:
            sign, _, text = line.partition(" ")
            if sign == "→":
                await screen.send(text.replace("$TOKEN", os.environ["TOKEN"]))
            elif sign == "POST":
                await asyncio.to_thread(post, text)
            elif sign == "←":
                said = str(await asyncio.wait_for(screen.recv(), ANSWER_SECONDS_MAX))
                assert masked(said) == masked(text), f"the hub says\n{said}\nthe page says\n{text}"
            else:
                raise AssertionError(f"no line of a conversation: {line}")


if __name__ == "__main__":
    transcript, live_port = sys.argv[1:]
    asyncio.run(play([line for line in Path(transcript).read_text("utf-8").splitlines() if line], live_port))
