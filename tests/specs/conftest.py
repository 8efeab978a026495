"""A whole hub for each module, as the tests of the HTTP door have it."""

from tests.intake.conftest import database, door, store

__all__ = ["database", "door", "store"]
