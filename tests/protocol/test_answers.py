"""What is said back over HTTP, field by field as the contract has it."""

import json
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from protocol.answers import (
    Alert,
    AnswerLine,
    AvailabilityAnswer,
    AvailabilityItem,
    EventAnswer,
    PositionItem,
    PositionsAnswer,
    epoch_ms,
    rfc3339,
)
from protocol.problems import problem

AT = "2026-11-22T10:00:00.123Z"


def sent(answer: object) -> object:
    return json.loads(msgspec.json.encode(answer))


def test_the_answer_of_the_contract_is_written() -> None:
    answer = EventAnswer(
        id="till-7-000123",
        status="applied",
        seq="0-3-1041",
        lines=(AnswerLine("BAG-NOIR", 1),),
        alerts=(Alert(type="discrepancy", sku="BAG-NOIR", location="LON-KNB", quantity=1),),
        availability=(
            AvailabilityItem(sku="BAG-NOIR", pool="online", available=2, status="low_stock", rev=12884901930, at=AT),
        ),
    )

    assert sent(answer) == {
        "id": "till-7-000123",
        "status": "applied",
        "seq": "0-3-1041",
        "lines": [{"sku": "BAG-NOIR", "quantity": 1}],
        "alerts": [{"type": "discrepancy", "sku": "BAG-NOIR", "location": "LON-KNB", "quantity": 1}],
        "availability": [
            {
                "sku": "BAG-NOIR",
                "pool": "online",
                "available": 2,
                "status": "low_stock",
                "rev": 12884901930,
                "at": AT,
            }
        ],
    }


def test_an_answer_has_an_id_even_when_none_could_be_read() -> None:
    assert sent(EventAnswer(id=None, status="parked")) == {"id": None, "status": "parked"}


def test_a_refusal_carries_its_problem() -> None:
    answer = sent(EventAnswer(id="a", status="refused", problem=problem("conflict", "Use a new id.")))

    assert isinstance(answer, dict)
    assert answer["problem"]["status"] == 409
    assert answer["problem"]["detail"] == "Use a new id."


def test_nothing_available_is_said_and_a_number_that_is_not_shown_is_left_out() -> None:
    none_left = AvailabilityItem(sku="A", available=0, status="out_of_stock", rev=0, at=AT)
    no_number = AvailabilityItem(sku="A", status="in_stock", rev=1, at=AT)

    assert sent(none_left) == {"sku": "A", "available": 0, "status": "out_of_stock", "rev": 0, "at": AT}
    assert sent(no_number) == {"sku": "A", "status": "in_stock", "rev": 1, "at": AT}


def test_capped_and_eta_are_said_only_when_there_is_something_to_say() -> None:
    item = AvailabilityItem(sku="A", available=10, capped=True, status="in_stock", eta=AT, rev=1, at=AT)

    assert sent(AvailabilityAnswer("online", (item,))) == {
        "pool": "online",
        "items": [
            {
                "sku": "A",
                "available": 10,
                "capped": True,
                "status": "in_stock",
                "eta": AT,
                "rev": 1,
                "at": AT,
            }
        ],
    }


def test_a_position_says_all_its_buckets_and_a_list_its_end() -> None:
    item = PositionItem(
        sku="A",
        location="L",
        on_hand=0,
        free=0,
        ring_fenced={},
        reserved=0,
        aside={},
        deficit=0,
    )

    assert sent(PositionsAnswer(items=(item,), next=None, feed_cursor=None)) == {
        "items": [
            {
                "sku": "A",
                "location": "L",
                "on_hand": 0,
                "free": 0,
                "ring_fenced": {},
                "reserved": 0,
                "aside": {},
                "deficit": 0,
            }
        ],
        "next": None,
        "feed_cursor": None,
    }


@pytest.mark.parametrize(
    ("ms", "text"),
    [
        (0, "1970-01-01T00:00:00.000Z"),
        (-1, "1969-12-31T23:59:59.999Z"),
        (1_795_341_600_123, AT),
        (1_795_341_600_999, "2026-11-22T10:00:00.999Z"),
        (-62_135_596_800_000, "0001-01-01T00:00:00.000Z"),
    ],
)
def test_an_instant_is_written_with_milliseconds_in_utc(ms: int, text: str) -> None:
    assert rfc3339(ms) == text
    assert epoch_ms(datetime.fromisoformat(text)) == ms


def test_an_instant_is_read_down_to_the_millisecond_whatever_its_offset() -> None:
    instant = datetime(2026, 11, 22, 10, 0, 0, 123_999, tzinfo=UTC)

    assert epoch_ms(instant) == 1_795_341_600_123
    assert epoch_ms(datetime(1970, 1, 1, tzinfo=UTC) - timedelta(microseconds=1)) == -1
