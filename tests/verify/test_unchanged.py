"""Which SKUs are as they were is known of as many as there is room for, and forgotten when it may be otherwise."""

import pytest

from hub.verify import unchanged
from hub.verify.unchanged import Unchanged


def test_a_sku_is_as_it_was_until_it_is_stored_otherwise_or_forgotten() -> None:
    known = Unchanged()
    known.note("BAG", 5)
    assert (known.has("BAG", 5), known.has("BAG", 6), known.has("HAT", 5)) == (True, False, False)
    known.note("BAG", 6)
    assert (known.has("BAG", 5), known.has("BAG", 6)) == (False, True)
    known.forget("BAG")
    known.forget("BAG")
    assert not known.has("BAG", 6)


def test_beyond_the_limit_a_sku_counts_as_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unchanged, "UNCHANGED_MAX", 1)
    known = Unchanged()
    known.note("BAG", 5)
    known.note("HAT", 5)
    known.note("BAG", 6)

    assert (known.has("BAG", 6), known.has("HAT", 5)) == (True, False)
