"""The command line: what it prints, and one clear sentence with exit code 2 when it is used wrongly."""

import asyncio
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from time import time

import jwt
import pytest
import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from hub.__main__ import main
from hub.access import Access
from hub.credentials import load_or_make_key, with_a_key
from hub.settings import load
from tests.intake.door import HOUSE

ROOT = Path(__file__).resolve().parents[2]
COMMANDS = (
    "serve",
    "check",
    "reload",
    "token",
    "demo",
    "replay",
    "import",
    "parked",
    "webhooks",
    "verify",
    "hooks",
    "adapters",
    "load",
)
HEADER = "InvoiceNo,StockCode,Quantity,InvoiceDate\n"


class Told:
    """What a command said, and how it ended."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code = code
        self.out = out
        self.err = err

    @property
    def sentence(self) -> str:
        """The one sentence of an error of use."""
        assert self.code == 2, self
        assert self.out == ""
        [line] = self.err.splitlines()
        assert line.startswith("hub: ")
        assert "Traceback" not in line
        return line

    def __repr__(self) -> str:
        return f"{self.code}\n{self.out}\n{self.err}"


Run = Callable[..., Told]


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def hub(capsys: pytest.CaptureFixture[str]) -> Iterator[Run]:
    def run(*arguments: str) -> Told:
        with pytest.raises(SystemExit) as ended:
            main([*arguments])
        said = capsys.readouterr()
        code = ended.value.code
        return Told(code if isinstance(code, int) else 0 if code is None else 1, said.out, said.err)

    yield run
    # A command sets up the logs of its process, which is that of other tests here.
    structlog.reset_defaults()


async def run_apart(*arguments: str, cwd: Path) -> Told:
    """Run a command that has an event loop of its own."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "hub", *arguments),
        cwd=cwd,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(30):
        out, err = await process.communicate()
    assert process.returncode is not None
    return Told(process.returncode, out.decode(), err.decode())


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("option", ["--help", "-h"])
def test_every_command_explains_itself(hub: Run, command: str, option: str) -> None:
    told = hub(command, option)

    assert (told.code, told.err) == (0, "")
    assert told.out.startswith("Usage: ")


@pytest.mark.parametrize(
    "arguments",
    [
        ["hooks", "dead", "X"],
        ["hooks", "resume", "X"],
        ["hooks", "replay", "X", "--dead"],
        ["parked", "drop", "till", "1"],
        ["webhooks", "show", "1"],
        ["webhooks", "replay", "1"],
        ["webhooks", "dismiss", "1"],
        ["webhooks", "reconcile", "X"],
        ["alerts", "settle", "0" * 16, "--why", "done"],
        ["channels", "show", "X"],
        ["channels", "retry", "X"],
        ["adapters", "send", "shopify", "orders/create", "--source", "X"],
    ],
    ids=lambda arguments: " ".join(arguments[:2]),
)
def test_the_file_may_be_named_before_the_second_word_and_behind_it(hub: Run, arguments: list[str]) -> None:
    group, *rest = arguments

    before = hub(group, "--config", "before.toml", *rest)
    behind = hub(group, "--config", "before.toml", *rest, "--config", "behind.toml")

    assert "before.toml" in before.sentence
    assert "behind.toml" in behind.sentence


def test_the_door_may_be_named_before_the_second_word(hub: Run) -> None:
    told = hub("channels", "--url", "http://127.0.0.1:1", "show", "X")

    assert "127.0.0.1:1" in told.sentence


def test_the_help_names_every_command(hub: Run) -> None:
    told = hub("--help")

    assert told.code == 0
    assert all(f"  {command} " in told.out for command in COMMANDS)


def test_a_token_is_made_without_the_secrets_of_others(hub: Run) -> None:
    Path("hub.toml").write_text(
        '[[hook]]\nid = "oms"\nurl = "https://oms.example/hook"\nsecret_env = "NOT_HERE"\n'
        '[[source]]\nid = "pos"\nadapter = "standard_webhooks"\nsecret_env = "NOR_THIS"\n'
    )

    made = hub("token", "--sub", "till-7", "--config", "hub.toml")

    assert (made.code, made.err) == (0, "")
    assert jwt.decode(made.out.strip(), options={"verify_signature": False})["sub"] == "till-7"
    assert "NOT_HERE is not set" in hub("check", "hub.toml").err


def test_no_command_at_all_shows_the_help(hub: Run) -> None:
    told = hub()

    assert (told.code, told.out) == (2, "")
    assert told.err.startswith("Usage: ")


def test_the_version_is_told(hub: Run) -> None:
    told = hub("--version")

    assert told.code == 0
    assert told.out.startswith("hub 0.")


@pytest.mark.parametrize(
    ("arguments", "about"),
    [
        (["sell"], "sell"),
        (["serve", "--fast"], "--fast"),
        (["serve", "extra"], "extra"),
        (["serve", "--config"], "--config"),
        (["serve", "--config", "none.toml"], "none.toml"),
        (["serve", "--log-level", "loud"], "--log-level"),
        (["token"], "--sub"),
        (["token", "--sub", "pos-1", "--config", "none.toml"], "none.toml"),
        (["token", "--sub", "pos-1", "--ttl", "8"], "--ttl 8"),
        (["token", "--sub", "pos-1", "--ttl", "0h"], "--ttl 0h"),
        (["token", "--sub", "pos-1", "--ttl", "-1h"], "--ttl"),
        (["token", "--sub", "pos-1", "--ttl", "8 hours"], "--ttl"),
        (["token", "--sub", "pos-1", "--ttl", "9999999d"], "--ttl"),
        (["token", "--sub", "pos-1", "--scope", "events:wrote"], "events:wrote"),
        (["token", "--sub", "a b"], "sub"),
        (["token", "--sub", ""], "sub"),
        (["token", "--sub", "pos-1", "--location", "Lon don"], "locations"),
        (["token", "--sub", "pos-1", "--key", "--scope", "nope"], "nope"),
        (["token", "--sub", "a b", "--key"], "sub"),
        (["reload", "extra"], "extra"),
        (["reload", "--config", "none.toml"], "none.toml"),
        (["reload", "--url", "http://127.0.0.1:1"], "no hub answers at http://127.0.0.1:1"),
        (["reload", "--url", "nowhere"], "nowhere"),
        (["replay"], "FILE"),
        (["import"], "FILE"),
        (["import", "books.csv", "--kind", "guess"], "--kind"),
        (["replay", "history.csv", "--columns", "colour=x"], "--columns"),
        (["replay", "history.csv", "--columns", "sku=x"], "quantity"),
        (["replay", "history.csv", "--house", "--columns", "sku"], "--columns"),
        (["demo", "--data-dir"], "--data-dir"),
        (["parked", "--config", "none.toml"], "none.toml"),
        (["parked", "--url", "nowhere"], "nowhere"),
        (["parked", "--url", "http://127.0.0.1:9"], "http://127.0.0.1:9"),
        (["load", "--url", "http://10.1.2.3:8080"], "--yes-really-load http://10.1.2.3:8080"),
        (["load", "--url", "nowhere"], "nowhere is not an address"),
        (["load", "--url", "http://127.0.0.1:9", "--live", "ws://10.1.2.3:8081"], "another machine"),
        (["load", "--url", "http://127.0.0.1:9"], "no hub answers at http://127.0.0.1:9"),
        (["load", "--live", "ws://127.0.0.1:1"], "--url"),
        (["load", "--rate", "0"], "--rate"),
        (["load", "--warmup", "10"], "--warmup"),
        (["load", "--sockets", "1", "--watch", "500"], "--watch"),
        (["load", "--pool", "gulf", "--location", "PAR-FSH", "--name", "a b"], "--name"),
        (["load", "--json", "no/such/folder.json"], "no/such/folder.json"),
        (["check", "a.toml", "b.toml"], "b.toml"),
    ],
    ids=" ".join,
)  # fmt: skip
def test_a_wrong_use_is_told_in_one_sentence(hub: Run, arguments: list[str], about: str) -> None:
    assert about in hub(*arguments).sentence


@pytest.mark.parametrize(
    ("text", "about"),
    [
        ("[hub", "hub.toml:1"),
        ("[hub]\nhtpp = 1\n", "hub.toml:2"),
        ("[hub]\nhttp = 8080\n", "hub.toml:2"),
        ('[hub]\nhttp = "127.0.0.1:99999"\n', "hub.toml:2"),
        ('[[pool]]\nid = "online"\nlocations = ["NOWHERE"]\n', "hub.toml:3"),
        ("\x00", "hub.toml"),
    ],
)
def test_a_bad_file_is_told_with_its_line(hub: Run, tmp_path: Path, text: str, about: str) -> None:
    (tmp_path / "hub.toml").write_text(text)

    assert about in hub("serve", "--config", "hub.toml").sentence
    assert about in hub("token", "--sub", "pos-1", "--config", "hub.toml").sentence
    checked = hub("check")
    assert checked.code == 2
    assert about in checked.err


def test_a_folder_in_place_of_a_file_is_told(hub: Run, tmp_path: Path) -> None:
    assert "directory" in hub("serve", "--config", str(tmp_path)).sentence
    assert "directory" in hub("check", str(tmp_path)).sentence


def test_a_variable_that_the_hub_does_not_know_is_told(hub: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUB_REDIS_ULR", "redis://127.0.0.1")

    assert "HUB_REDIS_ULR" in hub("token", "--sub", "pos-1").sentence


def test_a_good_file_is_called_good(hub: Run, tmp_path: Path) -> None:
    (tmp_path / "hub.toml").write_text(HOUSE)

    told = hub("check")

    assert (told.code, told.err) == (0, "")
    assert told.out == "hub.toml: good · 3 locations · 4 pools · 3 SKUs\n"


def test_a_check_leaves_no_key_behind(hub: Run, tmp_path: Path) -> None:
    (tmp_path / "hub.toml").write_text(HOUSE)

    assert hub("check").code == 0

    assert [path.name for path in tmp_path.iterdir()] == ["hub.toml"]


def test_a_reload_of_a_bad_file_is_refused_with_every_mistake(hub: Run, tmp_path: Path) -> None:
    (tmp_path / "hub.toml").write_text("[hub]\nhttp = 8080\nadmin = 7\n")

    told = hub("reload", "--config", "hub.toml")

    assert (told.code, told.out) == (1, "")
    *mistakes, whose = told.err.splitlines()
    assert [line.split(": ")[0] for line in mistakes] == ["hub.toml:2", "hub.toml:3"]
    # A secret may be in the hub's environment and not in this one's.
    assert "this command's environment" in whose


def test_every_mistake_of_a_file_has_its_own_line(hub: Run, tmp_path: Path) -> None:
    (tmp_path / "hub.toml").write_text("[hub]\nhttp = 8080\nadmin = 7\ncolour = 1\n")

    told = hub("check", "hub.toml")

    assert told.code == 2
    assert [line.split(": ")[0] for line in told.err.splitlines()] == ["hub.toml:2", "hub.toml:3", "hub.toml:4"]


def test_checking_a_file_that_is_not_there_is_told(hub: Run) -> None:
    told = hub("check", "none.toml")

    assert told.code == 2
    assert "none.toml" in told.err
    assert len(told.err.splitlines()) == 1


def test_a_token_stands_alone_on_the_last_line_and_holds_without_a_file(hub: Run, tmp_path: Path) -> None:
    told = hub("token", "--sub", "pos-1", "--scope", "events:write", "--scope", "feed:read", "--ttl", "90s")

    assert told.code == 0
    token = told.out.splitlines()[-1]
    claims = Access(with_a_key(load(None, {}).access, tmp_path / "hub-data")).authenticate_token(token, time())
    assert (claims.sub, claims.source) == ("pos-1", "pos-1")
    assert claims.scope == {"events:write", "feed:read"}
    assert (claims.pools, claims.locations) == ({"*"}, {"*"})
    assert claims.exp is not None
    assert 80 < claims.exp - time() <= 90


def test_a_token_names_its_pools_locations_and_source(hub: Run) -> None:
    told = hub(
        *("token", "--sub", "pos-1", "--source", "till-7", "--pool", "store", "--pool", "vip", "--location", "LON-KNB")
    )

    claims = jwt.decode(told.out.splitlines()[-1], options={"verify_signature": False})
    assert claims["source"] == "till-7"
    assert (claims["pools"], claims["locations"]) == (["store", "vip"], ["LON-KNB"])
    assert not claims["scope"]


def test_the_key_that_signs_is_made_in_the_folder_of_the_file_and_only_once(
    hub: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "house").mkdir()
    (tmp_path / "house" / "hub.toml").write_text(HOUSE + '[hub]\ndata_dir = "./kept"\n')

    first = hub("token", "--sub", "pos-1", "--config", "house/hub.toml")
    key = load_or_make_key(tmp_path / "house" / "kept")
    second = hub("token", "--sub", "pos-1", "--config", "house/hub.toml")

    assert key.secret is not None
    for told in (first, second):
        jwt.decode(told.out.split()[-1], key.secret.reveal(), algorithms=["HS256"])
    assert (tmp_path / "house" / "kept" / "jwt.key").stat().st_mode & 0o777 == 0o600


def test_an_opaque_key_is_printed_alone_and_its_table_beside_it(hub: Run, tmp_path: Path) -> None:
    told = hub("token", "--sub", "old-till", "--key", "--scope", "events:write", "--pool", "store")

    assert told.code == 0
    [text] = told.out.splitlines()
    assert text not in told.err
    file = tmp_path / "hub.toml"
    file.write_text(HOUSE + told.err)
    claims = Access(load(file, {}).access).authenticate_token(text, time())
    assert (claims.sub, claims.source, claims.exp) == ("old-till", "old-till", None)
    assert (claims.scope, claims.pools, claims.locations) == ({"events:write"}, {"store"}, {"*"})


def test_a_token_of_a_hub_that_can_only_verify_is_refused(hub: Run, tmp_path: Path) -> None:
    public = Ed25519PrivateKey.generate().public_key()
    (tmp_path / "shop.pem").write_bytes(public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    (tmp_path / "hub.toml").write_text(
        f'{HOUSE}[[jwt]]\nkid = "shop"\nalgorithm = "EdDSA"\npublic_key_file = "shop.pem"\n'
    )

    assert "no configured [[jwt]] key can sign" in hub("token", "--sub", "p", "--config", "hub.toml").sentence


async def test_replaying_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    told = await run_apart("replay", "none.csv", "--token", "x", cwd=tmp_path)

    assert "none.csv" in told.sentence


async def test_replaying_at_a_speed_that_is_none_is_told(tmp_path: Path) -> None:
    (tmp_path / "history.csv").write_text(HEADER + "1,BAG,1,2010-12-01T08:26:00\n")

    told = await run_apart("replay", "history.csv", "--location", "LON-KNB", "--speed", "0x", cwd=tmp_path)

    assert "--speed" in told.sentence


@pytest.mark.parametrize("name", ["http", "live", "admin"])
async def test_a_port_in_use_is_told_before_anything_is_left_running(tmp_path: Path, name: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        ports = {"http": 0, "live": 0, "admin": 0, name: taken.getsockname()[1]}
        doors = "".join(f'{door} = "127.0.0.1:{port}"\n' for door, port in ports.items())
        (tmp_path / "hub.toml").write_text(f"{HOUSE}[hub]\n{doors}")

        told = await run_apart("serve", "--config", "hub.toml", cwd=tmp_path)

    assert told.code == 2
    assert f"hub: cannot listen on 127.0.0.1:{ports[name]}: another program has it" == told.err.splitlines()[-1]
    assert "Traceback" not in told.err


def test_check_warns_of_a_rule_without_effect_and_finds_the_file_good(hub: Run, tmp_path: Path) -> None:
    house = "[[location]]\nid = 'A'\nkind = 'store'\n[[location]]\nid = 'B'\nkind = 'store'\n"
    house += "[[pool]]\nid = 'p'\nlocations = ['A']\n[[rule]]\nlocation = 'B'\nbuffer = 1\n"
    (tmp_path / "hub.toml").write_text(house + '[hub]\nadmin = "127.0.0.1:1"\n')

    told = hub("check", "hub.toml")

    assert told.code == 0, told
    assert told.out.startswith("hub.toml: good")
    assert told.err.splitlines()[0] == (
        'warning: hub.toml:11: rule[0].location: the rule has no effect: no pool sees "B"'
    )
