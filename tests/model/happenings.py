"""Everything that may be told, mixed as it happens."""

from hypothesis import strategies as st

from tests.model.journeys import journeys
from tests.model.regrets import regrets
from tests.model.worlds import Telling, tellings


def happenings(id: str) -> st.SearchStrategy[Telling]:
    return st.one_of(tellings(id), tellings(id), tellings(id), journeys(id), regrets(id))
