"""What a name, id or quantity may look like."""

import unicodedata

import msgspec
import pytest

from protocol.identifiers import Name, OpaqueId, Quantity, Sku, Text, Time, nfc


def accepts(type_: object, value: object) -> bool:
    try:
        msgspec.json.decode(msgspec.json.encode(value), type=type_)
    except msgspec.ValidationError:
        return False
    return True


@pytest.mark.parametrize("name", ["a", "LON-KNB", "a.b_c-9", "x" * 64])
def test_a_name_is_letters_digits_and_three_signs(name: str) -> None:
    assert accepts(Name, name)


@pytest.mark.parametrize("name", ["", "x" * 65, "a b", "a/b", "é", "a\n", "\na", "*", "a\x00", "ａ"])
def test_a_name_is_nothing_else(name: str) -> None:
    assert not accepts(Name, name)


@pytest.mark.parametrize("sku", ["B", "sac à main / noir", "x" * 128, "🎒", "a\u2028b", "{}[]\"'"])
def test_a_sku_may_have_any_character_but_controls(sku: str) -> None:
    assert accepts(Sku, sku)


@pytest.mark.parametrize("sku", ["", "x" * 129, "a\n", "\t", "a\x00b", "\x7f", "\x85", "\x9f"])
def test_a_sku_of_a_wrong_length_or_with_a_control_character_is_refused(sku: str) -> None:
    assert not accepts(Sku, sku)


def test_an_id_of_another_system_has_up_to_200_characters() -> None:
    assert accepts(OpaqueId, "é" * 200)
    assert not accepts(OpaqueId, "é" * 201)
    assert not accepts(OpaqueId, "")
    assert not accepts(OpaqueId, "a\r")


def test_a_text_may_be_empty_but_not_have_a_control_character() -> None:
    assert accepts(Text, "")
    assert not accepts(Text, "x" * 201)
    assert not accepts(Text, "two\nlines")


def test_a_quantity_is_one_to_a_million() -> None:
    assert accepts(Quantity, 1)
    assert accepts(Quantity, 1_000_000)
    assert not accepts(Quantity, 0)
    assert not accepts(Quantity, 1_000_001)


def test_a_time_without_an_offset_is_refused() -> None:
    assert accepts(Time, "2026-11-22T10:00:00+01:00")
    assert not accepts(Time, "2026-11-22T10:00:00")
    assert not accepts(Time, 1795341600)


def test_two_spellings_that_look_alike_become_one() -> None:
    composed, decomposed = "Hermès", unicodedata.normalize("NFD", "Hermès")

    assert decomposed != composed
    assert nfc(decomposed) == nfc(composed) == composed
    assert nfc("BAG-NOIR") == "BAG-NOIR"
