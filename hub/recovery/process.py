"""The parts of a process that follow the partition from one epoch to the next."""

from typing import NamedTuple

from hub.journal.watermark import Watermark
from hub.recovery.looking import Looking
from hub.stock.counting import Closer
from hub.stock.current_house import CurrentHouse
from hub.stock.described import Described
from hub.stock.kernel import Kernel


class Process(NamedTuple):
    """What of a process is bound to an epoch, and to a run of Redis."""

    looking: Looking
    kernel: Kernel
    current: CurrentHouse
    described: Described
    closer: Closer
    watermark: Watermark
