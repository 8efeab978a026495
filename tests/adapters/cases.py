"""Every adapter with its recordings; a new one needs a folder of them and how its vendor signs."""

from pathlib import Path

import adapters
from adapters.discovery import adapter_named
from adapters.kit.pages import PagedCase, page_recording_from
from adapters.kit.recordings import Case, recording_from
from tests.adapters.signing import SIGN_A_TIME, SIGNS

RECORDINGS = Path(adapters.__file__).parent / "recordings"


def case_of(name: str) -> Case:
    adapter = adapter_named(name)
    assert adapter is not None
    files = sorted((RECORDINGS / name).glob("*.json"))
    recordings = tuple(recording_from(path.read_bytes(), path.stem) for path in files)
    assert recordings, f"nothing of {name} was recorded"
    assert name in SIGNS, f"write in tests/adapters/signing.py how {name} signs, from the vendor's documents"
    return Case(adapter, recordings, SIGNS[name], name in SIGN_A_TIME)


def paged_case_of(name: str) -> PagedCase:
    adapter = adapter_named(name)
    assert adapter is not None
    files = sorted((RECORDINGS / name / "pages").glob("*.json"))
    return PagedCase(adapter, tuple(page_recording_from(path.read_bytes(), path.stem) for path in files))
