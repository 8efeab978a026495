"""Which column is what."""

import pytest

from hub.faults import SettingsInvalid
from hub.replay.layout import layout_of

MAPPING = {"sku": "Article", "quantity": "Pieces", "time": "When"}


def test_the_online_shop_is_known_by_its_header() -> None:
    layout = layout_of("InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice\r\n", None)

    assert (layout.id, layout.sku, layout.quantity, layout.time, layout.location) == (0, 1, 3, 4, None)


def test_the_till_lines_are_known_by_their_header_and_their_stores_get_a_prefix() -> None:
    layout = layout_of("store_id;basket_id;product_id;quantity;transaction_timestamp\n", None)

    assert (layout.location, layout.id, layout.delimiter) == (0, 1, ";")
    assert layout.location_prefix == "store-"


def test_named_columns_are_found_with_either_delimiter() -> None:
    for delimiter in ",;":
        layout = layout_of(delimiter.join(["Pieces", "When", '"Article"', "a,b;c".replace(delimiter, " ")]), MAPPING)

        assert (layout.delimiter, layout.width) == (delimiter, 4)
        assert (layout.quantity, layout.time, layout.sku) == (0, 1, 2)


def test_an_unknown_header_asks_for_the_columns_and_shows_what_is_there() -> None:
    with pytest.raises(SettingsInvalid, match=r"Article, Pieces, When.*--columns"):
        layout_of("Article;Pieces;When\n", None)


def test_a_named_column_that_is_missing_or_there_twice_is_refused() -> None:
    with pytest.raises(SettingsInvalid, match="called When; the file has Article, Pieces"):
        layout_of("Article,Pieces\n", MAPPING)
    with pytest.raises(SettingsInvalid, match="called Article;"):
        layout_of("Article,Pieces,When,Article\n", MAPPING)
