"""A CSV of SKUs is read row by row, and a bad row spoils only itself."""

import pytest

from hub.domain.catalogue import SkuSettings
from hub.domain.sku_table import TableUnreadable, read_sku_table


def test_own_columns_and_any_others_are_read() -> None:
    text = "\ufeffsku,brand, category,aliases,colour,size\r\nBAG,Maison,bags,360734; 99 ;,noir,\r\n\r\nÉTUI,,,,,M\r\n"

    first, second = read_sku_table(text.replace("\r\n", "\n"))

    assert first.sku == SkuSettings("BAG", "bags", "Maison", {"colour": "noir"}, ("360734", "99"))
    assert second.sku == SkuSettings("ÉTUI", attributes={"size": "M"})
    assert (first.line, second.line, second.problem) == (2, 4, "")


def test_a_cell_in_quotes_may_hold_a_comma_and_a_quote() -> None:
    [row] = read_sku_table('sku,brand\nBAG,"Maison, ""A"""\n')

    assert row.sku is not None
    assert row.sku.brand == 'Maison, "A"'


def test_a_bad_row_is_told_with_its_line_and_the_others_are_read() -> None:
    rows = list(read_sku_table(f"sku,category\nBAG,bags\n,bags\n{'x' * 129},bags\nA,b,c\nLAST\n"))

    assert [(row.line, row.sku is not None) for row in rows] == [
        (2, True),
        (3, False),
        (4, False),
        (5, False),
        (6, True),
    ]
    assert all(row.problem for row in rows if row.sku is None)


@pytest.mark.parametrize(
    "text",
    ["", "category\nbags\n", "sku,sku\nA,A\n", "sku,\nA,B\n", 'sku\n"A', "sku," + ",".join(map(str, range(40))) + "\n"],
)
def test_what_is_no_such_table_is_told(text: str) -> None:
    with pytest.raises(TableUnreadable, match="line"):
        list(read_sku_table(text))
