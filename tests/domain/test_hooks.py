"""Messages to hooks: signatures, the schedule of attempts, and what answers mean."""

from base64 import b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.domain.hooks import (
    JITTER,
    RETRY_AFTER_SECONDS_MAX,
    SCHEDULE_SECONDS,
    TRIED_FOR_SECONDS,
    Verdict,
    attempt_of,
    keys_in,
    next_attempt_at,
    signature,
)

# Published with the specification of Standard Webhooks.
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
ID, TIMESTAMP, BODY = "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}'
SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="

FIRST_AT = 1_795_600_000.0


def secret(length: int) -> str:
    return "whsec_" + b64encode(bytes(length)).decode()


def test_the_published_message_has_the_published_signature() -> None:
    assert signature(keys_in(SECRET), ID, TIMESTAMP, BODY) == SIGNATURE


def test_while_secrets_are_exchanged_there_is_a_signature_for_each() -> None:
    first, second = signature(keys_in(f"{secret(24)}  {SECRET}"), ID, TIMESTAMP, BODY).split(" ")

    assert first == signature(keys_in(secret(24)), ID, TIMESTAMP, BODY)
    assert second == SIGNATURE


@pytest.mark.parametrize(
    "text",
    [
        *("", "  ", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_", "whsec_not base64", "whsec_MfKQ9r8*", "whsec_é"),
        *(secret(23), secret(65), " ".join([SECRET] * 6)),
    ],
)
def test_what_is_no_secret_is_refused_and_not_quoted(text: str) -> None:
    with pytest.raises(ValueError, match=r"secret|whsec_") as refused:
        keys_in(text)

    assert "MfKQ" not in str(refused.value)


@given(
    jitters=st.lists(st.floats(0, 1, exclude_max=True), min_size=30, max_size=30),
    pauses=st.lists(st.sampled_from((0.0, 0.0, 30.0, 3_600.0, 1e12)), min_size=30, max_size=30),
    late=st.lists(st.floats(0, 7_200), min_size=30, max_size=30),
)
def test_attempts_come_less_and_less_often_and_the_last_one_not_before_48_hours(
    jitters: list[float], pauses: list[float], late: list[float]
) -> None:
    now, last_at = FIRST_AT, FIRST_AT + TRIED_FOR_SECONDS
    for attempts, (jitter, pause, delay) in enumerate(zip(jitters, pauses, late, strict=True), 1):
        at = next_attempt_at(FIRST_AT, now, attempts, jitter, pause)
        if not at:
            break
        assert now < at <= last_at
        planned = SCHEDULE_SECONDS[min(attempts, len(SCHEDULE_SECONDS)) - 1]
        shortest = min(max(planned * (1 - JITTER), min(pause, RETRY_AFTER_SECONDS_MAX)), last_at - now)
        longest = max(planned * (1 + JITTER), RETRY_AFTER_SECONDS_MAX if pause else 0)
        assert shortest - 1e-3 <= at - now <= longest + 1e-3
        # A hub that is busy, or was down, comes later.
        now = at + delay
    assert not at
    assert now >= last_at
    assert attempts <= 52


def test_undisturbed_a_message_is_tried_nine_times() -> None:
    times = [FIRST_AT]
    while at := next_attempt_at(FIRST_AT, times[-1], len(times), 0.5):
        times.append(at)

    assert len(times) == 9
    assert times[1] - FIRST_AT == 5
    assert times[-1] - FIRST_AT == TRIED_FOR_SECONDS


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        *((200, "delivered"), (204, "delivered"), (299, "delivered"), (301, "failed"), (308, "failed")),
        *((400, "failed"), (401, "failed"), (404, "failed"), (410, "gone"), (429, "failed"), (503, "failed")),
    ],
)
def test_what_an_answer_means(status: int, verdict: str) -> None:
    assert attempt_of(status).verdict is Verdict(verdict)


@pytest.mark.parametrize(
    ("status", "text", "seconds"),
    [
        *((429, "60", 60), (503, " 7 ", 7), (500, "60", 0), (429, "1" * 400, RETRY_AFTER_SECONDS_MAX), (429, "-1", 0)),
        *((429, None, 0), (429, "nan", 0), (429, "1e9", 0), (429, "٣", 0)),
        *((429, "Thu, 01 Jan 1970 00:02:00 GMT", 20), (503, "Thu, 01 Jan 1970 00:00:00 GMT", 0)),
        (503, "Fri, 31 Dec 9999 23:59:59 GMT", RETRY_AFTER_SECONDS_MAX),
    ],
)
def test_a_receiver_says_how_long_it_is_left_alone(status: int, text: str | None, seconds: float) -> None:
    assert attempt_of(status, text, now=100.0).retry_after_seconds == seconds
