"""Differences between kernel and model are told in full; `--hypothesis-profile=deep` looks for them longer."""

import pytest
from hypothesis import settings

pytest.register_assert_rewrite("tests.model.pair")
settings.register_profile("deep", max_examples=5_000)
