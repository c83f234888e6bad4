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

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

pytest.importorskip("fastexcel")
MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGE = "http://schemas.openxmlformats.org/package/2006"
RELATIONS = f'<Relationships xmlns="{PACKAGE}/relationships">%s</Relationships>'
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
    refuse("weights", path, says="sheet 'one': two columns are called 'y'")
    write_book(path, {"one": [["y", "x"]]})
    refuse("weights", path, says="no rows")
    path.write_bytes(path.read_bytes()[:500])
    refuse("weights", path, says="not an Excel file")
    refuse("weights", path, "--skip-lines", 2, says="--skip-lines 2 (data.skip_lines) does not go")


def test_without_the_extra_one_line_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_book(tmp_path / "t.xlsx", {"all": TABLE})
    monkeypatch.setitem(sys.modules, "fastexcel", None)
    refuse("weights", path, says="needs fastexcel", hint="pip install 'imbtrain[excel]'")
