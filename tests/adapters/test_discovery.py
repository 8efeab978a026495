"""Which adapters there are, and what another package may add."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from adapters import discovery
from adapters.discovery import UnusableAdapter, adapter_named, module_of, names, package_of
from tests.adapters.cases import RECORDINGS

# Each has a folder of recordings.
OWN = tuple(sorted(path.name for path in RECORDINGS.iterdir()))
# What a stranger's package looks like once it is installed.
MODULE = """
from adapters.standard_webhooks import StandardWebhooks

class Acme(StandardWebhooks):
    name = "acme"

ADAPTER = Acme()
"""
OFFERS = """
[inventory_sync_hub.adapters]
acme = acme_hub:ADAPTER
another = acme_hub:ADAPTER
absent = no_such_module:ADAPTER
shopify = acme_hub:ADAPTER
"""


def forget() -> None:
    for found in (names, adapter_named, package_of, module_of, discovery._own, discovery._offered):
        found.cache_clear()


@pytest.fixture
def a_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    (tmp_path / "acme_hub.py").write_text(MODULE)
    info = tmp_path / "acme_hub-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-hub\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(OFFERS)
    monkeypatch.syspath_prepend(str(tmp_path))
    forget()
    yield
    sys.modules.pop("acme_hub", None)
    forget()


def test_the_modules_here_are_found_by_their_names() -> None:
    assert {"bigcommerce", "shopify", "square", "standard_webhooks", "woocommerce", "zettle"} <= set(OWN)
    assert names() == OWN
    assert all((found := adapter_named(name)) is not None and found.name == name for name in OWN)


@pytest.mark.parametrize("name", ["", "nobody", "contract", "telling", "../shopify", "Shopify"])
def test_nothing_else_is_an_adapter(name: str) -> None:
    assert adapter_named(name) is None


@pytest.mark.usefixtures("a_package")
def test_an_installed_package_adds_its_own() -> None:
    assert set(names()) == {*OWN, "acme", "another", "absent"}
    acme = adapter_named("acme")
    assert acme is not None
    assert acme.name == "acme"
    assert (package_of("acme"), module_of("acme")) == ("acme-hub 1.0", "acme_hub")


def test_what_is_here_is_the_hubs_own_and_what_is_nowhere_is_nobodies() -> None:
    assert (package_of("shopify"), module_of("shopify")) == ("inventory-sync-hub", "adapters.shopify")
    assert (package_of("nobody"), module_of("nobody")) == ("", "")


@pytest.mark.usefixtures("a_package")
def test_an_installed_package_takes_nobodys_place() -> None:
    shopify = adapter_named("shopify")
    assert type(shopify).__module__ == "adapters.shopify"


@pytest.mark.usefixtures("a_package")
@pytest.mark.parametrize(("name", "why"), [("absent", "cannot be loaded"), ("another", "calls itself acme")])
def test_what_cannot_be_used_is_said_in_a_sentence(name: str, why: str) -> None:
    with pytest.raises(UnusableAdapter, match=why):
        adapter_named(name)
