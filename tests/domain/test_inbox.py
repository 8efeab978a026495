"""What is kept of a delivery's headers: nothing that vouches, nothing secret, and not without end."""

from hypothesis import given
from hypothesis import strategies as st

from hub.domain.inbox import FIELDS_CHARS_MAX, cut, without_secrets


def test_what_vouches_for_a_delivery_is_not_kept_and_what_it_is_about_is() -> None:
    came = {
        "authorization": "Basic x",
        "cookie": "a=b",
        "webhook-signature": "v1,x",
        "x-shopify-hmac-sha256": "x",
        "x-gitlab-token": "x",
        "x-shop": "says s3cret twice",
        "webhook-id": "msg_1",
        "x-shopify-topic": "orders/create",
    }

    assert without_secrets(came, ["s3cret", ""]) == {"webhook-id": "msg_1", "x-shopify-topic": "orders/create"}


def test_too_many_headers_are_cut_off() -> None:
    kept = without_secrets({f"x-{number}": "x" * 1_000 for number in range(100)}, [])

    assert 0 < sum(len(name) + len(value) for name, value in kept.items()) <= FIELDS_CHARS_MAX


@given(st.text(st.characters(exclude_categories=())), st.integers(1, 20))
def test_what_is_cut_is_a_text_that_a_table_takes(text: str, most: int) -> None:
    short = cut(text, most)

    assert len(short) <= most
    assert "\0" not in short.encode().decode()
