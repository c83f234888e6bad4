"""Tables of notebooks."""

from __future__ import annotations

from xml.etree import ElementTree as ET

from imbalance_cli.html_table import MOST_ROWS, html_interval, html_table


def parse(html: str) -> ET.Element:
    """Return a table as a tree."""
    return ET.fromstring(html)  # noqa: S314  our own


def test_names_are_text_and_never_markup() -> None:
    hostile = "<script>&\"'"
    table = parse(html_table(hostile, {hostile: hostile}, [[hostile, "<b>1</b>"]]))
    caption, head, name = (table.find(f".//{tag}") for tag in ("caption", "thead//th", "tbody//th"))
    assert caption is not None
    assert head is not None
    assert name is not None
    assert [caption.text, head.text, head.get("title"), name.text] == [hostile] * 4
    assert table.findtext(".//td/b") == "1"


def test_a_table_of_thousands_of_labels_is_cut_and_says_so() -> None:
    rows = [[str(i), "1"] for i in range(2_000)]
    table = parse(html_table("2,000 labels", {"Label": "", "Value": ""}, rows))
    assert len(table.findall("tbody/tr")) == MOST_ROWS
    assert table.findtext("caption") == "2,000 labels; the first 60 of 2,000"


def test_what_is_undefined_is_blank() -> None:
    assert html_interval(None, None, None, 3) == ""
    assert html_interval(0.5, None, None, 3) == "0.500"
    assert html_interval(0.5, 0.4, 0.6, 2) == "0.50<br><small>0.40 to 0.60</small>"
