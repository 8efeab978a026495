"""Differences between kernel and model are told in full; `--hypothesis-profile=deep` looks for them longer."""

import pytest
from hypothesis import Phase, settings

pytest.register_assert_rewrite("tests.model.pair")
settings.register_profile("deep", max_examples=5_000)
settings.register_profile("plain", max_examples=400, phases=[Phase.explicit, Phase.reuse, Phase.generate])
