"""Every adapter keeps every promise of the kit, over everything that was recorded of it."""

import pytest

from adapters.discovery import names
from adapters.kit.conformance import CHECKS, Check
from tests.adapters.cases import case_of


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", names())
def test_the_adapter_keeps_its_promises(name: str, check: Check) -> None:
    check(case_of(name))
