"""Every adapter that tells what is available keeps every promise of the kit, over all that was recorded of it."""

import pytest

from adapters.kit.outbound import OUTBOUND_CHECKS, Check
from tests.adapters.conversing import outbound_case_of, outbound_names


@pytest.mark.parametrize("check", OUTBOUND_CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", outbound_names())
def test_the_adapter_keeps_its_promises(name: str, check: Check) -> None:
    check(outbound_case_of(name))
