"""What a process finds of its Redis, and what it makes of it."""

from uuid import UUID

import pytest

from hub.domain.entry import Seq
from hub.domain.standing import HEALING, Meta, Standing, standing

HUB, OTHER = UUID(int=1), UUID(int=2)


@pytest.mark.parametrize(
    ("meta", "ledger_epoch", "found"),
    [
        (Meta(), 3, Standing.LOST),
        (Meta(OTHER, 3, 10), 3, Standing.FOREIGN),
        (Meta(HUB, 3, 10), 3, Standing.GOOD),
        (Meta(HUB, 3, 11), 3, Standing.GOOD),
        (Meta(HUB, 3, 9), 3, Standing.LOST),
        (Meta(HUB, 2, 500), 3, Standing.OLDER),
        (Meta(HUB, 4, 1), 4, Standing.HEALED),
        (Meta(HUB, 4, 1), 3, Standing.NEWER),
        (Meta(HUB, 3, 10, b"1"), 3, Standing.HALTED),
        (Meta(HUB, 3, 9, b"1"), 3, Standing.LOST),
        (Meta(HUB, 3, 10, HEALING), 3, Standing.LOST),
        (Meta(HUB, 2, 10, HEALING), 3, Standing.LOST),
        (Meta(OTHER, 3, 10, HEALING), 3, Standing.FOREIGN),
    ],
)
def test_a_redis_is_judged_by_its_hub_its_epoch_and_its_next_number(
    meta: Meta, ledger_epoch: int, found: Standing
) -> None:
    assert standing(meta, HUB, ledger_epoch, Seq(3, 10)) is found
