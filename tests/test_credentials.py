"""The keys that vouch for a sender: hidden, made once, and refused when they are not fit for use."""

import os
import re
import stat
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path

import pytest

from hub.credentials import (
    AccessSettings,
    JwtKey,
    OpaqueKey,
    Secret,
    load_or_make_key,
    new_opaque_key,
    signing_key,
    with_a_key,
)
from hub.faults import ServerRefused

SECRET = "geheim-geheim-geheim-geheim-geheim-geheim"


def test_a_secret_is_in_no_repr() -> None:
    key = JwtKey("k", "HS256", Secret(SECRET))

    assert SECRET not in f"{key!r} {key} {AccessSettings((key,))!r} {[key.secret]}"
    assert key.secret is not None
    assert key.secret.reveal() == SECRET


def test_secrets_are_equal_when_their_texts_are() -> None:
    assert Secret("é") == Secret("é")
    assert hash(Secret("é")) == hash(Secret("é"))
    assert Secret("é") != Secret("e")
    assert Secret("é") != "é"


def test_the_key_is_made_once_and_only_its_owner_can_read_it(tmp_path: Path) -> None:
    data_dir = tmp_path / "deep" / "hub-data"

    made, again = load_or_make_key(data_dir), load_or_make_key(data_dir)

    assert made == again
    assert (made.kid, made.algorithm) == ("local", "HS256")
    assert stat.S_IMODE((data_dir / "jwt.key").stat().st_mode) == 0o600
    assert [entry.name for entry in data_dir.iterdir()] == ["jwt.key"]
    assert made.secret is not None
    assert re.fullmatch(r"[A-Za-z0-9_-]{43}", made.secret.reveal())


def test_two_data_folders_have_two_keys(tmp_path: Path) -> None:
    assert load_or_make_key(tmp_path / "a") != load_or_make_key(tmp_path / "b")


def test_all_that_make_the_key_at_once_end_up_with_the_same(tmp_path: Path) -> None:
    for round_ in range(10):
        data_dir = tmp_path / str(round_)
        with ThreadPoolExecutor(8) as pool:
            keys = list(pool.map(lambda _, d=data_dir: load_or_make_key(d), range(8)))

        assert len(set(keys)) == 1
        assert [entry.name for entry in data_dir.iterdir()] == ["jwt.key"]


@pytest.mark.parametrize("text", ["", "short", "x" * 42, "not base64url! " * 5, "\x00" * 50, "é" * 50])
def test_a_damaged_key_is_refused_and_kept(tmp_path: Path, text: str) -> None:
    path = tmp_path / "jwt.key"
    path.write_text(text, encoding="utf-8")
    path.chmod(0o600)

    with pytest.raises(ServerRefused, match="holds no key"):
        load_or_make_key(tmp_path)

    assert path.read_text(encoding="utf-8") == text


@pytest.mark.skipif(os.name != "posix", reason="file modes are a thing of POSIX")
def test_a_key_that_everyone_can_read_is_refused(tmp_path: Path) -> None:
    load_or_make_key(tmp_path)
    (tmp_path / "jwt.key").chmod(0o644)

    with pytest.raises(ServerRefused, match="chmod 600"):
        load_or_make_key(tmp_path)


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")

    with pytest.raises(ServerRefused, match="cannot be read or made"):
        load_or_make_key(tmp_path / "file" / "hub-data")


def test_a_key_is_made_only_where_none_is_configured(tmp_path: Path) -> None:
    configured = AccessSettings((JwtKey("k", "HS256", Secret(SECRET)),))
    opaque_only = AccessSettings(opaque_keys=(OpaqueKey("till", new_opaque_key()[1], "pos-1"),))

    assert with_a_key(configured, tmp_path / "a") is configured
    assert not (tmp_path / "a").exists()
    completed = with_a_key(opaque_only, tmp_path / "b")
    assert completed.opaque_keys == opaque_only.opaque_keys
    assert completed.jwt_keys == (load_or_make_key(tmp_path / "b"),)


def test_the_key_that_signs_is_the_first_that_can() -> None:
    verifies, signs = JwtKey("v", "EdDSA", public_key="…"), JwtKey("s", "HS256", Secret(SECRET))

    assert signing_key(AccessSettings((verifies, signs))) is signs
    assert signing_key(AccessSettings((verifies,))) is None
    assert signing_key(AccessSettings()) is None


def test_an_opaque_key_is_shown_once_and_kept_as_a_hash() -> None:
    (text, hash_), (other, _) = new_opaque_key(), new_opaque_key()

    assert text != other
    assert hash_ == "sha256:" + sha256(text.encode()).hexdigest()
    assert len(text) == 4 + 43
