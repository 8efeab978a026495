"""The promises of an adapter that the hub may ask (`Polled`), over recorded pages; one function each.

A recording of a page is a JSON file: `about` (a sentence), `stream`, `since` and `asked_at` (times), `cursor` (empty
for a first page), `account`, `body` and `headers` of the answer, and `expected`: the `cursor` behind it, and the ids of
the `events` and `levels` and the names of the `needs` that its deliveries say, everything left out that is empty.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any

import msgspec
from msgspec import Struct

from adapters.contract import (
    CURSOR_CHARS_MAX,
    DELIVERIES_PER_PAGE_MAX,
    Account,
    Adapter,
    Answer,
    Delivery,
    Need,
    Page,
    Polled,
    Question,
)
from adapters.kit.mutilation import mutilated

_HOUR_MS = 3_600_000
_RUBBISH = ("x", "0", "-1", "1 2 3", "9" * 400, "\udcff\x00", "trash 99999999999", " ")


class PageRecording(Struct, frozen=True, forbid_unknown_fields=True):
    """One answer of a vendor, the question to it, and what it means."""

    about: str
    stream: str
    since: datetime
    asked_at: datetime
    body: msgspec.Raw
    expected: dict[str, Any]
    headers: Mapping[str, str] = {}
    cursor: str = ""
    account: Mapping[str, Any] = {}
    # Of the file; for messages only.
    name: str = ""

    @property
    def question(self) -> Question:
        """What was asked."""
        since_ms, now_ms = (round(time.timestamp() * 1000) for time in (self.since, self.asked_at))
        return Question(stream=self.stream, since_ms=since_ms, cursor=self.cursor, now_ms=now_ms)

    @property
    def of_account(self) -> Account:
        """The account that was asked."""
        return msgspec.convert(dict(self.account), Account)

    @property
    def answer(self) -> Answer:
        """What the vendor answered; a text stands for itself."""
        value = msgspec.json.decode(self.body)
        body = value.encode() if isinstance(value, str) else msgspec.json.format(bytes(self.body), indent=-1)
        return Answer(body, self.headers)


class PagedCase(Struct, frozen=True):
    """An adapter with its pages; an adapter that cannot be asked has none."""

    adapter: Adapter
    pages: tuple[PageRecording, ...]

    @property
    def asked(self) -> Polled:
        """The adapter as one that can be asked."""
        assert isinstance(self.adapter, Polled), f"{self.adapter.name} cannot be asked"
        return self.adapter

    def page(self, recording: PageRecording) -> Page:
        """What it says."""
        page = self.asked.polled(recording.question, recording.of_account, recording.answer)
        assert page is not None, f"{recording.name} cannot be read"
        return page


PageCheck = Callable[[PagedCase], None]


def page_recording_from(raw: bytes, name: str) -> PageRecording:
    """Read one file.

    Raises:
        msgspec.MsgspecError: it is no recording of a page.
    """
    return msgspec.structs.replace(msgspec.json.decode(raw, type=PageRecording), name=name)


def every_stream_was_tried(case: PagedCase) -> None:
    """A stream without a page is a guess; and one of several pages shows how the next one is asked for."""
    tried = {recording.stream for recording in case.pages}
    assert tried == set(case.asked.streams), f"pages are of {sorted(tried)}, not of {sorted(case.asked.streams)}"
    for stream in tried:
        cursors = [case.page(each).cursor for each in case.pages if each.stream == stream]
        assert "" in cursors, f"no page of {stream} is the last"
        assert any(cursors), f"no page of {stream} has one behind it"


def every_page_means_exactly_what_is_expected(case: PagedCase) -> None:
    """The dialect itself, by the same `translate` as what is delivered."""
    for recording in case.pages:
        told = _as_told(case, recording)
        assert told == recording.expected, f"{recording.name} says {msgspec.json.encode(told).decode()}"


def the_first_page_is_from_the_time_that_is_asked_for(case: PagedCase) -> None:
    """The hub asks from now on, from where it was, or from when a person says; levels are asked for whole."""
    for recording in case.pages:
        first = msgspec.structs.replace(recording.question, cursor="")
        later = msgspec.structs.replace(first, since_ms=first.since_ms + _HOUR_MS)
        asked, other = (case.asked.poll(each, recording.of_account) for each in (first, later))
        assert asked is not None, f"nothing is asked for {recording.name}"
        assert asked.path.startswith("/"), f"{asked.path!r} is no path"
        assert recording.stream == "levels" or asked != other, f"{recording.name} is asked for whatever the time"
        # Only what it is told decides, so that any process can go on.
        assert asked == case.asked.poll(msgspec.structs.replace(first, now_ms=first.now_ms + 1), recording.of_account)


def the_cursor_goes_forward(case: PagedCase) -> None:
    """A page that names itself as the next would be asked for again for ever."""
    for recording in case.pages:
        question, page = recording.question, case.page(recording)
        assert len(page.cursor) <= CURSOR_CHARS_MAX, f"{recording.name} has a cursor of {len(page.cursor)} characters"
        assert len(page.deliveries) <= DELIVERIES_PER_PAGE_MAX, (
            f"{recording.name} has {len(page.deliveries)} deliveries"
        )
        if page.cursor:
            following = msgspec.structs.replace(question, cursor=page.cursor)
            asked, after = (case.asked.poll(each, recording.of_account) for each in (question, following))
            assert after is not None, f"nothing is asked for behind {recording.name}"
            assert asked != after, f"{recording.name} is asked for again"


def a_page_told_again_is_the_same(case: PagedCase) -> None:
    """The hub asks again for what a vendor may have been late with, and what it has already must leave no trace."""
    for recording in case.pages:
        question = recording.question
        later = msgspec.structs.replace(question, now_ms=question.now_ms + _HOUR_MS, since_ms=question.since_ms + 1)
        again = case.asked.polled(later, recording.of_account, recording.answer)
        assert again is not None, f"{recording.name} cannot be read a second time"
        ids, same = (list(map(case.adapter.delivery_id, page.deliveries)) for page in (case.page(recording), again))
        assert ids == same, f"{recording.name} has other delivery ids when it is told again"
        assert len(ids) == len(set(ids)), f"{recording.name} has two deliveries of one id"


def whatever_is_answered_nothing_is_raised(case: PagedCase) -> None:
    """What cannot be read is None, whatever the cursor: the hub waits, and says so."""
    for recording in case.pages:
        account, nobody = recording.of_account, Account(recording.of_account.source)
        for cursor in (recording.cursor, *_RUBBISH):
            question = msgspec.structs.replace(recording.question, cursor=cursor)
            need = case.asked.poll(question, account)
            assert need is None or isinstance(need, Need)
            case.asked.poll(question, nobody)
            for answer in _spoilt(recording.answer):
                for whom in (account, nobody):
                    page = case.asked.polled(question, whom, answer)
                    for delivery in () if page is None else page.deliveries[:20]:
                        _ask(case.adapter, delivery, account)


PAGE_CHECKS: tuple[PageCheck, ...] = (
    every_stream_was_tried,
    every_page_means_exactly_what_is_expected,
    the_first_page_is_from_the_time_that_is_asked_for,
    the_cursor_goes_forward,
    a_page_told_again_is_the_same,
    whatever_is_answered_nothing_is_raised,
)


def _as_told(case: PagedCase, recording: PageRecording) -> dict[str, Any]:
    page, account = case.page(recording), recording.of_account
    readings = [case.adapter.translate(each, account, {}) for each in page.deliveries]
    for delivery, reading in zip(page.deliveries, readings, strict=True):
        topic = case.adapter.topic(delivery)
        assert topic in case.adapter.topics, f"{recording.name} has a delivery of {topic!r}, which nobody reads"
        assert reading.unmapped is None, f"{recording.name} is not understood: {reading.unmapped}"
    told = {
        "cursor": page.cursor,
        "events": [event.id for reading in readings for event in reading.events],
        "levels": [level.id for reading in readings for level in reading.levels],
        "needs": [need.name for reading in readings for need in reading.needs],
    }
    return {name: value for name, value in told.items() if value}


def _spoilt(answer: Answer) -> Iterator[Answer]:
    for body in mutilated(answer.body):
        yield Answer(body, answer.headers)
    for headers in ({}, dict.fromkeys(answer.headers, ""), dict.fromkeys(answer.headers, "\udcff\x00<;,>" * 500)):
        yield Answer(answer.body, headers)


def _ask(adapter: Adapter, delivery: Delivery, account: Account) -> None:
    adapter.delivery_id(delivery)
    adapter.topic(delivery)
    adapter.translate(delivery, account, {})
