"""Excel workbooks: the first sheet as a table, and what is said of the rest."""

from __future__ import annotations

import sys
import zipfile
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

import polars as pl
import pytest
from small_runs import refuse, succeed

from imbalance_cli.readers import open_source, read_table
from imbalance_cli.readers.dialect import Dialect

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

pytest.importorskip("fastexcel")
MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGE = "http://schemas.openxmlformats.org/package/2006"
RELATIONS = f'<Relationships xmlns="{PACKAGE}/relationships">%s</Relationships>'
DIALECTS = {
    "--skip-lines 2": Dialect(skip_lines=2),
    "--skip-rows 1": Dialect(skip_rows=1),
    "--no-header": Dialect(header=False),
}
TABLE: list[list[object]] = [
    ["age", "word", "is it", None, "y"],
    [1.5, "a<b", True, 7, 0],
    [None] * 5,
    [2, None, False, 8, 1],
    [None, "c", True, "x", 0],
]


def write_cell(cell: object) -> str:
    if cell is None:
        return "<c/>"
    if isinstance(cell, str):
        return f'<c t="inlineStr"><is><t>{escape(cell)}</t></is></c>'
    kind = ' t="b"' if isinstance(cell, bool) else ""
    return f"<c{kind}><v>{float(cell):g}</v></c>"  # type: ignore[arg-type]


def write_book(path: Path, sheets: Mapping[str, Sequence[Sequence[object]]]) -> Path:
    """Write sheets as the least that is a workbook."""
    names = "".join(
        f'<sheet name="{name}" sheetId="{i}" r:id="r{i}"/>' for i, name in enumerate(sheets)
    )
    targets = "".join(
        f'<Relationship Id="r{i}" Type="{OFFICE}/worksheet" Target="sheet{i}.xml"/>'
        for i in range(len(sheets))
    )
    book = f'<Relationship Id="r" Type="{OFFICE}/officeDocument" Target="xl/workbook.xml"/>'
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("[Content_Types].xml", f'<Types xmlns="{PACKAGE}/content-types"/>')
        archive.writestr("_rels/.rels", RELATIONS % book)
        archive.writestr(
            "xl/workbook.xml",
            f'<workbook xmlns="{MAIN}" xmlns:r="{OFFICE}"><sheets>{names}</sheets></workbook>',
        )
        archive.writestr("xl/_rels/workbook.xml.rels", RELATIONS % targets)
        for i, rows in enumerate(sheets.values()):
            lines = "".join(f"<row>{''.join(map(write_cell, row))}</row>" for row in rows)
            sheet = f'<worksheet xmlns="{MAIN}"><sheetData>{lines}</sheetData></worksheet>'
            archive.writestr(f"xl/sheet{i}.xml", sheet)
    return path


def test_the_first_sheet_is_a_table_of_typed_columns(tmp_path: Path) -> None:
    path = write_book(tmp_path / "t.xlsx", {"all": TABLE, "notes": [["n"], [1]], "more": []})
    source = open_source(str(path))
    assert source.columns == ["age", "word", "is it", "column_4", "y"]
    assert source.remarks == [f"{path}: reads sheet 'all', and not 'notes', 'more'"]
    table = read_table([source], source.columns)
    wanted = {
        "age": [1.5, 2.0, None],
        "word": ["a<b", None, "c"],
        "is it": [True, False, True],
        "column_4": ["7", "8", "x"],
        "y": [0, 1, 0],
    }
    assert table.frame.to_dict(as_series=False) == wanted
    assert table.frame.schema["age"] == pl.Float64
    weights = succeed("weights", path)
    assert weights.text.splitlines()[1].startswith("y,1,2,0,")
    assert "reads sheet 'all', and not 'notes', 'more'" in weights.err
    assert succeed("weights", "-", stdin=path.read_bytes()).out == weights.out
    renamed = path.rename(tmp_path / "t.csv")
    assert succeed("weights", renamed).out == weights.out


def test_what_is_no_table(tmp_path: Path) -> None:
    path = tmp_path / "t.xlsx"
    write_book(path, {"one": []})
    refuse("weights", path, says="sheet 'one' is empty")
    write_book(path, {"one": [["y", "x", "y "], [1, 2, 3]]})
    refuse("weights", path, says="sheet 'one': line 1: two columns are called 'y'")
    write_book(path, {"one": [["y", "x"]]})
    refuse("weights", path, says="no rows")
    path.write_bytes(path.read_bytes()[:500])
    refuse("weights", path, says="not an Excel file")
    refuse("weights", path, "--delimiter", ";", says="--delimiter ';' (data.delimiter) does not go")


def test_without_the_extra_one_line_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_book(tmp_path / "t.xlsx", {"all": TABLE})
    monkeypatch.setitem(sys.modules, "fastexcel", None)
    refuse("weights", path, says="needs fastexcel", hint="pip install 'imbtrain[excel]'")


@pytest.mark.parametrize(
    ("above", "below", "says", "option"),
    [
        ([["Results of 2024"], []], [], "'Results of 2024' seems to be a title", "--skip-lines 2"),
        ([], [["kg", "mg/l", "", None]], "units?", "--skip-rows 1"),
        ([], [], "is all numbers", "--no-header"),
    ],
)
def test_first_rows_are_looked_at_as_lines_of_text_are(
    tmp_path: Path, above: list[list[object]], below: list[list[object]], says: str, option: str
) -> None:
    rows = [[60 + i, 0.25 * i, "ab"[i % 2], i % 2] for i in range(1, 9)]
    names = [["weight", "dose", "arm", "y"]] if above or below else []
    if not names:
        rows = [[1.5 * i, 0.25 * i, i % 3, i % 2] for i in range(1, 9)]
    path = write_book(tmp_path / "t.xlsx", {"s": [*above, *names, *below, *rows]})
    labels = ["--labels", "y"] if names else []
    refuse("weights", path, *labels, says=says, hint=option)
    source = open_source(str(path), None, DIALECTS[option])
    table = read_table([source], source.columns)
    assert table.frame.height == len(rows)
    assert table.frame.to_series(1).to_list() == [row[1] for row in rows]
    assert table.frame.to_series(1).dtype == pl.Float64
