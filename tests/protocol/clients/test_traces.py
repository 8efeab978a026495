"""Every shared trace, step by step: what a client says, what is news, whether it comes back, and what it shows."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from protocol.answers import AvailabilityItem
from protocol.clients.conversation import Conversation, Ending
from protocol.clients.patience import Patience
from protocol.frames import CLOSE_CODES, LIVE_ERRORS, decode_message

TRACES = sorted((Path(__file__).resolve().parents[3] / "protocol" / "traces").glob("*.json"))
# What a step is; each has one of these.
STEPS = {"opened", "frame", "text", "closed", "silent_seconds"}


def read(path: Path) -> dict[str, Any]:
    trace: dict[str, Any] = msgspec.json.decode(path.read_bytes())
    return trace


def said(conversation: Conversation, token: str | None) -> list[dict[str, Any]]:
    """What the client says, without the numbers that it chooses itself."""
    messages = [msgspec.json.decode(message) for message in conversation.opened(token)]
    return [{key: value for key, value in message.items() if key != "ref"} for message in messages]


def end(heard: list[AvailabilityItem] | Ending | None) -> str | None:
    return heard.next if isinstance(heard, Ending) else None


@pytest.mark.parametrize("path", TRACES, ids=lambda path: path.stem)
def test_a_client_ends_where_the_trace_ends(path: Path) -> None:
    trace = read(path)
    conversation = Conversation(trace["watch"]["pool"], trace["watch"]["skus"])
    for number, step in enumerate(trace["steps"]):
        [kind] = STEPS & step.keys()
        heard: list[AvailabilityItem] | Ending | None = None
        if kind == "opened":
            assert said(conversation, step["opened"]) == step["says"], number
        elif kind == "closed":
            heard = conversation.closed(step["closed"])
        elif kind == "silent_seconds":
            is_dead = step["silent_seconds"] > Patience().silence_seconds
            heard = conversation.closed(None) if is_dead else None
        else:
            heard = conversation.heard(step["text"] if kind == "text" else msgspec.json.encode(step["frame"]))
        news = [item.sku for item in heard] if isinstance(heard, list) else []
        assert (news, end(heard)) == (step.get("news", []), step.get("next")), number
    assert conversation.newest.items == msgspec.convert(trace["shows"], dict[str, AvailabilityItem])


@pytest.mark.parametrize("path", TRACES, ids=lambda path: path.stem)
def test_the_hub_would_read_what_a_trace_says(path: Path) -> None:
    trace = read(path)
    assert set(trace) == {"about", "watch", "steps", "shows"}
    for step in trace["steps"]:
        for message in step.get("says", ()):
            decode_message(msgspec.json.encode({"ref": 1, **message} if message["op"] == "subscribe" else message))


def test_the_traces_have_all_that_can_happen() -> None:
    steps = [step for path in TRACES for step in read(path)["steps"]]

    assert {kind for step in steps for kind in STEPS & step.keys()} == STEPS
    assert {step.get("next") for step in steps} == {None, "with jitter", "with a new token", "no"}
    operations = {step["frame"]["op"] for step in steps if "frame" in step}
    assert operations >= {"subscribed", "update", "heartbeat", "error", "authorized"}
    told = {step["next"] for step in steps if step.get("closed") in CLOSE_CODES}
    assert told == {ending.reconnect for ending in CLOSE_CODES.values()}
    assert {step["frame"].get("code") for step in steps if "frame" in step} & LIVE_ERRORS.keys()
