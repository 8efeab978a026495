"""`hub adapters`: an author goes from nothing to a green check, and a hub is sent what a vendor would send."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from adapters.discovery import names
from adapters.kit.conformance import CHECKS
from hub.commands.scaffolding import run_new
from tests.adapters.test_discovery import forget
from tests.commands.test_commands import ROOT, Run, Told, hub, run_apart
from tests.webhooks.town import open_town

__all__ = ["hub"]

SHOP = """
[[source]]
id = "shop"
adapter = "shopify"
secret_file = "shop.secret"
pool = "store"
locations = {{ "655441491" = "LON-KNB" }}

[[source]]
id = "square"
adapter = "square"
secret_file = "shop.secret"
url = "https://hub.example/v1/webhooks/square"
"""


UNFINISHED = ("adapters", "send", "acme", "--in", "acme-hub", "--to", "http://127.0.0.1:1", "--secret-env", "PATH")


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    path = [*sys.path]
    yield
    sys.path[:] = path
    for name in [name for name in sys.modules if name.startswith("acme_hub")]:
        del sys.modules[name]


def edited(path: Path, **changes: str) -> None:
    text = path.read_text()
    for before, after in changes.values():
        assert before in text
        text = text.replace(before, after)
    path.write_text(text)


def written(module: Path, recordings: Path) -> None:
    """What an author does: the vendor's address, how it signs, its topics, its deliveries."""
    edited(
        module,
        documentation=('documentation = ""', 'documentation = "https://acme.example/webhooks"'),
        signature=('_DELIVERY = "", ', '_DELIVERY = "x-acme-signature", '),
        topics=("Reading]] = {}", 'Reading]] = {"sale": _new_sale}'),
    )
    example = json.loads((recordings / "sale.json").read_text())
    sale = example | {"about": "A till sold one bag."}
    customer = example | {"about": "A customer.", "headers": {"x-acme-topic": "customer"}, "body": {}, "expected": {}}
    (recordings / "sale.json").write_text(json.dumps(sale))
    (recordings / "customer.json").write_text(json.dumps(customer))


def test_the_list_names_every_adapter_and_whose_it_is(hub: Run) -> None:
    told = hub("adapters")

    assert told.code == 0
    assert told.out.splitlines()[0].split("  ")[0] == "adapter"
    assert [line.split()[0] for line in told.out.splitlines()[1:]] == list(names())
    assert all("inventory-sync-hub" in line and "https://" in line for line in told.out.splitlines()[1:])


def test_a_package_is_begun_is_red_says_what_to_do_and_becomes_green(hub: Run, tmp_path: Path) -> None:
    begun = hub("adapters", "new", "acme")
    fresh = hub("adapters", "check", "acme", "--in", "acme-hub")
    written(tmp_path / "acme-hub/acme_hub/__init__.py", tmp_path / "acme-hub/acme_hub/recordings")
    sys.modules.pop("acme_hub")
    done = hub("adapters", "check", "acme", "--in", "acme-hub")

    assert begun.code == 0
    assert "hub adapters check acme --in acme-hub" in begun.out
    assert fresh.code == 1
    assert [line[2:4] for line in fresh.out.splitlines()[2:]] == ["1.", "2.", "3.", "4."]
    for word in ("documentation", "_SIGNATURE", "TOPICS", "sale, which is an example"):
        assert word in fresh.out
    assert done.code == 0, done
    assert f"All {len(CHECKS)} promises are kept." in done.out
    assert "Not seen: a signature that the vendor itself made." in done.out


@pytest.mark.parametrize("step", ["documentation", "signature", "topics", "sale"])
def test_no_step_can_be_left_out(hub: Run, tmp_path: Path, step: str) -> None:
    hub("adapters", "new", "acme", "--into", "here")
    module, recordings = tmp_path / "here/acme_hub/__init__.py", tmp_path / "here/acme_hub/recordings"
    text, example = module.read_text(), (recordings / "sale.json").read_text()
    written(module, recordings)
    left_out = {
        "documentation": ('documentation = "https://acme.example/webhooks"', 'documentation = ""'),
        "signature": ('_DELIVERY = "x-acme-signature", ', '_DELIVERY = "", '),
        "topics": ('{"sale": _new_sale}', "{}"),
    }
    if step == "sale":
        (recordings / "sale.json").write_text(example)
    else:
        edited(module, step=left_out[step])
    assert text != module.read_text()

    told = hub("adapters", "check", "acme", "--in", "here")

    assert told.code == 1
    assert len([line for line in told.out.splitlines() if line.startswith("  1.")]) == 1
    assert "  2." not in told.out


def test_a_broken_promise_is_told_with_a_sentence_and_what_it_says_instead(hub: Run, tmp_path: Path) -> None:
    hub("adapters", "new", "acme", "--into", "here")
    recordings = tmp_path / "here/acme_hub/recordings"
    written(tmp_path / "here/acme_hub/__init__.py", recordings)
    edited(recordings / "sale.json", quantity=('"quantity": 1}', '"quantity": 2}'))
    edited(
        tmp_path / "here/acme_hub/__init__.py",
        defect=("sale = _sale(delivery.body)", "sale = _sale(delivery.body)\n    assert sale.at"),
    )

    told = hub("adapters", "check", "acme", "--in", "here")

    assert told.code == 1
    assert "  BROKEN  every recording means exactly what is expected\n" in told.out
    assert '"quantity": 1' in told.out
    assert "  BROKEN  whatever arrives nothing is raised\n          it raised AssertionError at " in told.out
    assert told.out.endswith(f"2 of {len(CHECKS)} promises are not kept.\n")


def test_an_installed_package_is_checked_by_its_name_and_a_broken_one_is_told(
    hub: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub("adapters", "new", "acme")
    written(tmp_path / "acme-hub/acme_hub/__init__.py", tmp_path / "acme-hub/acme_hub/recordings")
    info = tmp_path / "acme-hub" / "acme_hub-0.1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-hub\nVersion: 0.1.0\n")
    offers = "acme = acme_hub:ADAPTER\nabsent = no_such_module:ADAPTER\n"
    (info / "entry_points.txt").write_text(f"[inventory_sync_hub.adapters]\n{offers}")
    monkeypatch.syspath_prepend(str(tmp_path / "acme-hub"))
    forget()
    try:
        checked, listed = hub("adapters", "check", "acme"), hub("adapters")
        absent = hub("adapters", "check", "absent")
    finally:
        forget()

    assert checked.code == 0, checked
    assert "2 recordings in " in checked.out
    assert listed.code == 1
    assert "acme-hub 0.1.0" in next(line for line in listed.out.splitlines() if line.startswith("acme"))
    assert "cannot be used" in next(line for line in listed.out.splitlines() if line.startswith("absent"))
    assert "no_such_module" in listed.err
    assert "cannot be loaded" in absent.sentence


@pytest.mark.parametrize("name", names())
def test_the_hubs_own_adapters_are_green(hub: Run, name: str) -> None:
    told = hub("adapters", "check", name)

    assert told.code == 0, told.out


def test_recordings_may_lie_elsewhere_and_must_be_some(hub: Run, tmp_path: Path) -> None:
    empty, broken = tmp_path / "empty", tmp_path / "broken"
    empty.mkdir()
    broken.mkdir()
    (broken / "sale.json").write_text('{"about": "A sale.", "expcted": {}}')

    assert hub("adapters", "check", "shopify", "--recordings", "empty").code == 1
    assert "sale.json is no recording" in hub("adapters", "check", "shopify", "--recordings", "broken").sentence


@pytest.mark.parametrize(
    ("arguments", "about"),
    [
        (["new", "shopify"], "already"),
        (["new", "Acme"], "a-z"),
        (["new", "class"], "cannot be"),
        (["check", "shopfy"], 'did you mean "shopify"'),
        (["check", "acme", "--in", "."], "pyproject.toml cannot be read"),
        (["send", "shopify"], "orders/create"),
        (["send", "shopify", "orders/eaten", "--to", "http://127.0.0.1:1"], "orders/eaten"),
        (["send", "shopify", "orders/create", "--to", "http://127.0.0.1:1"], "--secret-env"),
        (["send", "shopify", "orders/create", "--secret-env", "NOT_SET"], "NOT_SET is not set"),
    ],
)
def test_a_wrong_use_is_one_sentence(hub: Run, arguments: list[str], about: str) -> None:
    assert about in hub("adapters", *arguments).sentence


def test_nothing_that_is_there_is_overwritten(hub: Run, tmp_path: Path) -> None:
    hub("adapters", "new", "acme")
    (tmp_path / "acme-hub/acme_hub/__init__.py").write_text("mine")

    assert "is there already" in hub("adapters", "new", "acme").sentence
    assert (tmp_path / "acme-hub/acme_hub/__init__.py").read_text() == "mine"


def test_a_package_that_offers_nothing_or_what_cannot_be_loaded_is_told(hub: Run, tmp_path: Path) -> None:
    hub("adapters", "new", "acme")
    (tmp_path / "acme-hub/acme_hub/__init__.py").write_text("1 / 0")

    assert "ZeroDivisionError" in hub("adapters", "check", "acme", "--in", "acme-hub").sentence
    assert "offers no adapter other" in hub("adapters", "check", "other", "--in", "acme-hub").sentence


def test_in_the_hubs_own_folder_it_goes_among_its_own_and_is_as_tidy(tmp_path: Path) -> None:
    house = tmp_path / "hub"
    shutil.copytree(ROOT / "adapters", house / "adapters")
    shutil.copy(ROOT / "pyproject.toml", house)

    assert run_new("acme", house) == 0

    module = house / "adapters" / "acme.py"
    recordings = house / "adapters" / "recordings" / "acme"
    for tool in (["ruff", "check"], ["ruff", "format", "--check"]):
        found = subprocess.run([sys.executable, "-m", *tool, module], cwd=house, capture_output=True, check=False)
        assert found.returncode == 0, found.stdout
    written(module, recordings)
    told = subprocess.run(
        [sys.executable, "-c", "from hub.__main__ import main; main()", "adapters", "check", "acme"],
        cwd=house,
        env={"PYTHONPATH": f"{house}:{ROOT}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.returncode == 0, told.stdout + told.stderr
    assert str(recordings) in told.stdout


def test_a_begun_packages_own_test_runs_the_kit(hub: Run, tmp_path: Path) -> None:
    hub("adapters", "new", "acme")
    written(tmp_path / "acme-hub/acme_hub/__init__.py", tmp_path / "acme-hub/acme_hub/recordings")

    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests"],
        cwd=tmp_path / "acme-hub",
        env={"PYTHONPATH": f"{ROOT}:{tmp_path / 'acme-hub'}"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert ran.returncode == 0, ran.stdout
    assert f"{len(CHECKS)} passed" in ran.stdout


async def test_a_running_hub_takes_what_is_sent_to_it(redis_url: str, postgres_dsn: str, tmp_path: Path) -> None:
    (tmp_path / "shop.secret").write_text("the-secret-of-the-shop")
    async with open_town(tmp_path, redis_url, postgres_dsn, sources=SHOP) as town:
        door = f"{town.url}/v1/webhooks/shop"

        async def send(*arguments: str) -> Told:
            config = ("--config", "hub.toml", "--source", arguments[0])
            return await run_apart("adapters", "send", *arguments[1:], *config, cwd=tmp_path)

        first = await send("shop", "shopify", "orders/create", "--to", door)
        again = await send("shop", "shopify", "orders/create", "--to", door)
        (tmp_path / "own.json").write_text('{"id": 93}')
        own = await send("shop", "shopify", "orders/create", "--to", door, "--body", "own.json")
        await send("shop", "shopify", "refunds/create", "--to", door, "--body", "own.json")
        [waits] = await town.waiting()
        signs_its_address = await send(
            "square", "square", "inventory.count.updated", "--to", f"{town.url}/v1/webhooks/square"
        )
        (tmp_path / "shop.secret").write_text("another")
        refused = await send("shop", "shopify", "orders/create", "--to", door)
        await run_apart("adapters", "new", "acme", cwd=tmp_path)
        begun = await run_apart(*UNFINISHED, cwd=tmp_path)
        nobody = await send("shop", "shopify", "orders/create", "--to", "http://127.0.0.1:1/v1/webhooks/shop")
        unknown = await send("till", "shopify", "orders/create")

    assert first.code == 0, first
    assert "answered 200" in first.out
    assert json.loads(first.out.splitlines()[-1])["status"] == "applied"
    assert json.loads(again.out.splitlines()[-1])["status"] == "duplicate"
    # Another body is another delivery, though its sample was sent before.
    assert (own.code, json.loads(own.out.splitlines()[-1])["status"]) == (0, "ignored")
    assert (waits["topic"], waits["why"]) == ("refunds/create", "Refund 93 names no order.")
    assert signs_its_address.code == 0, signs_its_address
    assert refused.code == 1
    assert "answered 401" in refused.out
    assert not [told for told in (first, refused) if "secret-of-the-shop" in told.out]
    assert "name a topic; there are sale" in begun.sentence
    assert "no hub answers" in nobody.sentence
    assert "no source till" in unknown.sentence
