"""Answers as a hub gives them, and requests to answer, for tests that need no hub."""

from typing import Any

import msgspec

from hub.load.options import LoadOptions, Share, Target
from hub.load.requests import Sent, Writer

TARGET = Target(url="http://127.0.0.1:8080", live="ws://127.0.0.1:8081", token="secret", location="LON", pool="store")


def share(units: list[int], **options: Any) -> Share:
    return Share(
        target=TARGET, options=LoadOptions(skus=len(units), watch=1, **options), number=0, run="run", units=units
    )


def writer(units: list[int]) -> Writer:
    return Writer(share(units))


def said(sent: Sent, *statuses: str, **more: Any) -> bytes:
    """An answer to each event of a request, with these statuses in turn."""
    items = [{"id": id, "status": status} | more for id, status in zip(sent.ids, statuses, strict=True)]
    return msgspec.json.encode(items if len(items) > 1 else items[0])


def held(sent: Sent, state: str = "held") -> bytes:
    """A reservation, as every verb answers it."""
    return msgspec.json.encode({"id": sent.ids[0], "state": state, "lines": []})


def problem(status: int, kind: str) -> bytes:
    return msgspec.json.encode({"type": f"urn:hub:problem:{kind}", "status": status, "title": "", "detail": "no"})
