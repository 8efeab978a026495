"""Mistakes in the settings: each is named with its line and key, and nothing else is."""

from pathlib import Path

import pytest

from hub.settings import check, read

HOUSE = """
[[location]]
id = "KNB"
kind = "store"
[[location]]
id = "FSH"
kind = "store"
[[location]]
id = "LYON"
kind = "warehouse"
[[pool]]
id = "online"
locations = ["KNB", "LYON"]
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "hub.toml"


def problems(file: Path, text: str, **environ: str) -> list[str]:
    """What is wrong, without the folder."""
    file.write_text(text, "utf-8")
    return [line.removeprefix(f"{file.parent}/") for line in check(file, environ)]


# Each stands after HOUSE, whose last line is the 14th and empty: what is written here starts on line 14.
MISTAKES = [
    ("[[rule]]\nsku = 'A'\ncap = 'ten'", "16: rule[0].cap: must be a whole number from -1 to 1000000"),
    ("[[rule]]\nsku = 'A'\nlow = true", "16: rule[0].low: must be a whole number from 0 to 1000000, not true"),
    ("[[rule]]\nsku = 'A'\ncapp = 1", '16: rule[0].capp: is not a key the hub knows; did you mean "cap"?'),
    ("[[rule]]\nsku = 'A'", "14: rule[0]: sets nothing"),
    ("[[rule]]\npool = 'onlin'\nlow = 1", 'no pool of the house; did you mean "online"?'),
    ("[[rule]]\nlocation = 'X'\nbuffer = 1", '15: rule[0].location: "X" is no location of the house'),
    ("[[rule]]\ngroup = 'g'\nbuffer = 1", '15: rule[0].group: "g" is no group that any pool has'),
    ("[[rule]]\nlocation = 'KNB'\nsafety = 1", "16: rule[0].safety: safety holds for a total"),
    ("[[rule]]\nlocation = 'KNB'\nthreshold = 1", "16: rule[0].threshold: threshold holds for a total"),
    ("[[rule]]\nlocation = 'KNB'\nlow = 1", "16: rule[0].low: low holds for a whole pool"),
    ("[[rule]]\nlow = 1\nfrom = 2026-11-22T10:00:00", "16: rule[0].from: must be a time with its offset"),
    (
        "[[rule]]\nlow = 1\nfrom = 2026-11-22T10:00:00Z\nuntil = 2026-11-22T11:00:00+01:00",
        "17: rule[0].until: must be later than from",
    ),
    ("[[location]]\nid = 'KNB'\nkind = 'store'", '15: location[3].id: "KNB" stands in location[0] too'),
    ("[[location]]\nid = 'X'\nkind = 'shop'", '16: location[3].kind: must be one of "store", "warehouse"'),
    ("[[location]]\nid = 'X'", "14: location[3].kind: is missing; give it one of"),
    ("[[location]]\nid = 'X'\nkind = 'store'\ncountry = 'gb'", "17: location[3].country: must be a country"),
    ("[[pool]]\nid = 'online'", '15: pool[1].id: "online" stands in pool[0] too'),
    ("[[pool]]\nid = 'p'\nlocations = [\n 'KNB',\n 'X']", '16: pool[1].locations[1]: "X" is no location'),
    ("[[pool]]\nid = 'p'\nlocations = ['KNB', 'KNB']", '16: pool[1].locations[1]: "KNB" stands here twice'),
    ("[[pool]]\nid = 'p'\nlocations = ['KNB']\nkinds = ['store']", "14: pool[1]: give it locations, or"),
    ("[[pool.group]]\nid = 'g'", "14: pool[0].group[0]: is of no location"),
    ("[[pool.group]]\nid = 'g'\nlocations = ['FSH']", 'pool[0].group[0].locations[0]: "FSH" is no location the'),
    (
        "[[pool.group]]\nid = 'g'\nkinds = ['store']\n[[pool.group]]\nid = 'h'\nlocations = ['KNB']",
        '17: pool[0].group[1]: "KNB" is in group "g" too',
    ),
    ("[[sku]]\nid = 'A'\n[[sku]]\nid = 'B'\naliases = ['A']", '18: sku[1].aliases[0]: "A" is a name of "A"'),
    ("[[sku]]\nid = 'A\\u0301'\n".replace("'", '"') + '[[sku]]\nid = "Á"', "17: sku[1].id:"),
    ("[[status]]\nid = 'damaged'", '15: status[0].id: "damaged" is built in'),
    ("[[kind]]\nid = 'cart'\nlongest_seconds = 599\ndefault_seconds = 60", "16: kind[0].longest_seconds:"),
    ("[[kind]]\nid = 'k'\ndefault_seconds = 9\nlongest_seconds = 8", "16: kind[0].default_seconds:"),
    (
        "[[source]]\nid = 's'\n[source.locations]\n1 = 'X'",
        '17: source[0].locations.1: "X" is no location of the house',
    ),
    ("[[source]]\nid = 's'\nreturns_to = 'shelf'", '16: source[0].returns_to: "shelf" is no status of the house'),
    ("[[source]]\nid = 's'\nurl = 'https://hub.example'", "16: source[0].url: is without effect: the source has no"),
    ("[[source]]\nid = 's'\nadapter = 'standard_webhooks'", "14: source[0]: its adapter checks signatures: give it"),
    ("[[source]]\nid = 's'\npoll_seconds = 60", "16: source[0].poll_seconds: is without effect: the source has no"),
    (
        "[[source]]\nid = 's'\nadapter = 'standard_webhooks'\npoll_seconds = 60",
        "17: source[0].poll_seconds: the adapter standard_webhooks cannot ask what happened",
    ),
    (
        "[[source]]\nid = 's'\nadapter = 'shopify'\npoll_seconds = 60",
        "17: source[0].poll_seconds: needs api_url, and token_env or token_file, to ask with",
    ),
    (
        "[[source]]\nid = 's'\nadapter = 'standard_webhooks'\nsecret_env = 'A_B'\nsecret_file = 'c'",
        "18: source[0].secret_file: give secret_env or secret_file, not both",
    ),
    (
        "[[source]]\nid = 's'\nadapter = 'standard_webhooks'\nsecret_env = 'A_B'",
        "17: source[0].secret_env: the environment variable A_B is not set, of which source s has its secret; "
        "set it and start the hub anew, or use secret_file",
    ),
    (
        "[[source]]\nid = 's'\nadapter = 'standard_webhooks'\nsecret_file = 'none'",
        "17: source[0].secret_file: ",
    ),
    ("[[drop]]\nfolder = 'a'\nsource = 'e'\n[[drop]]\nfolder = 'b'\nsource = 'e'", '19: drop[1].source: "e" stands in'),
    ("[[drop]]\nfolder = 'a'\nsource = 'e'\n[[drop]]\nfolder = './a'\nsource = 'f'", '18: drop[1].folder: "a" stands'),
    ("[[drop]]\nfolder = 'a'\nsource = 'e'\nlocation = 'X'", '17: drop[0].location: "X" is no location of the house'),
    ("[[drop]]\nsource = 'e'", "14: drop[0]"),
    (
        f"[[key]]\nid = 'k'\nsub = 's'\nhash = 'sha256:{'0' * 64}'\npools = ['vip']",
        '18: key[0].pools[0]: "vip" is no pool of the house',
    ),
    ("[hub]\nlive = '127.0.0.1:8080'", "15: hub.live: 127.0.0.1:8080 is the door of http already"),
    ("[hub]\norigins = ['*']", "15: hub.origins[0]: must be scheme://host[:port]"),
    ('[hub]\ndata_dir = "a\\u0000b"', "15: hub.data_dir: must be a path in quotes"),
    ("[limits]\nverify_percent = 51", "15: limits.verify_percent: must be a number from 0 to 50, not 51"),
    ("[limits]\nledger_wait_ms = -1", "15: limits.ledger_wait_ms: must be a whole number from 0 to 10000, not -1"),
    ("[status]\nid = 'x'", "14: status: there can be several of these: write [[status]]"),
    ("[[limits]]", "14: limits: there is one of these: write [limits]"),
    ("[hubb]", "14: hubb: is not a key the hub knows; did you mean"),
]


@pytest.mark.parametrize(("text", "said"), MISTAKES)
def test_a_mistake_is_named_with_its_line_and_key_and_nothing_else_is(file: Path, text: str, said: str) -> None:
    found = problems(file, HOUSE + text)

    assert len(found) == 1
    assert found[0].startswith("hub.toml:")
    assert said in found[0]


SECRET_MISTAKES = [
    ('[redis]\nurl = "redis://u:geheim@r"', "2: redis.url: a password never stands in the file"),
    ('[ledger]\ndsn = "postgresql://p?password=geheim"', "2: ledger.dsn: a password never stands"),
    ('[redis]\nurl = "http://u:geheim@r"', "2: redis.url: must be an address like"),
    ('[redis]\nurl = "redis://r"\nurl_file = "f"', "3: redis.url_file: give url or url_file, not both"),
    ('[redis]\nurl_file = "f"', "2: redis.url_file: {folder}/f cannot be read: No such file"),
    ('[[jwt]]\nkid = "k"\nalgorithm = "HS256"\nsecret = "geheim"', "4: jwt[0].secret: a secret never"),
    ('[[jwt]]\nkid = "k"\nalgorithm = "HS256"', "1: jwt[0]: HS256 takes secret_env or secret_file"),
    ('[[jwt]]\nkid = "k"\nalgorithm = "EdDSA"', "1: jwt[0]: EdDSA takes public_key_file"),
    ('[[jwt]]\nkid = "k"\nalgorithm = "none"', "3: jwt[0].algorithm: must be one of"),
    ('[[jwt]]\nkid = "k"\nalgorithm = "HS256"\nsecret_env = "NO"', "4: jwt[0].secret_env: the environment"),
    ('[[jwt]]\nkid = "k"\nalgorithm = "HS256"\nsecret_env = "SHORT"', "1: jwt[0]: "),
    ('[[key]]\nid = "t"\nsub = "t"\nhash = "geheim"', "1: key[0]: "),
]


@pytest.mark.parametrize(("text", "said"), SECRET_MISTAKES)
def test_a_wrong_secret_is_named_and_never_quoted(file: Path, text: str, said: str) -> None:
    found = "\n".join(problems(file, text, SHORT="geheim"))

    assert f"hub.toml:{said}".format(folder=file.parent) in found
    assert "geheim" not in found


@pytest.mark.parametrize(
    ("text", "said"), [("a = 1\nb =", "hub.toml:2: Invalid value"), ("\n[x\n", "hub.toml:2: Expected ']'")]
)
def test_what_is_no_toml_keeps_its_line(file: Path, text: str, said: str) -> None:
    assert [line.startswith(said) for line in problems(file, text)] == [True]


def test_every_problem_is_listed_in_the_order_of_the_file(file: Path) -> None:
    text = "[hub]\nhtp = 1\n[[pool]]\nid = 'p'\ncap = 'x'\nlocations = ['Y']\n[[location]]\nid = 'X'\n"

    found = problems(file, text, HUB_NO="1")

    keys = [line.split(": ")[1] for line in found]
    assert keys == ["hub.htp", "pool[0].cap", "pool[0].locations[0]", "location[0].kind", "HUB_NO"]


def test_what_only_looks_like_a_header_inside_a_text_is_not_counted(file: Path) -> None:
    text = HOUSE + '[[sku]]\nid = "A"\nattributes.note = """\n[[pool]]\ncap = 1\n"""\n[[pool]]\nid = "p"\ncap = "x"\n'

    assert [line.split(": ")[0] for line in problems(file, text)] == ["hub.toml:22"]


# What is no mistake, and has no effect.
@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "[[rule]]\npool = 'online'\nlocation = 'FSH'\nbuffer = 1",
            'hub.toml:16: rule[0].location: the rule has no effect: the pool "online" does not see "FSH"',
        ),
        (
            "[[rule]]\nlocation = 'FSH'\nbuffer = 1",
            'hub.toml:15: rule[0].location: the rule has no effect: no pool sees "FSH"',
        ),
        (
            "[[pool.group]]\nid = 'g'\nlocations = ['KNB']\n[[rule]]\ngroup = 'g'\nlocation = 'LYON'\nbuffer = 1",
            'hub.toml:19: rule[0].location: the rule has no effect: no pool sees "LYON" in a group "g"',
        ),
        ("[[rule]]\nlocation = 'KNB'\nbuffer = 1", ""),
        ("[[rule]]\npool = 'online'\nbuffer = 1", ""),
    ],
)
def test_a_rule_for_a_location_that_no_pool_of_it_sees_is_warned_of(file: Path, text: str, said: str) -> None:
    assert problems(file, HOUSE + text) == []

    warnings = [line.removeprefix(f"{file.parent}/") for line in read(file, {}).warnings]

    assert warnings == ([said] if said else [])
