"""The settings: what wins, what is refused, and where the reader is sent to mend it."""

import re
from pathlib import Path

import msgspec
import pytest

from hub.access import JwtKey, OpaqueKey, Secret, SourceSecrets
from hub.domain.catalogue import HouseSettings
from hub.faults import SettingsInvalid
from hub.settings import (
    KEYS_ONLY,
    NO_KEEPER,
    DropSettings,
    HubSettings,
    LedgerSettings,
    LimitsSettings,
    RedisSettings,
    Settings,
    check,
    load,
    needs_restart,
)

DEPLOYED = Path(__file__).parent.parent / "deploy" / "hub.toml"
SECRET = "a secret of at least thirty-two bytes"
HOOK_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "hub.toml"


def problems(file: Path, text: str, **environ: str) -> list[str]:
    """What is wrong, without the folder."""
    file.write_text(text, "utf-8")
    return [line.removeprefix(f"{file.parent}/") for line in check(file, environ)]


def test_the_deployed_file_says_every_default() -> None:
    here = HubSettings(data_dir=DEPLOYED.parent / "hub-data")

    assert load(DEPLOYED, {}) == Settings(hub=here)


@pytest.mark.parametrize("part", [HubSettings, RedisSettings, LedgerSettings, LimitsSettings])
def test_the_deployed_file_names_every_setting(part: type[msgspec.Struct]) -> None:
    text = DEPLOYED.read_text("utf-8")

    missing = [name for name in part.__struct_fields__ if not re.search(rf"^#?{name} = ", text, re.MULTILINE)]

    assert missing == []


def test_the_examples_of_the_deployed_file_are_a_sound_house(tmp_path: Path) -> None:
    settings, examples = DEPLOYED.read_text("utf-8").split("# -----", maxsplit=1)
    text = re.sub(r"^#(?=\[|\w+ = )", "", examples, flags=re.MULTILINE)
    (tmp_path / "hub.toml").write_text(settings + "# " + text, "utf-8")
    (tmp_path / "storefront-public.pem").write_text(
        "-----BEGIN PUBLIC KEY-----\n"
        "MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n"
        "-----END PUBLIC KEY-----\n"
    )

    (tmp_path / "skus.csv").write_text("sku,category\nBAG-ROUGE,bags\n")

    secrets = {"HUB_JWT_SECRET": SECRET, "OMS_HOOK_SECRET": HOOK_SECRET}
    secrets |= {"SHOPIFY_EU_SECRET": "one two", "SHOPIFY_EU_TOKEN": "three"}
    loaded = load(tmp_path / "hub.toml", secrets)

    assert [sku.id for sku in loaded.house.skus] == ["BAG-NOIR", "BAG-ROUGE"]
    assert [pool.id for pool in loaded.house.pools] == ["online", "store"]
    assert [len(loaded.access.jwt_keys), len(loaded.house.rules), len(loaded.hooks)] == [2, 3, 1]
    assert [(drop.folder, drop.source) for drop in loaded.drops] == [(tmp_path / "drop/erp", "erp")]
    assert [channel.id for channel in loaded.channels] == ["shopify-eu", "marketplace"]
    assert loaded.secrets == (SourceSecrets("shopify-eu", (Secret("one"), Secret("two")), Secret("three")),)


def test_without_a_file_there_is_a_sample_house_and_its_data_in_the_working_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    settings = load(None, {})

    assert settings.hub.data_dir == tmp_path / "hub-data"
    assert [pool.id for pool in settings.house.pools] == ["online", "store", "vip", "gulf"]
    assert len(settings.house.locations) == 5


def test_the_environment_beats_the_file_and_the_file_the_defaults(file: Path) -> None:
    file.write_text('[hub]\nhttp = "127.0.0.1:1"\nlive = "127.0.0.1:2"\n[limits]\nledger_wait_ms = 1\n')
    environ = {
        "HUB_HTTP": "0.0.0.0:9",
        "HUB_ORIGINS": "https://a.example, https://b.example",
        "HUB_REDIS_URL": "redis://r:6379",
        "HUB_LEDGER_DSN": "postgresql://p/hub",
        "HUB_LIMITS_LEDGER_WAIT_MS": "7",
    }

    settings = load(file, environ)

    assert (settings.hub.http, settings.hub.live) == ("0.0.0.0:9", "127.0.0.1:2")
    assert settings.hub.admin == HubSettings().admin
    assert settings.hub.origins == ("https://a.example", "https://b.example")
    assert (settings.redis.url, settings.ledger.dsn) == ("redis://r:6379", "postgresql://p/hub")
    assert settings.limits.ledger_wait_ms == 7


@pytest.mark.parametrize("environ", [{}, {"HUB_DATA_DIR": "data"}])
def test_relative_paths_are_relative_to_the_files_folder(file: Path, environ: dict[str, str]) -> None:
    file.write_text('[hub]\ndata_dir = "./data"\n')

    assert load(file, environ).hub.data_dir == file.parent / "data"


def test_variables_of_tests_of_kubernetes_and_named_secrets_are_no_settings(file: Path) -> None:
    text = '[[jwt]]\nkid = "k"\nalgorithm = "HS256"\nsecret_env = "HUB_JWT_SECRET"\n'
    environ = {
        "HUB_TEST_X": "1",
        "HUB_PORT": "tcp://10.0.0.1:80",
        "HUB_LIVE_SERVICE_HOST": "10.0.0.2",
        "HUB_PORT_8080_TCP_ADDR": "10.0.0.1",
        "HUB_JWT_SECRET": SECRET,
    }

    assert problems(file, text, **environ) == []


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("HUB_LIVEX", "1", 'is not a variable the hub knows; did you mean "HUB_LIVE"?'),
        ("HUB_HTTP", "8080", 'must be host:port, like "127.0.0.1:8080"; unset it for the default'),
        ("HUB_HTTP", "127.0.0.1:99999", "a port is at most 65535, not 99999"),
        (
            "HUB_REDIS_URL",
            "",
            'must be an address like "redis://10.0.0.5:6379/0"; unset it for the default',
        ),
    ],
)
def test_a_wrong_variable_is_named(file: Path, variable: str, value: str, said: str) -> None:
    assert problems(file, "", **{variable: value}) == [f"environment: {variable}: {said}"]


def test_secrets_come_from_the_environment_or_a_file_and_are_not_shown(file: Path) -> None:
    (file.parent / "key").write_text(f"{SECRET}\n")
    hash = "sha256:" + "0" * 64
    text = (
        '[[jwt]]\nkid = "a"\nalgorithm = "HS256"\nsecret_env = "A"\n'
        '[[jwt]]\nkid = "b"\nalgorithm = "HS256"\nsecret_file = "key"\n'
        f'[[key]]\nid = "till"\nhash = "{hash}"\nsub = "pos-1"\nscope = ["events:write"]\n'
    )
    file.write_text(text)

    settings = load(file, {"A": SECRET})

    secret = Secret(SECRET)
    assert settings.access.jwt_keys == (JwtKey("a", "HS256", secret), JwtKey("b", "HS256", secret))
    till = OpaqueKey("till", hash, "pos-1", scope=("events:write",))
    assert settings.access.opaque_keys == (till,)
    assert SECRET not in repr(settings)


def test_what_a_command_does_not_use_is_not_asked_for(file: Path) -> None:
    hash = "sha256:" + "0" * 64
    file.write_text(
        '[[jwt]]\nkid = "a"\nalgorithm = "HS256"\nsecret_env = "A"\n'
        f'[[key]]\nid = "till"\nhash = "{hash}"\nsub = "pos-1"\n'
        '[[hook]]\nid = "oms"\nurl = "https://oms.example/hook"\nsecret_env = "OMS"\n'
        '[[source]]\nid = "pos"\nadapter = "standard_webhooks"\nsecret_file = "pos.secret"\n'
    )

    nothing, keys = load(file, {}, NO_KEEPER), load(file, {"A": SECRET}, KEYS_ONLY)

    assert [key.kid for key in keys.access.jwt_keys] == ["a"]
    for settings in (nothing, keys):
        assert [(hook.id, hook.url.reveal(), hook.secrets.reveal()) for hook in settings.hooks] == [
            ("oms", "https://oms.example/hook", "")
        ]
        assert not settings.secrets
        assert [key.id for key in settings.access.opaque_keys] == ["till"]
    assert not nothing.access.jwt_keys
    with pytest.raises(SettingsInvalid, match="the environment variable A is not set"):
        load(file, {"OMS": HOOK_SECRET}, KEYS_ONLY)
    with pytest.raises(SettingsInvalid, match=r"A is not set \(and 2 more"):
        load(file, {})


def test_a_mistake_is_told_also_where_no_secret_is_needed(file: Path) -> None:
    file.write_text('[[hook]]\nurl = "https://10.0.0.7/hook"\nsecret_env = "OMS"\n')

    with pytest.raises(SettingsInvalid, match="must not be inside"):
        load(file, {}, NO_KEEPER)


def test_a_key_may_reach_every_pool_and_location(file: Path) -> None:
    hash = "sha256:" + "0" * 64
    file.write_text(f'[[key]]\nid = "k"\nhash = "{hash}"\nsub = "s"\npools = ["*"]\nlocations = ["*"]\n')

    assert load(file, {}).access.opaque_keys == (OpaqueKey("k", hash, "s", pools=("*",), locations=("*",)),)


def test_a_servers_password_comes_from_elsewhere_and_is_not_shown(file: Path) -> None:
    (file.parent / "dsn").write_text("postgresql://hub:geheim@p/hub\n")
    file.write_text('[ledger]\ndsn_file = "dsn"\n')

    settings = load(file, {"HUB_REDIS_URL": "redis://:geheim@r:6379"})

    assert settings.redis.url == "redis://:geheim@r:6379"
    assert settings.ledger.dsn == "postgresql://hub:geheim@p/hub"
    assert "geheim" not in repr(settings)


def test_the_environment_wins_over_an_address_in_a_file(file: Path) -> None:
    file.write_text('[redis]\nurl_file = "not there"\n')

    assert load(file, {"HUB_REDIS_URL": "redis://r"}).redis.url == "redis://r"


def test_loading_names_the_first_problem_and_how_many_more(file: Path) -> None:
    file.write_text("[hub]\na = 1\nb = 2\nc = 3\n")

    with pytest.raises(SettingsInvalid, match=r"hub\.toml:2: hub\.a: .*\(and 2 more: see `hub check`\)$"):
        load(file, {})


def test_a_file_that_is_not_there_is_said_to_be(file: Path) -> None:
    with pytest.raises(SettingsInvalid, match=r"hub\.toml: cannot be read: No such file or directory"):
        load(file, {})


def test_the_file_of_the_wire_contract_is_accepted(file: Path) -> None:
    text = """
[hub]
http = "127.0.0.1:8080"
data_dir = "./hub-data"
[[location]]
id = "LON-KNB"
kind = "store"
country = "GB"
[[location]]
id = "DC-LYON"
kind = "warehouse"
[[pool]]
id = "online"
locations = ["LON-KNB", "DC-LYON"]
public = true
low = 2
cap = 10
  [[pool.group]]
  id = "boutiques"
  kinds = ["store"]
  threshold = 3
[[rule]]
pool = "online"
category = "watches"
buffer = 1
[[source]]
id = "shopify-eu"
adapter = "shopify"
secret_env = "SHOPIFY_EU_SECRET"
pool = "online"
locations = { "655441491" = "DC-LYON" } # theirs = ours
[[sku]]
id = "BAG-NOIR"
category = "bags"
aliases = ["3607340000001"]
"""
    assert problems(file, text, SHOPIFY_EU_SECRET="secret") == []


def test_skus_come_from_a_csv_beside_the_file_and_tables_win(tmp_path: Path) -> None:
    (tmp_path / "skus.csv").write_text("sku,category,aliases,colour\nBAG,bags,360734,noir\nWATCH,watches,,\n")
    (tmp_path / "hub.toml").write_text('[catalogue]\ncsv = "skus.csv"\n[[sku]]\nid = "BAG"\ncategory = "gifts"\n')

    skus = load(tmp_path / "hub.toml", {}).house.skus

    assert [(sku.id, sku.category) for sku in skus] == [("BAG", "gifts"), ("WATCH", "watches")]


def test_mistakes_in_a_csv_of_skus_are_told_with_its_lines(tmp_path: Path) -> None:
    rows = "sku,aliases\nBAG,1\nBAG,2\nHAT,1\nOLD\n,3\n" + f"{'x' * 200},\n"
    (tmp_path / "skus.csv").write_text(rows)
    (tmp_path / "hub.toml").write_text('[catalogue]\ncsv = "skus.csv"\n[[sku]]\nid = "NEW"\naliases = ["OLD"]\n')

    told = check(tmp_path / "hub.toml", {})

    assert [line.split("skus.csv:")[1].split(":")[0] for line in told] == ["3", "4", "5", "6", "7"]
    assert all(f"{tmp_path}/hub.toml:2: catalogue.csv: " in line for line in told)


@pytest.mark.parametrize("content", [None, b"", b"\xff", b"category\nbags\n"])
def test_a_csv_of_skus_that_is_none_is_told(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "skus.csv").write_bytes(content)
    (tmp_path / "hub.toml").write_text('[catalogue]\ncsv = "skus.csv"\n')

    [told] = check(tmp_path / "hub.toml", {})

    assert "skus.csv" in told


def test_what_a_running_hub_cannot_take_is_named() -> None:
    running = load(None, {})
    wanted = load(None, {"HUB_HTTP": "127.0.0.1:9", "HUB_LIMITS_STOP_SECONDS": "3"})

    assert needs_restart(running, running) == []
    assert needs_restart(running, wanted) == ["hub.http", "limits.stop_seconds"]
    drops = (DropSettings(folder=Path("erp"), source="erp"),)
    assert needs_restart(running, msgspec.structs.replace(running, drops=drops)) == ["drop"]
    changed = msgspec.structs.replace(wanted, house=HouseSettings())
    assert needs_restart(wanted, changed) == []


def test_a_house_that_no_partition_holds_is_refused(tmp_path: Path) -> None:
    name = "x" * 128
    lines = "".join(
        f'[[source]]\nid = "s-{n}"\nadapter = "a"\nlocations = {{ {_theirs(n, name)} }}\n' for n in range(900)
    )
    (tmp_path / "hub.toml").write_text('[[location]]\nid = "A"\nkind = "store"\n' + lines)

    assert any("MiB" in line for line in check(tmp_path / "hub.toml", {}))


def _theirs(number: int, name: str) -> str:
    return ", ".join(f'"{number}-{place}-{name}" = "A"' for place in range(80))


HOOK = '[[hook]]\nsecret_env = "OMS"\n'


def test_a_hook_has_a_name_and_shows_neither_its_address_nor_its_secret(file: Path) -> None:
    tables = [
        f'{HOOK}url = "https://oms.example/hook?token=hidden"\n',
        f'{HOOK}url = "https://b.example"\nid = "erp"\n',
    ]
    file.write_text("".join(tables))

    hooks = load(file, {"OMS": HOOK_SECRET}).hooks

    assert [hook.id for hook in hooks] == ["hook-78b51d06d7fa", "erp"]
    assert hooks[0].url.reveal() == "https://oms.example/hook?token=hidden"
    assert "hidden" not in repr(hooks)
    assert HOOK_SECRET not in repr(hooks)


@pytest.mark.parametrize(
    ("lines", "environ", "said"),
    [
        ('url = "https://10.0.0.7/hook"', {}, "hub.toml:3: hook[0].url: must not be inside the hub's own network"),
        ('url = "http://oms.example/hook"', {}, "hub.toml:3: hook[0].url: must begin with https://"),
        ('url = "https://user:word@oms.example"', {}, "hub.toml:3: hook[0].url: must name nobody before its host"),
        ('url = "https://oms.example"\ntypes = ["sale"]', {}, "hub.toml:4: hook[0].types: there is no type `sale`"),
        (
            'url = "https://oms.example"',
            {"OMS": "short"},
            "hub.toml:2: hook[0].secret_env: the environment variable OMS",
        ),
        ('url = "https://oms.example"', {"OMS": ""}, "hub.toml:2: hook[0].secret_env: the environment variable OMS is"),
        ('url = "ftp://oms.example"', {}, "hub.toml:3: hook[0].url: must be an address with https://"),
        (
            f'url = "https://oms.example"\n{HOOK}url = "https://oms.example"',
            {},
            'hub.toml:4: hook[1].id: "hook-',
        ),
        (
            'url = "https://oms.example"\n[hub]\nhooks_may_reach = ["10.0.0.1/8"]',
            {},
            "hub.toml:5: hub.hooks_may_reach[0]: must be a network",
        ),
    ],
)
def test_what_is_wrong_with_a_hook_is_said_with_its_line(
    file: Path, lines: str, environ: dict[str, str], said: str
) -> None:
    [problem] = problems(file, f"{HOOK}{lines}\n", **({"OMS": HOOK_SECRET} | environ))

    assert problem.startswith(said)
    assert "word" not in problem
    assert "short" not in problem


def test_networks_that_hooks_may_reach_come_from_the_environment_too(file: Path) -> None:
    file.write_text(f'{HOOK}url = "http://10.0.0.7/hook"\n')

    settings = load(file, {"OMS": HOOK_SECRET, "HUB_HOOKS_MAY_REACH": "10.0.0.0/8, ::1"})

    assert settings.hub.hooks_may_reach == ("10.0.0.0/8", "::1")
    assert len(settings.hooks) == 1


CHANNEL = """
[[pool]]
id = "online"

[[pool]]
id = "gulf"
show = "status"

[[source]]
id = "shop"
adapter = "woocommerce"
secret_env = "SHOP"
token_env = "SHOP"
api_url = "https://shop.example"
{source}
[[source]]
id = "till"
adapter = "zettle"
secret_env = "SHOP"
api_url = "https://till.example"

[[source]]
id = "plain"

[[source]]
id = "mall"
adapter = "bigcommerce"
secret_env = "SHOP"
token_env = "SHOP"
api_url = "https://mall.example"

[[source]]
id = "boutique"
adapter = "shopify"
secret_env = "SHOP"
token_env = "SHOP"
api_url = "https://boutique.example"

[[channel]]
id = "one"
{channel}
"""


@pytest.mark.parametrize(
    ("channel", "said"),
    [
        ('source = "shop"\npool = "onlin"', 'channel[0].pool: "onlin" is no pool of the house; did you mean "online"?'),
        ('source = "shop"\npool = "gulf"', 'channel[0].pool: the pool gulf has show = "status", so it has no number'),
        ('source = "sho"\npool = "online"', 'channel[0].source: "sho" is no source of the house'),
        ('pool = "online"', "channel[0]: give it a source, whose shop is told, or a file, one of them"),
        ('source = "shop"\nfile = "x"\npool = "online"', "channel[0]: give it a source, whose shop is told, or a file"),
        (
            'source = "till"\npool = "online"',
            "channel[0].source: the source till cannot be told: its adapter zettle cannot tell a shop",
        ),
        ('source = "plain"\npool = "online"', "channel[0].source: the source plain cannot be told: it has no adapter"),
        (
            'source = "shop"\npool = "online"\nrequests_per_second = 900',
            "channel[0].requests_per_second: is more than the adapter woocommerce allows",
        ),
        (
            'source = "shop"\npool = "online"\nevery_seconds = 5',
            "channel[0].every_seconds: is without effect in a channel with a source",
        ),
        ('file = "x"\nlocation = "7"\npool = "online"', "channel[0].location: is without effect in a channel with a f"),
        (
            'source = "shop"\npool = "online"\n[[channel]]\nid = "two"\nsource = "shop"\npool = "online"',
            "channel[1]: the channel one tells the same place",
        ),
        (
            'source = "mall"\npool = "online"\n[[channel]]\nid = "two"\nsource = "mall"\npool = "online"\nlocation="7"',
            "channel[1]: the channel one tells the same account; name a location in each of them",
        ),
        (
            'source = "boutique"\npool = "online"',
            "channel[0].location: is missing: shopify counts by place, so say which by its own id of it",
        ),
        (
            'source = "boutique"\npool = "online"\nlocation = "LON-KNB"',
            'channel[0].location: "LON-KNB" is no id of a place at shopify; those match [0-9]+',
        ),
        (
            'source = "shop"\npool = "online"\nlocation = "7"',
            "channel[0].location: is without effect: woocommerce counts one number for all places",
        ),
        (
            'file = "x"\npool = "online"\n[[channel]]\nid = "one"\nfile = "y"\npool = "online"',
            'channel[1].id: "one" stands in channel[0] too',
        ),
    ],
)
def test_what_is_wrong_with_a_channel_is_said_with_its_line(file: Path, channel: str, said: str) -> None:
    [problem] = problems(file, CHANNEL.format(source="", channel=channel), SHOP="word")

    assert said in problem
    assert re.match(r"hub\.toml:\d\d: ", problem)


def test_a_source_that_masters_its_stock_is_not_told_its_own_numbers(file: Path) -> None:
    text = CHANNEL.format(source='levels = "count"', channel='source = "shop"\npool = "online"')

    [problem] = problems(file, text, SHOP="word")

    assert 'channel[0].source: the source shop has levels = "count"' in problem


def test_a_channel_needs_an_address_and_a_token(file: Path) -> None:
    text = CHANNEL.format(source="", channel='source = "shop"\npool = "online"').replace('token_env = "SHOP"\n', "")

    [problem] = problems(file, text, SHOP="word")

    assert "channel[0].source: the source shop needs an api_url and a token" in problem


def test_a_file_of_a_channel_is_relative_to_the_files_folder(file: Path) -> None:
    file.write_text(CHANNEL.format(source="", channel='file = "offers/../x.csv"\npool = "online"'))

    [channel] = load(file, {"SHOP": "word"}).channels

    assert (channel.file, channel.every_seconds, channel.columns) == (file.parent / "x.csv", 300, ("sku", "quantity"))
