"""A kind of column that this file alone adds, in `inspect`, `init` and `fit`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np
import pytest

from imbalance_cli.config.template import write_template
from imbalance_cli.errors import FeatureError
from imbalance_cli.features import CategoricalFeature, fit_preprocessing
from imbalance_cli.features.kinds import KINDS, Judgement, KindSpec, list_ways, register_kind
from imbalance_cli.inspection import inspect_source, propose_config
from imbalance_cli.labels import LabelSettings
from imbalance_cli.readers import open_source, read_table
from imbalance_cli.report import inspection as drawing

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import WriteFile

    from imbalance_cli.features.evidence import Evidence

ROWS = 60


def tell_postcode(column: Evidence) -> Judgement | None:
    is_one = column.known > 0 and column.characters == 5 * column.known
    return Judgement("postcode") if is_one and re.fullmatch(r"\d{5}", column.example) else None


def tell_link(column: Evidence) -> Judgement | None:
    if not column.example.startswith("http"):
        return None
    return Judgement("link", "holds links", hint="shorten them", is_clause=False)


@pytest.fixture
def table(write: WriteFile) -> Iterator[str]:
    before = dict(KINDS)
    register_kind(KindSpec("postcode", tell_postcode, "category", remark="postcodes as {!r}"))
    register_kind(KindSpec("link", tell_link))
    cells = [(f"{20000 + i % 7}", f"http://a/{i}", i % 10, i % 3 == 0) for i in range(ROWS)]
    yield write(
        "a.csv", "code,page,x,y\n" + "".join(f"{a},{b},{c},{int(d)}\n" for a, b, c, d in cells)
    )
    KINDS.clear()
    KINDS.update(before)


def test_inspect_and_init_know_it(table: str) -> None:
    found = inspect_source(open_source(table))
    kinds = {column.name: column.kind for column in found.columns}
    assert (kinds["code"], kinds["page"], kinds["x"]) == ("postcode", "link", "number")
    assert b'"type": "postcode"' in drawing.to_json(found)
    told = {f.column: (f.outcome, f.problem, f.hint) for f in found.findings}
    assert told["code"] == ("warned", "postcodes as '20000'", None)
    assert told["page"] == ("refused", "holds links", "shorten them, or data.exclude: [page]")
    config = write_template(propose_config(table, found, LabelSettings()))
    assert "- page  # holds links; shorten them" in config


def test_fit_encodes_or_refuses_it(table: str) -> None:
    source = open_source(table)
    read = read_table([source], source.columns)
    fitted = fit_preprocessing(read, ["code", "x"], np.arange(ROWS))
    (code,) = fitted.categorical
    assert isinstance(code, CategoricalFeature)
    assert code.categories == [f"{20000 + i}" for i in range(7)]
    with pytest.raises(FeatureError) as caught:
        fit_preprocessing(read, ["page"], np.arange(ROWS))
    assert caught.value.message.endswith("column 'page' holds links")
    assert caught.value.hint == "shorten them, or data.exclude: [page]"


def test_to_leave_a_column_out_is_always_a_way() -> None:
    assert list_ways("a: b") == 'data.exclude: ["a: b"]'
    assert list_ways("x", "data.decimal: ','") == "data.decimal: ','; or data.exclude: [x]"
