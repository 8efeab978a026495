"""The page on outbound adapters says what the adapters and the kit say."""

import re
from typing import get_args

from adapters.kit.conversations import KEY, NOW_MS, as_heard, conversation_from
from adapters.kit.outbound import OUTBOUND_CHECKS
from adapters.offering import Outcome
from adapters.woocommerce import WooCommerce
from tests.adapters.conversing import outbound_case_of, outbound_names
from tests.docs.pages import ROOT, fences, table, table_under

PAGE = ROOT / "docs" / "adapters-outbound.md"
LINES_MAX = 120


def test_the_promises_are_those_of_the_kit() -> None:
    rows = [(check.__name__.replace("_", " "), (check.__doc__ or "").strip()) for check in OUTBOUND_CHECKS]
    assert table_under(PAGE, "outbound promises") == table(("promise", "why"), rows)


def test_the_outcomes_are_those_of_the_contract() -> None:
    told = re.findall(r"^\| `(\w+)` \|", PAGE.read_text("utf-8"), re.M)
    assert tuple(told) == get_args(Outcome)


def test_the_vendors_take_as_many_at_once_as_the_page_says() -> None:
    said = re.findall(r"^\| (\w+) \|.*\| (\d+)(?: of [\d,]+)? \| [^|]+ \|$", PAGE.read_text("utf-8"), re.M)
    assert {name.lower(): int(most) for name, most in said} == {
        name: outbound_case_of(name).adapter.offers_max for name in outbound_names()
    }


def test_the_conversation_on_the_page_is_one() -> None:
    shown = next(block.text for block in fences(PAGE) if block.info == "json")
    conversation = conversation_from(shown.encode(), "page")
    (request,) = WooCommerce().requests(conversation.offers, conversation.shelf, KEY, NOW_MS)
    assert as_heard(WooCommerce().heard(request, conversation.answered)) == conversation.expected


def test_the_page_is_short() -> None:
    assert len(PAGE.read_text("utf-8").splitlines()) <= LINES_MAX
