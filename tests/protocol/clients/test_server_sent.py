"""Server-Sent Events that come in pieces of any size."""

from itertools import chain, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.clients.server_sent import ServerSent, ServerSentEvents, TooLong

WIRE = (
    b"retry: 2000\n\n"
    b'id: f1.a\ndata: {"a": 1}\n\n'
    b": heartbeat\nid: f1.b\n\n"
    b"\n\n"
    b"event: other\r\nid:f1.c\r\ndata: one\r\ndata:two\r\n\r\n"
    b": nothing\n\n"
    b"data\n\n"
    b"id: f1.d\ndata: never ended\n"
)
SAID = [
    ServerSent("f1.a", b'{"a": 1}'),
    ServerSent("f1.b", None),
    ServerSent("f1.c", b"one\ntwo"),
    ServerSent("", b""),
]


@given(st.lists(st.integers(0, len(WIRE))))
def test_however_the_wire_cuts_it_the_same_events_come(cuts: list[int]) -> None:
    parts = ServerSentEvents(100)
    places = sorted({0, *cuts, len(WIRE)})
    said = [event for begin, end in pairwise(places) for event in parts.events(WIRE[begin:end])]
    assert said == SAID


@pytest.mark.parametrize("wire", [b"data: " + b"x" * 100, b"data: x\n" * 20, b"data: " + b"x" * 100 + b"\n\n"])
@pytest.mark.parametrize("step", [1, 7, 1_000])
def test_an_event_has_no_more_bytes_than_are_allowed(wire: bytes, step: int) -> None:
    parts = ServerSentEvents(100)
    pieces = (wire[begin : begin + step] for begin in range(0, len(wire), step))
    with pytest.raises(TooLong):
        list(chain.from_iterable(map(parts.events, pieces)))


def test_events_that_are_short_each_may_be_any_number() -> None:
    parts = ServerSentEvents(100)
    assert len(list(parts.events(b"data: x\n\n" * 1_000))) == 1_000
